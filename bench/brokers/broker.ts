import type { BrokerType } from '../server.ts'

/** A real broker, started for a measurement, with what both the gateway and the client alone need of it. */
export interface Broker {
  readonly type: BrokerType
  /** What stands under `brokers` of the gateway's configuration; the client alone gets the same. */
  readonly entry: object
  /** What a topic is made with. */
  readonly ensure: object
  /**
   * Where an event that no group is there for is kept: in the topic's log, or nowhere. `topic` has one queue, and so one
   * group.
   */
  readonly keeps: 'log' | 'groups' | 'topic'
  /** The script of the client library alone; see client.ts. */
  readonly client: URL
  /** The words for node of a server that sends an event for each request, where there is one. */
  one?(topic: string): readonly string[]
  /** As the gateway makes its own, with what keeps events. */
  create(topic: string): Promise<void>
  remove(topic: string): Promise<void>
  /** How many events are there that `group` has not settled; of a log, how many it has. */
  stored(topic: string, group: string): Promise<number>
  /** Of all its processes, up to now; undefined where they are not known. */
  cpuSeconds(): number | undefined
  stop(): Promise<void>
}

/** The group of the sections that publish. */
export const benchGroup = 'bench'

export type Start = (progress: (line: string) => void) => Promise<Broker>
