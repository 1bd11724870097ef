import type { Broker, Capabilities, TopicSpec } from '../../src/core/broker.ts'

/**
 * What the suite needs of whoever runs it: a way to open the broker, and hooks for what the port has no word for. A
 * scenario whose hook is missing fails with the name of the hook, unless `notApplicable` gives the reason.
 */
export interface Target {
  /** Names the opened mode of the broker, as in `embedded, on disk`. */
  readonly name: string
  /** Opens a broker. Called once per scenario, and also while an earlier one is still open. */
  open(): Promise<Broker>
  /** Creates a topic. Without it the suite uses the port's `admin.ensure`. */
  createTopic?(broker: Broker, topic: string, spec: TopicSpec): Promise<void>
  /** What the opened broker must declare, so that a lost capability does not turn quietly into a tested refusal. */
  readonly capabilities: Partial<Capabilities>
  /**
   * Why a scenario has no meaning here, by its key (`18`, `38b`). Only for scenarios that need a hook: everything else
   * is settled by the capabilities. The reason is printed with the scenario's name.
   */
  readonly notApplicable?: Readonly<Record<string, string>>
  /** The deadline against hanging, for each wait. Default 20 s. */
  readonly deadlineMs?: number

  /** A restart: closes `broker` where it is still open, and opens the same data again. */
  reopen?(broker: Broker): Promise<Broker>
  /** How another process opens the data of `broker`. The suite closes `broker` before it starts that process. */
  process?(broker: Broker): ProcessEntry
  /** From when this resolves until the answer is called, the broker acknowledges nothing, and refuses nothing either. */
  holdAck?(broker: Broker): Promise<() => Promise<void>>
  /** From when this resolves until the answer is called, publishing cannot work. */
  breakBroker?(broker: Broker): Promise<() => Promise<void>>
  /** Opens the broker with credentials that it does not accept. */
  badCredentials?(): BadCredentials
}

export interface ProcessEntry {
  /** URL or absolute path of a module that node runs as it is. */
  readonly module: string
  /** The name of its export that has `open(config, { clock }): Promise<Broker>`. */
  readonly export: string
  readonly config: unknown
}

export interface BadCredentials {
  open(): Promise<Broker>
  /** How many connections were attempted so far, as the broker or a proxy in front of it counts them. */
  attempts(): Promise<number>
}

export type HookName = 'reopen' | 'process' | 'holdAck' | 'breakBroker' | 'badCredentials'

/** What to tell whoever runs a scenario without the hook that it needs. */
export const hookAdvice: Readonly<Record<HookName, string>> = {
  reopen: 'reopen(broker), which closes the broker and opens the same data again',
  process: 'process(broker), which says by module, export and config how another process opens the same data',
  holdAck: 'holdAck(broker), which stops the broker from acknowledging until its answer is called',
  breakBroker: 'breakBroker(broker), which makes publishing impossible until its answer is called',
  badCredentials: 'badCredentials(), which opens the broker with credentials that it refuses',
}
