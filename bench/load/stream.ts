import { Connection } from './connection.ts'
import type { Job, Outcome } from './job.ts'
import { type EventBlock, IdCounter, streamChunk, streamEnd, streamHead } from './payload.ts'
import { Tally } from './tally.ts'

const linesPerChunk = 64
/** Chunks that a connection may have in the kernel's hands; beyond it, it waits for the socket to drain. */
const chunksAhead = 8

/**
 * Every connection streams lines as fast as they are taken, and counts the receipts. Timed to the last receipt, so that
 * lines which are only buffered are no gain. Latency is from handing a chunk to the socket to its last receipt.
 */
export async function streamLines(job: Job & { kind: 'stream' }): Promise<Outcome> {
  const ids = new IdCounter()
  const lanes = await Promise.all(Array.from({ length: job.connections }, () => StreamLane.open(job, ids)))
  const tally = new Tally()
  try {
    const deadline = tally.began + job.seconds * 1000
    await Promise.all(lanes.map((lane) => lane.run(tally, deadline)))
    return tally.outcome()
  } finally {
    for (const lane of lanes) lane.close()
  }
}

class StreamLane {
  readonly #job: Job
  readonly #done = Promise.withResolvers<void>()
  readonly #spare: EventBlock[] = []
  /** When each chunk was handed over, oldest first, and how many lines were sent up to its end. */
  readonly #handed: { at: number; upTo: number }[] = []
  #connection!: Connection
  #tally!: Tally
  #deadline = 0
  #sent = 0
  #lines = 0
  #tail = ''
  #ended = false

  private constructor(job: Job, ids: IdCounter) {
    this.#job = job
    for (let i = 0; i < chunksAhead; i++) this.#spare.push(streamChunk(linesPerChunk, ids))
  }

  static async open(job: Job, ids: IdCounter): Promise<StreamLane> {
    const lane = new StreamLane(job, ids)
    lane.#connection = await Connection.open(job.port, {
      body: (chunk, from, to) => lane.#receipts(chunk, from, to),
      end: (status) => lane.#answered(status),
      gone: (reason) => lane.#finish(reason),
    })
    return lane
  }

  run(tally: Tally, deadline: number): Promise<void> {
    this.#tally = tally
    this.#deadline = deadline
    this.#connection.send(streamHead(this.#job))
    this.#fill()
    return this.#done.promise
  }

  close(): void {
    this.#connection.close()
  }

  #fill(): void {
    if (this.#ended) return
    if (performance.now() >= this.#deadline) {
      this.#ended = true
      this.#connection.send(streamEnd)
      return
    }
    for (let block = this.#spare.pop(); block !== undefined; block = this.#spare.pop()) {
      const sent = block
      this.#sent += block.count
      this.#tally.sent += block.count
      this.#handed.push({ at: performance.now(), upTo: this.#sent })
      this.#connection.send(block.renew(), () => {
        this.#spare.push(sent)
        this.#fill()
      })
    }
  }

  #receipts(chunk: Buffer, from: number, to: number): void {
    for (let at = chunk.indexOf(0x0a, from); at >= 0 && at < to; at = chunk.indexOf(0x0a, at + 1)) this.#lines++
    // The summary is the last line; of what comes before, only the number is of interest here.
    this.#tail = (this.#tail + chunk.toString('latin1', Math.max(from, to - 256), to)).slice(-256)
    this.#tally.bytes += to - from
    if (this.#handed.length === 0 || this.#handed[0]!.upTo > this.#lines) return
    const now = performance.now()
    while (this.#handed.length > 0 && this.#handed[0]!.upTo <= this.#lines) {
      this.#tally.latency.recordMs(now - this.#handed.shift()!.at)
    }
  }

  #answered(status: number): void {
    const summary = /\{"summary":(\{.*\})\}\n$/.exec(this.#tail)
    this.#tally.answers++
    if (status !== 200) this.#finish(`status ${status}`)
    else if (summary === null) this.#finish('A stream without its summary.')
    else {
      const { stored } = JSON.parse(summary[1]!) as { stored: number }
      this.#tally.events += stored
      const receipts = this.#lines - 1
      if (stored === this.#sent && receipts === this.#sent) this.#finish()
      else this.#finish(`Of ${this.#sent} lines, ${receipts} have receipts and ${stored} were stored.`)
    }
  }

  #finish(failure?: string): void {
    this.#ended = true
    if (failure !== undefined) this.#tally.fail(failure)
    this.#connection.close()
    this.#done.resolve()
  }
}
