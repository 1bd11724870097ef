import { once } from 'node:events'
import { createServer } from 'node:net'

// Below what systems give to outgoing connections, so that a stopped broker finds its port again.
const lowest = 20_000
const count = 12_000
const taken = new Set<number>()

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  server.listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch {
    return false
  }
  server.close()
  await once(server, 'close')
  return true
}

/** A port that nothing on loopback listens on and that this process has not been given before. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = lowest + Math.floor(Math.random() * count)
    if (taken.has(port)) continue
    taken.add(port)
    if (await isFree(port)) return port
  }
}
