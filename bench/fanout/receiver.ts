// The process that webhooks come to: the least of a server on node:net, so that it is not what limits. It answers every
// complete request with 200, counts, and where requests hold a stamp it notes how old that is.
import { createServer, type Socket } from 'node:net'
import { Latencies } from '../histogram.ts'
import { micros, readStamp } from './clock.ts'
import type { Asked, Counted, Opened, Order } from './receiving.ts'

const answer = Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
const headEnd = '\r\n\r\n'
const lengthName = 'content-length: '

let tally = { count: 0, firstAt: 0, lastAt: 0, latency: new Latencies() }
let awaited = Number.POSITIVE_INFINITY
let stamped = false
const sockets = new Set<Socket>()

function report(): Counted {
  const { count, firstAt, lastAt, latency } = tally
  return { at: micros(), count, firstAt, lastAt, latency: latency.encode() }
}

function tell(message: { opened: Opened } | { counted: Counted } | { reached: Counted }): void {
  process.send!(message)
}

function took(whole: Buffer, from: number, to: number): void {
  const now = micros()
  if (tally.count === 0) tally.firstAt = now
  tally.lastAt = now
  tally.count++
  if (stamped) {
    const stamp = readStamp(whole, from, to)
    if (stamp !== undefined) tally.latency.recordMs((now - stamp) / 1000)
  }
  if (tally.count >= awaited) {
    awaited = Number.POSITIVE_INFINITY
    tell({ reached: report() })
  }
}

/** Answers the complete requests in `bytes`; what is left of it belongs before what comes next. */
function serve(socket: Socket, bytes: Buffer): Buffer | undefined {
  let at = 0
  while (at < bytes.length) {
    const end = bytes.indexOf(headEnd, at, 'latin1')
    if (end < 0) break
    const named = bytes.indexOf(lengthName, at, 'latin1')
    if (named < 0 || named > end) throw new Error('A request without content-length.')
    let length = 0
    for (let i = named + lengthName.length; bytes[i] !== 0x0d; i++) length = length * 10 + bytes[i]! - 0x30
    const next = end + headEnd.length + length
    if (next > bytes.length) break
    took(bytes, end, next)
    socket.write(answer)
    at = next
  }
  return at < bytes.length ? bytes.subarray(at) : undefined
}

function listen(handler: (socket: Socket) => void): Promise<number> {
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => {})
    handler(socket)
  })
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
  )
}

function answering(socket: Socket): void {
  let held: Buffer | undefined
  socket.on('data', (chunk: Buffer) => {
    held = serve(socket, held === undefined ? chunk : Buffer.concat([held, chunk]))
  })
}

/** Takes everything and never answers. */
function hanging(socket: Socket): void {
  socket.resume()
}

async function open({ ports }: Asked): Promise<void> {
  const all: number[] = []
  for (let i = 0; i < ports; i++) all.push(await listen(answering))
  tell({ opened: { ports: all, hanging: await listen(hanging) } })
}

process.on('message', (order: Order) => {
  if (order.kind === 'open') void open(order)
  else if (order.kind === 'count') tell({ counted: report() })
  else if (order.kind === 'await') {
    if (tally.count >= order.count) tell({ reached: report() })
    else awaited = order.count
  } else {
    tally = { count: 0, firstAt: 0, lastAt: 0, latency: new Latencies() }
    awaited = Number.POSITIVE_INFINITY
    stamped = order.stamped
    tell({ counted: report() })
  }
})
process.on('disconnect', () => process.exit())
process.on('SIGINT', () => {})
