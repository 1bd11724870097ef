/** A line for people and machines. Callers give no header, no body and no secret. */
export type Logger = (level: 'info' | 'warn' | 'error', message: string, fields?: Record<string, unknown>) => void
