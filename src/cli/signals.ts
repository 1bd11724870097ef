import { exitCode } from './exit.ts'

/** npm passes a Ctrl-C on to a child that had it from the terminal already: so soon after, it is the same one. */
const echoMs = 300

/** Aborts at the first SIGINT or SIGTERM; a second one ends the process at once. */
export function untilSignal(): AbortSignal {
  const controller = new AbortController()
  let at = 0
  const onSignal = (): void => {
    if (controller.signal.aborted && performance.now() - at > echoMs) process.exit(exitCode.failed)
    if (controller.signal.aborted) return
    at = performance.now()
    controller.abort()
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  return controller.signal
}

/** Resolves once the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
