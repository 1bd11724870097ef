import type { Broker } from '../core/broker.ts'
import type { Clock } from '../core/clock.ts'
import { GatewayError, toGatewayError } from '../core/errors.ts'
import type { AdapterRegistry, BrokerAdapter } from './adapters.ts'
import type { LoadedConfig } from './load.ts'
import { didYouMean } from './near.ts'
import { ConfigError, type Problem } from './problems.ts'

/** A broker of the configuration whose own keys are valid. */
export interface ReadyBroker {
  readonly name: string
  readonly adapter: BrokerAdapter
  readonly config: unknown
}

export interface OpenedBroker extends ReadyBroker {
  readonly type: string
  readonly broker: Broker
}

/** Checks every broker's own keys against its adapter. Throws ConfigError that lists all faults; opens nothing. */
export async function prepareBrokers(loaded: LoadedConfig, registry: AdapterRegistry): Promise<ReadyBroker[]> {
  const ready: ReadyBroker[] = []
  const problems: Problem[] = []
  for (const [name, entry] of Object.entries(loaded.config.brokers)) {
    const path = ['brokers', name]
    if (!registry.types.includes(entry.type)) {
      const detail = `there is no adapter ${entry.type}; this gateway has: ${registry.types.join(', ')}${didYouMean(entry.type, registry.types)}`
      problems.push({ path: [...path, 'type'], detail, place: loaded.source.place([...path, 'type']) })
      continue
    }
    const adapter = await registry.load(entry.type, loaded.source.directory)
    const { data, problems: wrong } = loaded.check(adapter.config, entry, path)
    if (wrong.length > 0) problems.push(...wrong)
    else ready.push({ name, adapter, config: data })
  }
  if (problems.length > 0) throw new ConfigError(loaded.source.file, problems)
  return ready
}

/** Opens all of them, or none: what was opened is closed again where one fails, and the error names that one. */
export async function openBrokers(ready: readonly ReadyBroker[], clock: Clock): Promise<OpenedBroker[]> {
  const outcomes = await Promise.allSettled(
    ready.map(async (entry) => {
      const broker = await openBroker(entry, clock)
      return { ...entry, type: entry.adapter.type, broker }
    }),
  )
  const opened = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  const failures = outcomes.flatMap((outcome) =>
    outcome.status === 'rejected' ? [outcome.reason as GatewayError] : [],
  )
  const [first] = failures
  if (first === undefined) return opened
  await Promise.allSettled(opened.map(({ broker }) => broker.close()))
  throw new GatewayError(first.code, failures.map(({ message }) => message).join('\n'), { cause: first.cause })
}

async function openBroker({ name, adapter, config }: ReadyBroker, clock: Clock): Promise<Broker> {
  try {
    return await adapter.open(config, { clock })
  } catch (thrown) {
    const { code, message } = toGatewayError(thrown)
    const detail = code === 'internal' && thrown instanceof Error ? thrown.message : message
    throw new GatewayError(code, `Broker ${name} (${adapter.type}): ${detail}`, { cause: thrown })
  }
}
