import { connect, type Socket } from 'node:net'
import { afterEach } from 'vitest'
import { systemClock } from '../../src/core/clock.ts'
import type { AttemptResult } from '../../src/core/delivery.ts'
import type { Event } from '../../src/core/event.ts'
import { Parcel } from '../../src/core/parcel.ts'
import type { Outgoing, Sender } from '../../src/core/sender.ts'
import { defaultPolicy, type Subscription } from '../../src/core/subscription.ts'
import { createSecret } from '../../src/webhook/secret.ts'
import { createSender, type SenderOptions } from '../../src/webhook/sender.ts'
import { Receiver } from './receiver.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()))
})

/** A sender as `dev` has it, closed after the test. */
export function newSender(options: Partial<SenderOptions> = {}): Sender {
  const sender = createSender({
    clock: systemClock,
    allowPrivate: [],
    allowLoopback: true,
    maxConnectionsPerHost: 64,
    userAgent: 'Sluice/test',
    ...options,
  })
  closing.push(() => sender.close())
  return sender
}

/** A receiver that is closed after the test. */
export async function newReceiver(options: Parameters<typeof Receiver.start>[0] = {}): Promise<Receiver> {
  const receiver = await Receiver.start(options)
  closing.push(() => receiver.close())
  return receiver
}

type Changes = Partial<Omit<Subscription, 'policy'>> & { readonly timeoutMs?: number }

export function subscriptionOf(url: string, { timeoutMs = 5000, ...changes }: Changes = {}): Subscription {
  return {
    id: 'subscription',
    topic: 'orders',
    url,
    filters: [],
    mode: 'structured',
    headers: {},
    ordering: 'none',
    start: 'latest',
    policy: { ...defaultPolicy, timeoutMs },
    labels: {},
    secrets: [{ secret: createSecret(systemClock) }],
    status: 'active',
    declared: false,
    createdAt: 0,
    updatedAt: 0,
    ...changes,
  }
}

export const order: Event = {
  attributes: { specversion: '1.0', id: '1', source: '/orders', type: 'placed', datacontenttype: 'application/json' },
  data: Buffer.from('{"amount":90071992547409931}'),
}

export function send(
  sender: Sender,
  subscription: Subscription,
  outgoing: Partial<Outgoing> = {},
  signal: AbortSignal = new AbortController().signal,
): Promise<AttemptResult> {
  const parcel = Parcel.ofEvent(order)
  return sender.send({ subscription, id: 'delivery', attempt: 1, parcel, ...outgoing }, signal)
}

/** Connects every address to one port on loopback, and remembers which addresses they were. */
export function diallerTo(port: number): { dialled: string[]; dialler: (address: string, port: number) => Socket } {
  const dialled: string[] = []
  const dialler = (address: string): Socket => {
    dialled.push(address)
    return connect({ host: '127.0.0.1', port })
  }
  return { dialled, dialler }
}
