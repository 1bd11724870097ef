import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { fromSqlite, toFailure } from '../errors.ts'
import type { Answer, Said, ThreadData } from './channel.ts'

/** What a thread does for the other side. */
export interface Service<Call> {
  /** What is said when the thread is ready. */
  readonly ready: unknown
  /** Answers calls that came together, one answer each, in order. */
  run(calls: Call[]): Answer[]
  /** Does what nobody asked for; answers for how many milliseconds it may be left alone if no call comes. */
  idle(): number
  close(): void
}

/** So many calls are answered together at the most. */
const together = 256

/** Runs a service in this thread, until the other side closes it. `say` tells the other side something unasked. */
export function serve<Options, Call>(open: (options: Options, say: (event: unknown) => void) => Service<Call>): void {
  const { port, signal, options } = workerData as ThreadData<Options>
  const say = (said: Said, transfer: ArrayBuffer[] = []) => port.postMessage(said, transfer)
  let service: Service<Call>
  try {
    service = open(options, (event) => say({ event }))
  } catch (thrown) {
    say({ failure: toFailure(fromSqlite(thrown)) })
    port.close()
    return
  }
  say({ ready: service.ready })
  loop(port, new Int32Array(signal), service)
  service.close()
  port.close()
}

function loop<Call>(port: MessagePort, signal: Int32Array, service: Service<Call>): void {
  for (;;) {
    const seen = Atomics.load(signal, 0)
    const calls: Call[] = []
    let ending = false
    while (calls.length < together) {
      const received = receiveMessageOnPort(port) as { message: Call | null } | undefined
      if (received === undefined) break
      if (received.message === null) {
        ending = true
        break
      }
      calls.push(received.message)
    }
    if (calls.length > 0) {
      const answers = service.run(calls)
      port.postMessage(answers, buffersOf(answers))
    }
    if (ending) return
    const rest = service.idle()
    if (calls.length === 0) Atomics.wait(signal, 0, seen, rest)
  }
}

/** Large byte arrays are given away instead of being copied. */
function buffersOf(answers: Answer[]): ArrayBuffer[] {
  const buffers: ArrayBuffer[] = []
  for (const answer of answers) {
    if (!('value' in answer) || typeof answer.value !== 'object' || answer.value === null) continue
    const { bytes, chunks } = answer.value as {
      bytes?: Uint8Array<ArrayBuffer>
      chunks?: { body: Uint8Array<ArrayBuffer> }[]
    }
    if (bytes !== undefined) buffers.push(bytes.buffer)
    if (chunks !== undefined) for (const { body } of chunks) buffers.push(body.buffer)
  }
  return buffers
}
