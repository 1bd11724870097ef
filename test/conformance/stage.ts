import assert from 'node:assert/strict'
import type { Broker, Capabilities, Outcome } from '../../src/core/broker.ts'
import { PullGroups } from '../../src/core/group.ts'
import type { Context } from './context.ts'
import { events } from './events.ts'
import { refuses } from './refusal.ts'

/** A topic with one group that has received `count` events, and a consumer of it. */
export async function stage(context: Context, count: number, leaseMs?: number, prefetch?: number) {
  const topic = await context.topic('settle')
  const group = await context.group(topic, leaseMs === undefined ? {} : { leaseMs })
  const sent = events(count, 'e')
  await context.publish(topic, sent)
  const consumer = await context.consumer(topic, group, prefetch)
  return { topic, group, sent, consumer }
}

/** The core refuses an outcome by the capability's name before it touches the group. */
export async function assertGated(context: Context, outcome: Outcome) {
  const untouched = new Proxy(context.broker, {
    get: (broker, name) => (name === 'capabilities' ? broker.capabilities : assert.fail(`${String(name)} was touched`)),
  }) as Broker
  const capability = outcome.kind === 'nack' ? 'nackDelayMs' : outcome.kind
  const attempt = () => new PullGroups(untouched).settle('topic', 'group', [{ receipt: '1', outcome }])
  await refuses(`${outcome.kind} through the core`, attempt, capability)
}

export function individual({ settlement }: Pick<Capabilities, 'settlement'>): boolean {
  return settlement === 'individual'
}

export function portable({ receipt }: Pick<Capabilities, 'receipt'>): boolean {
  return receipt === 'portable'
}
