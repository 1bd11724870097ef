import { createConnection, type Socket } from 'node:net'
import type { Job, Outcome } from './job.ts'
import { readRequest } from './payload.ts'
import { Tally } from './tally.ts'

const pieceBytes = 1024

/** Connections that ask for a log and take so many bytes of it a second, whatever more there is. */
export async function readSlowly(job: Job & { kind: 'slow' }): Promise<Outcome> {
  const tally = new Tally()
  const sockets = Array.from({ length: job.connections }, () => slowReader(job, tally))
  const everySecond = setInterval(() => {
    for (const socket of sockets) socket.resume()
  }, 1000)
  await new Promise((resolve) => setTimeout(resolve, job.seconds * 1000))
  clearInterval(everySecond)
  for (const socket of sockets) socket.removeAllListeners('close').destroy()
  return tally.outcome()
}

function slowReader(job: Job & { kind: 'slow' }, tally: Tally): Socket {
  let head = ''
  let taken = 0
  const callback = (length: number, piece: Uint8Array): boolean => {
    if (head.length < 12) head += Buffer.from(piece.buffer, piece.byteOffset, length).toString('latin1')
    tally.bytes += length
    taken += length
    if (taken < job.bytesPerSecond) return true
    taken -= job.bytesPerSecond
    return false
  }
  const onread = { buffer: Buffer.allocUnsafeSlow(pieceBytes), callback }
  const socket = createConnection({ host: '127.0.0.1', port: job.port, noDelay: true, onread })
  socket.on('error', ({ message }) => tally.fail(message))
  socket.on('close', () => tally.fail(`The server closed the connection: ${head.split('\r\n', 1)[0]}`))
  socket.write(readRequest(job, job.path))
  return socket
}
