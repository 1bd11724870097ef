import { GatewayError } from '../../src/core/index.ts'
import type { PartitionMetadata } from './client.ts'
import type { PartitionerConfig } from './config.ts'
import { murmur2 } from './murmur2.ts'

/**
 * So many keyless events of one publish stay together: a batch for each partition costs the brokers more than its events
 * do (`npm run bench -- kafka`; KIP-480 has the same reason).
 */
const runLength = 16

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

  /** For the keyless events of one publish: the partitions in turn, a run of events to each. */
  turn(topic: string, partitions: readonly PartitionMetadata[]): { next(): number } {
    // Whoever has no key need not wait for a leader.
    const led = [...partitions.keys()].filter((partition) => partitions[partition]!.leader >= 0)
    const all = led.length > 0 ? led : [...partitions.keys()]
    let left = 0
    let partition = 0
    const next = (): number => {
      if (left-- > 0) return partition
      const turn = this.#turns.get(topic) ?? 0
      this.#turns.set(topic, (turn + 1) % 0x7fffffff)
      left = runLength - 1
      partition = all[turn % all.length]!
      return partition
    }
    return { next }
  }
}
