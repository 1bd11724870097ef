/**
 * Settles as `promise` does, or rejects after `ms` with what was waited for. A guard against hanging, generous by
 * design: no measurement.
 */
export async function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const hung = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Waited ${ms} ms in vain: ${what}.`)), ms)
  })
  try {
    return await Promise.race([promise, hung])
  } finally {
    clearTimeout(timer)
  }
}

/** Asks `probe` again and again until it answers something else than undefined or false. */
export async function until<T>(
  ms: number,
  what: string,
  probe: () => Promise<T | undefined | false>,
  everyMs = 20,
): Promise<T> {
  const end = Date.now() + ms
  for (;;) {
    const answer = await within(Math.max(1, end - Date.now()), what, probe())
    if (answer !== undefined && answer !== false) return answer
    if (Date.now() >= end) throw new Error(`Waited ${ms} ms in vain: ${what}.`)
    await pause(everyMs)
  }
}

/** For giving a wrong behaviour time to show itself, and between two probes; never for hoping that something is done. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Whether `promise` settles within `ms`. Its rejection is the caller's to see later. */
export async function settles(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const settled = promise.then(
    () => true,
    () => true,
  )
  return Promise.race([settled, pause(ms).then(() => false)])
}

/** Waits until the clock has left the present millisecond, twice over, and says what it shows then. */
export async function nextMoment(): Promise<Date> {
  const before = Date.now()
  while (Date.now() < before + 3) await pause(1)
  const moment = new Date()
  while (Date.now() < moment.getTime() + 3) await pause(1)
  return moment
}
