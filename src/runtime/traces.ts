import type { Logger } from '../core/logger.ts'
import type { Tracing } from './tracing.ts'

export interface Traces {
  readonly tracing: Tracing
  /** Exports what is left, within `graceMs`. */
  close(graceMs: number): Promise<void>
}

/**
 * Traces where the environment says to whom, by the variables that OpenTelemetry gives; undefined otherwise, and then
 * nothing of it is loaded.
 */
export async function openTraces(environment: NodeJS.ProcessEnv, log: Logger): Promise<Traces | undefined> {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: all, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: traces } = environment
  if (!all && !traces) return undefined
  if (environment.OTEL_SDK_DISABLED?.toLowerCase() === 'true' || environment.OTEL_TRACES_EXPORTER === 'none')
    return undefined
  const [{ startOpenTelemetry }, { Tracing }] = await Promise.all([import('./otel.ts'), import('./tracing.ts')])
  const { tracer, close } = startOpenTelemetry(environment, log)
  return { tracing: new Tracing(tracer), close }
}
