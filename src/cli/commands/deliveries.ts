import { Option } from 'commander'
import type { DeliveryStatus } from '../../core/delivery.ts'
import { Client, type ClientOptions } from '../client.ts'
import { clientOptions, collect, define } from '../define.ts'
import { coverageNote, deliveryLine, deliveryText } from '../delivery-text.ts'
import { wrongUse } from '../exit.ts'
import { countOf, placeOf, rateOf } from '../flags.ts'
import { colours, note, print, printPaced, wantsJson } from '../io.ts'
import { subscriptionId } from '../named.ts'
import { started } from '../operation.ts'
import { itemsOf } from '../pages.ts'

interface ListOptions extends ClientOptions {
  readonly subscription?: string
  readonly topic?: string
  readonly event?: string
  readonly status?: string
  readonly since?: string
  readonly limit?: string
  readonly json?: boolean
}

interface RedriveOptions extends ClientOptions {
  readonly subscription: string
  readonly ids?: readonly string[]
  readonly since?: string
  readonly all?: boolean
  readonly rate?: string
  readonly wait?: boolean
  readonly json?: boolean
}

const root = '/v1/deliveries'
const statuses: readonly DeliveryStatus[] = ['in_flight', 'parked', 'dead', 'succeeded', 'discarded', 'expired']

const list = clientOptions(
  define('list', 'List deliveries, oldest first.', [
    'sluice deliveries list --status dead --since 1h',
    'sluice deliveries list --subscription billing --event 1f2e3d4c',
  ]),
)
  .option('--subscription <subscription>', 'only to this one: its id or its name')
  .option('--topic <topic>', 'only of this topic')
  .option('--event <id>', 'only of the events with this id')
  .addOption(new Option('--status <status>', 'only those that are so').choices(statuses))
  .option('--since <time>', 'only those that began since then; 1h is an hour ago')
  .option('-n, --limit <count>', 'so many at the most')
  .action(async (options: ListOptions) => {
    const { subscription, topic, event, status } = options
    const since = options.since && placeOf('--since', options.since, [])
    const limit = options.limit === undefined ? undefined : countOf('--limit', options.limit)
    const client = new Client(options)
    const query = {
      subscription: subscription && (await subscriptionId(client, subscription)),
      topic,
      event,
      status,
      since,
    }
    const json = wantsJson(options)
    let coverage: unknown
    const onPage = (page: Record<string, unknown>): void => {
      coverage = page.coverage
    }
    for await (const item of itemsOf(client, root, query, limit, onPage)) {
      await printPaced(json ? item : deliveryLine(item))
    }
    const missing = coverageNote(coverage, status)
    if (!json && missing !== undefined) note(colours.dim(missing))
  })

const show = clientOptions(
  define('show', 'Show a delivery: what became of it, every attempt, and the event.', ['sluice deliveries show dlv_…']),
)
  .argument('<id>', 'as deliveries list shows it; it is also the webhook-id')
  .action(async (id: string, options: ListOptions) => {
    const answer = await new Client(options).read(`${root}/${encodeURIComponent(id)}`)
    print(wantsJson(options) ? answer.trim() : deliveryText(answer))
  })

const retry = clientOptions(define('retry', 'Try a delivery again now.', ['sluice deliveries retry dlv_…']))
  .argument('<id>', 'as deliveries list shows it')
  .action(async (id: string, options: ListOptions) => {
    const answer = await new Client(options).read(`${root}/${encodeURIComponent(id)}/retry`, { method: 'POST' })
    print(wantsJson(options) ? answer.trim() : deliveryLine(answer))
  })

const redrive = clientOptions(
  define('redrive', 'Try dead deliveries of a subscription again.', [
    'sluice deliveries redrive --subscription billing --all --rate 50 --wait',
    'sluice deliveries redrive --subscription sub_… --since 1h',
    'sluice deliveries redrive --subscription sub_… --ids dlv_1,dlv_2',
  ]),
)
  .requiredOption('--subscription <subscription>', 'its id or its name')
  .option('--ids <ids>', 'these, with commas between them', (text, previous: string[] | undefined) =>
    text.split(',').reduce<string[]>((ids, id) => (id.trim() === '' ? ids : collect(id.trim(), ids)), previous ?? []),
  )
  .option('--since <time>', 'those that began since then; 1h is an hour ago')
  .option('--all', 'all of them')
  .option('--rate <number>', 'deliveries a second')
  .option('--wait', 'follow it until it ends')
  .action(async (options: RedriveOptions) => {
    const { subscription, ids, all, rate, wait } = options
    const since = options.since && placeOf('--since', options.since, [])
    if ([ids, since, all].filter((one) => one !== undefined).length !== 1) {
      throw wrongUse('Say which: --ids, --since or --all.')
    }
    const ratePerSecond = rateOf(rate)
    const client = new Client(options)
    const answer = await client.send('POST', `${root}/redrive`, {
      subscription: await subscriptionId(client, subscription),
      status: 'dead',
      ids,
      since,
      all,
      ratePerSecond,
    })
    await started(client, answer, wait === true, wantsJson(options))
  })

export const deliveries = define('deliveries', 'Show what was not delivered at once, and why; try it again.', [
  'sluice deliveries list --status dead',
  'sluice deliveries show dlv_…',
  'sluice deliveries redrive --subscription billing --all --wait',
])
  .addCommand(list)
  .addCommand(show)
  .addCommand(retry)
  .addCommand(redrive)
