/**
 * What `promise` comes to; undefined where `signal` aborts first. What becomes of the promise is then nobody's concern:
 * its rejection is not unhandled.
 */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const stop = () => resolve(undefined)
    const done = () => signal.removeEventListener('abort', stop)
    promise.then(
      (value) => {
        done()
        resolve(value)
      },
      (error) => {
        done()
        reject(error)
      },
    )
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}
