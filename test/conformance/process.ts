import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { assertQuiet, share, take } from './consuming.ts'
import { type Context, shortLeaseMs } from './context.ts'
import type { DriverReport, DriverTask } from './driver.ts'
import { assertSameIds, events, idOf, ids } from './events.ts'
import type { Scenario } from './scenario.ts'
import { within } from './waiting.ts'

// Built, this file is JavaScript, and so is the driver.
const driverPath = fileURLToPath(new URL(`./driver${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url))

/** The driver, running. */
class Driver {
  readonly received: string[] = []
  readonly settled: string[] = []
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  readonly #child: ChildProcess
  readonly #waiting = new Map<DriverReport['event'], () => void>()
  #errors = ''

  constructor(task: DriverTask) {
    const env = { ...process.env, SLUICE_DRIVER: JSON.stringify(task) }
    const arguments_ = ['--disable-warning=ExperimentalWarning', driverPath]
    const child = spawn(process.execPath, arguments_, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errors += text
    })
    createInterface({ input: child.stdout }).on('line', (line) => this.#note(JSON.parse(line) as DriverReport))
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code, signal) => resolve({ code, signal }))
    })
  }

  #note(line: DriverReport): void {
    if (line.event === 'received') this.received.push(line.id)
    if (line.event === 'settled') this.settled.push(line.id)
    this.#waiting.get(line.event)?.()
  }

  /** Resolves once the driver reports it; rejects where it ends before. */
  reports(event: DriverReport['event']): Promise<void> {
    const seen = new Promise<void>((resolve) => this.#waiting.set(event, resolve))
    const ended = this.ended.then(({ code }) => {
      throw new Error(`The driver ended with ${code} before it reported ${event}: ${this.#errors}`)
    })
    return Promise.race([seen, ended])
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  get errors(): string {
    return this.#errors
  }
}

interface Stage {
  readonly topic: string
  readonly group: string
  readonly sent: string[]
  readonly driver: Driver
}

/** Publishes 30 events, closes the broker, and lets a driver acknowledge `ack` of them and hold `hold`. */
async function stage(context: Context, ack: number, hold: number): Promise<Stage> {
  const describeProcess = context.hook('process')
  context.hook('reopen')
  const topic = await context.topic('process')
  // What a killed process held comes back when its lease ends, at the latest; the driver's own work is far quicker.
  const group = await context.group(topic, { leaseMs: 5 * shortLeaseMs })
  const sent = events(30, 'e')
  await context.publish(topic, sent)
  const entry = describeProcess(context.broker)
  await context.within('the broker closes', context.broker.close())
  const driver = new Driver({ ...entry, topic, group, ack, hold })
  try {
    await within(context.deadlineMs, 'the driver holds what it was told to', driver.reports('holding'))
  } catch (error) {
    driver.kill('SIGKILL')
    throw error
  }
  return { topic, group, sent: ids(sent), driver }
}

/** Ends the driver by a signal that it cannot answer, and opens the same data again. */
async function killAndReopen(context: Context, driver: Driver): Promise<void> {
  driver.kill('SIGKILL')
  const { signal } = await context.within('the driver is gone', driver.ended)
  assert.equal(signal, 'SIGKILL')
  await context.reopen()
}

const acked: Scenario = {
  id: 18,
  title: 'Ack, then SIGKILL: no redelivery of it across the restart',
  needs: ['process', 'reopen'],
  async run(context) {
    const { topic, group, sent, driver } = await stage(context, 20, 0)
    await killAndReopen(context, driver)
    assert.equal(driver.settled.length, 20)
    const left = sent.filter((id) => !driver.settled.includes(id))
    const consumer = await context.consumer(topic, group)
    await share(context, [consumer], left)
    if (context.exact) await assertQuiet(context, consumer, 'the rest was acknowledged before the kill')
    if (context.capabilities.lag === 'exact') {
      assert.equal((await context.broker.groups.describe(topic, group)).lag?.events, 0)
    }
  },
}

const unacked: Scenario = {
  id: 39,
  title:
    'A consumer’s SIGKILL: everything it held is delivered again, as the next attempt; what it acknowledged is not',
  needs: ['process', 'reopen'],
  async run(context) {
    const { topic, group, sent, driver } = await stage(context, 10, 12)
    await killAndReopen(context, driver)
    const held = driver.received.filter((id) => !driver.settled.includes(id))
    assert.deepEqual([driver.settled.length, held.length], [10, 12])
    const consumer = await context.consumer(topic, group)
    const left = sent.filter((id) => !driver.settled.includes(id))
    const delivered = await share(context, [consumer], left)
    assertSameIds(new Set(ids(delivered.map((one) => one.event))), left, 'after the kill')
    if (context.capabilities.attempts) {
      for (const { event, attempt } of delivered) {
        assert(attempt >= (held.includes(idOf(event)) ? 2 : 1), `${idOf(event)} came as attempt ${attempt}`)
      }
    }
  },
}

const terminated: Scenario = {
  id: 40,
  title: 'SIGTERM: what is in flight settles, the process ends by itself with 0, and nothing completed comes again',
  needs: ['process', 'reopen'],
  async run(context) {
    const { topic, group, sent, driver } = await stage(context, 5, 10)
    driver.kill('SIGTERM')
    const ended = await context.within('the driver ends by itself', driver.ended).finally(() => driver.kill('SIGKILL'))
    assert.deepEqual(ended, { code: 0, signal: null }, driver.errors)
    assert.equal(driver.settled.length, 15, 'what was in flight was settled')
    await context.reopen()
    const consumer = await context.consumer(topic, group)
    const left = sent.filter((id) => !driver.settled.includes(id))
    const delivered = await take(context, consumer, left.length)
    assertSameIds(ids(delivered.map((one) => one.event)), left, 'after the end')
    if (context.exact) await assertQuiet(context, consumer, 'the rest was completed before the end')
  },
}

export const processScenarios: readonly Scenario[] = [acked, unacked, terminated]
