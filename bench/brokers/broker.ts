import type { BrokerType } from '../server.ts'
import { usageOf } from '../usage.ts'

/** A real broker, started for a measurement, with what both the gateway and the client alone need of it. */
export interface Broker {
  readonly type: BrokerType
  /** What stands under `brokers` of the gateway's configuration; the client alone gets the same. */
  readonly entry: object
  /** What a topic is made with. */
  readonly ensure: object
  /** Whether a topic keeps events for which there is no group. */
  readonly isLog: boolean
  /** How many groups a topic may have. */
  readonly groups: 'one' | 'many'
  /** The script of the client library alone; see client.ts. */
  readonly client: URL
  /** The words for node of a server that sends an event for each request, where there is one. */
  one?(topic: string): readonly string[]
  /** As the gateway makes its own, with the group `benchGroup` where it is no log. */
  create(topic: string): Promise<void>
  remove(topic: string): Promise<void>
  /** How many events are kept, be it in the log or for `benchGroup`. */
  stored(topic: string): Promise<number>
  /** Removes them; only where they would fill the memory of the broker. */
  empty?(topic: string): Promise<void>
  /** How many events a group has not acknowledged; only where consuming is measured. */
  unsettled?(topic: string, group: string): Promise<number>
  /** Of all its processes, up to now; undefined where they are not known. */
  cpuSeconds(): number | undefined
  stop(): Promise<void>
}

export type Start = (progress: (line: string) => void) => Promise<Broker>

/** The group of the sections that publish. */
export const benchGroup = 'bench'

export function cpuSecondsOf(pids: readonly (number | undefined)[]): number | undefined {
  const known = pids.filter((pid) => pid !== undefined)
  return known.length === 0 ? undefined : known.reduce((sum, pid) => sum + usageOf(pid).cpuSeconds, 0)
}
