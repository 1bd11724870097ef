import { GatewayError } from '../../src/core/index.ts'
import type { PartitionerConfig } from './config.ts'
import { murmur2 } from './murmur2.ts'

/**
 * Where an event goes: by its key as Java's producer spreads it, unless a rule of the configuration names partitions for
 * keys that begin so; in turn where it has no key.
 */
export class Partitioner {
  readonly #rules: NonNullable<PartitionerConfig>['rules']
  readonly #turns = new Map<string, number>()

  constructor(config: PartitionerConfig) {
    this.#rules = config?.rules ?? []
  }

  /** The only partition that an event of this key goes to. Throws `misconfigured` where a rule names one too many. */
  ofKey(key: string, bytes: Uint8Array, partitions: number): number {
    // Java masks the sign instead of taking the absolute value.
    const hash = murmur2(bytes) & 0x7fffffff
    const rule = this.#rules.find(({ prefix }) => key.startsWith(prefix))
    if (rule === undefined) return hash % partitions
    const partition = rule.partitions[hash % rule.partitions.length]!
    if (partition < partitions) return partition
    throw new GatewayError(
      'misconfigured',
      `The partitioner sends keys that begin with ${rule.prefix} to partition ${partition}; the topic has ${partitions}.`,
    )
  }

  /** The next one in turn. */
  next(topic: string, partitions: number): number {
    const turn = this.#turns.get(topic) ?? 0
    this.#turns.set(topic, (turn + 1) % 0x7fffffff)
    return turn % partitions
  }
}
