import { Random } from '../conformance/random.ts'
import { pause, within } from '../conformance/waiting.ts'
import { forms } from './forms.ts'
import { Gateway } from './gateway.ts'
import { Ledger, type ReadEvent, type Report } from './ledger.ts'
import { LoadPublisher } from './publisher.ts'

export interface KillRun {
  readonly seed: number
  /** How often the gateway is killed. */
  readonly rounds: number
  /** It goes on until so many events are acknowledged, if the rounds did not do it. */
  readonly acknowledged: number
}

export interface KillReport extends Report {
  readonly kills: number
  /** Acknowledged events by the form in which they were published. */
  readonly byForm: Readonly<Record<string, number>>
}

const publishers = 8
/** Against hanging: what a run on a slow machine may take for its last events, and the log for showing delayed ones. */
const settleMs = 120_000

/** Publishes under load, kills the gateway at random moments, and compares what was acknowledged with what is there. */
export async function killWhilePublishing({ seed, rounds, acknowledged }: KillRun): Promise<KillReport> {
  const gateway = await Gateway.create()
  const ledger = new Ledger()
  const stop = new AbortController()
  const killing = new Killing(gateway, new Random(seed), stop.signal)
  gateway.start()
  const clients = Array.from(
    { length: publishers },
    (_, i) => new LoadPublisher(`c${i}`, gateway, ledger, seed + i + 1),
  )
  const work = Promise.all(clients.map((client) => client.runUntil(stop.signal)))
  const killed = killing.run(rounds, () => ledger.acknowledged >= acknowledged)
  try {
    // A client ends before it is told to only where it met a defect.
    await Promise.race([killed, work])
    stop.abort()
    await within(settleMs, 'every client has its answers', work)
    // What is compared is what the next process finds, not what this one remembers.
    await gateway.killAndStart()
    const report = await compare(gateway, ledger)
    const sums = forms.map(({ name }) => {
      const counts = clients.map((client) => client.acknowledged.get(name) ?? 0)
      return [name, counts.reduce((a, b) => a + b, 0)] as const
    })
    return { ...report, kills: killing.kills, byForm: Object.fromEntries(sums) }
  } finally {
    stop.abort()
    await Promise.allSettled([killed])
    work.catch(() => undefined)
    await gateway.remove()
  }
}

/** Kills the gateway at random moments, also while it starts. */
class Killing {
  readonly #gateway: Gateway
  readonly #random: Random
  readonly #stop: AbortSignal
  kills = 0

  constructor(gateway: Gateway, random: Random, stop: AbortSignal) {
    this.#gateway = gateway
    this.#random = random
    this.#stop = stop
  }

  /** Then waits until there is `enough`. */
  async run(rounds: number, enough: () => boolean): Promise<void> {
    for (let round = 0; round < rounds; round++) {
      await this.#gateway.url()
      await this.#killAfter(50, 1200)
      // Recovery is a moment like any other.
      if (this.#random.next() < 0.2) await this.#killAfter(50, 700)
    }
    const end = Date.now() + settleMs
    while (!enough() && !this.#stop.aborted && Date.now() < end) await pause(50)
  }

  async #killAfter(from: number, to: number): Promise<void> {
    await pause(this.#random.between(from, to))
    if (this.#stop.aborted) return
    await this.#gateway.killAndStart()
    this.kills++
  }
}

/** Reads the log until nothing is missing, for delayed events come when they are due, or until it is clear that it is. */
async function compare(gateway: Gateway, ledger: Ledger): Promise<Report> {
  const end = Date.now() + 30_000
  for (;;) {
    const report = ledger.check(await readLog(await gateway.url()), true)
    const missing = report.violations.some(({ kind }) => kind === 'lost' || kind === 'torn')
    if (!missing || Date.now() > end) return report
    await pause(500)
  }
}

async function readLog(url: string): Promise<ReadEvent[]> {
  const headers = { accept: 'application/x-ndjson' }
  const response = await fetch(`${url}/v1/topics/load/events?from=earliest`, { headers })
  if (!response.ok) throw new Error(`Reading was refused with ${response.status}: ${await response.text()}`)
  const read: ReadEvent[] = []
  let ended = false
  for (const line of (await response.text()).split('\n')) {
    if (line === '') continue
    const entry = JSON.parse(line) as Line
    if (entry.event === undefined) ended = entry.next !== undefined
    else read.push({ token: entry.event.data.token, id: entry.event.id, position: entry.position ?? '' })
  }
  if (!ended) throw new Error('The log ended without its cursor.')
  return read
}

interface Line {
  readonly position?: string
  readonly event?: { readonly id: string; readonly data: { readonly token: string } }
  readonly next?: string
}

/** One line for whoever reads the output of a run. */
export function summary(seed: number, report: KillReport): string {
  const { attempted, acknowledged, unknown, repeated, checked, kills, violations } = report
  const forms = Object.entries(report.byForm).map(([name, count]) => `${name} ${count}`)
  const counts = `${attempted} events attempted, ${acknowledged} acknowledged, ${unknown} unknown, ${repeated} published again`
  return `SLUICE_SEED=${seed}: ${kills} kills, ${counts}, ${checked} checked, ${violations.length} violations (${forms.join(', ')})`
}
