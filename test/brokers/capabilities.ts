import type { Capabilities, CapabilityName } from '../../src/core/broker.ts'
import { formatDuration } from '../../src/core/duration.ts'
import { formatSize } from '../../src/core/size.ts'

/** A broker in one of its modes, as it was opened. */
export interface Opened {
  readonly mode: string
  readonly capabilities: Capabilities
}

/** Each capability, in this order, and what it says. A capability that is not here does not compile. */
const meanings: Readonly<Record<CapabilityName, string>> = {
  ordering: 'the order that a group gets events in: of a key, or of the whole topic',
  exclusiveKeys: 'an event waits while an earlier one of its key is not settled',
  groups: 'how many groups a topic has room for',
  replay: 'what is settled can be read again',
  seek: 'a group can be moved',
  durability: 'what an acknowledged event survives, at the most: see below',
  dedupWindowMs: 'for how long an id is known, at the most',
  publishDelayMs: 'the longest delay of a publish',
  atomicPublishMax: 'how many events can be published all or none',
  settlement: 'events are settled one by one, or up to a place',
  receipt: 'a lease can be settled on any connection, or on its own',
  fencing: 'what refuses a lease that has ended',
  nackDelayMs: 'the longest delay of a redelivery',
  reject: 'dead letters',
  extend: 'a lease can be prolonged',
  attempts: 'deliveries are counted',
  lag: 'what a group has left',
  maxEventBytes: 'the largest event, attributes included',
  publish: 'one request at the most, and how many at once',
}

/** The page, of what brokers said when they were opened. */
export function pageOf(opened: readonly Opened[]): string {
  const names = Object.keys(meanings) as CapabilityName[]
  const rows = names.map((name) => {
    const cells = opened.map(({ capabilities }) => show(name, capabilities))
    return `| \`${name}\` | ${cells.join(' | ')} |`
  })
  return `# What each broker can do

This page is made from brokers that were opened (\`SLUICE_UPDATE=1 npm test -- capabilities\`), and a test fails where it differs from them. A capability belongs to an opened mode of a broker, not to its name: \`GET /v1/brokers\` tells what yours has, \`GET /v1/topics/{topic}\` what a topic has with what the gateway adds to it. A topic asks for what it needs with \`requires\`, and a broker that lacks it is refused at the start.

| | ${opened.map(({ mode }) => mode).join(' | ')} |
|---|${'---|'.repeat(opened.length)}
${rows.join('\n')}

– is: not at all. What a request asks for in vain is answered 501 with the name of the capability, before anything happens.

${names.map((name) => `- \`${name}\`: ${meanings[name]}`).join('\n')}

\`durability\`: \`memory\` survives nothing, \`process\` a crash of the broker's process, \`machine\` one of its machine, \`replicated\` the loss of a node. A topic's own settings can make it weaker.

Where \`receipt\` is \`session\`, the gateway keeps the leases of pull groups in its store, and so adds what they lack (leases of any replica, delays, dead letters): \`"by": "gateway"\`. Sizes and \`durability\` of Kafka, RabbitMQ and NATS depend on how they are set up; these are of one server with its defaults, unless the column says otherwise.
`
}

function show(name: CapabilityName, capabilities: Capabilities): string {
  const value = capabilities[name]
  if (typeof value === 'object') {
    return `${value.maxEvents} events, ${formatSize(value.maxBytes)}, × ${value.concurrency}`
  }
  if (value === false || value === 0 || value === 'none') return '–'
  if (value === true) return 'yes'
  if (name.endsWith('Ms')) return formatDuration(Number(value))
  return name === 'maxEventBytes' ? String(formatSize(Number(value))) : String(value)
}
