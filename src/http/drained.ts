/**
 * Waits until whoever reads an answer took enough of it; false where nothing moved for `patienceMs`, or the reader is
 * gone.
 */
export async function drained(writer: WritableStreamDefaultWriter<Uint8Array>, patienceMs: number): Promise<boolean> {
  if ((writer.desiredSize ?? 0) > 0) return true
  let timer: ReturnType<typeof setTimeout> | undefined
  const slow = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), patienceMs)
  })
  try {
    return await Promise.race([writer.ready.then(() => true), slow])
  } catch {
    return false
  } finally {
    clearTimeout(timer)
  }
}
