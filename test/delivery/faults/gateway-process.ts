// A whole gateway as a process of its own, which ends itself at a place that its orders name. One argument: the orders.
import { join } from 'node:path'
import type { BridgePoint } from '../../../src/bridges/plan.ts'
import { builtInConfig } from '../../../src/config/load.ts'
import type { Failpoint } from '../../../src/delivery/context.ts'
import { startGateway } from '../../../src/runtime/node.ts'
import type { Store } from '../../../src/store/store.ts'
import type { Feed } from '../../../src/store/subscriptions.ts'
import { settlesFirst } from '../../bridges/control.ts'
import { broken, type Control } from './controls.ts'

export interface Orders {
  readonly config: Record<string, unknown>
  /** Where relative paths of the configuration begin. */
  readonly folder: string
  /** Ends the process, by a signal that nothing can answer, when it comes to this place for the `nth` time. */
  readonly die?: { readonly at: Place; readonly nth: number }
  /** What is wrong with this gateway, for seeing that it is noticed. */
  readonly control?: Control | 'bridge-settles-first'
}

/** Where the engine says that it is, or right after a subscription's feed has become this. */
export type Place = Failpoint | BridgePoint | Feed['state']

const { config, folder, die, control } = JSON.parse(process.argv[2]!) as Orders
let left = die?.nth ?? 0

function passing(place: Place): void {
  if (place === die?.at && --left === 0) process.kill(process.pid, 'SIGKILL')
}

if (control === 'bridge-settles-first') settlesFirst()

function decorated(store: Store): Store {
  const { subscriptions } = store
  const feed: typeof subscriptions.feed = async (id, from, to) => {
    const changed = await subscriptions.feed(id, from, to)
    if (changed) passing(to.state)
    return changed
  }
  const watched = { ...store, subscriptions: { ...subscriptions, feed } }
  const { path } = config.store as { path?: string }
  return control === undefined || control === 'bridge-settles-first'
    ? watched
    : broken(watched, control, join(folder, path!))
}

const gateway = await startGateway({
  loaded: builtInConfig(config, folder),
  file: undefined,
  environment: {},
  host: '127.0.0.1',
  port: 0,
  createOn: undefined,
  allowLoopback: true,
  log: (level, message, fields) => {
    if (level !== 'info' && message !== 'delivery')
      process.stderr.write(`${new Date().toISOString()} ${message} ${JSON.stringify(fields)}\n`)
  },
  failpoint: passing,
  decorate: decorated,
})
process.stdout.write(`${JSON.stringify({ event: 'listening', url: gateway.url })}\n`)

process.once('SIGTERM', () => void gateway.stop().then(() => process.exit(0)))
// Whoever started it is gone.
process.stdin.resume().once('close', () => process.exit(1))
