/** What the process says when it ends (api.md, "CLI"). */
export const exitCode = { done: 0, failed: 1, wrongUse: 2, refused: 3, unreachable: 4 } as const

export type ExitCode = (typeof exitCode)[keyof typeof exitCode]

/** An end that was foreseen: its message is for the user, without a stack. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly code: ExitCode

  constructor(code: ExitCode, message: string) {
    super(message)
    this.code = code
  }
}

export function wrongUse(message: string): CliError {
  return new CliError(exitCode.wrongUse, message)
}
