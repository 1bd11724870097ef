import { Client, type ClientOptions } from '../client.ts'
import { clientOptions, collect, define } from '../define.ts'
import { wrongUse } from '../exit.ts'
import { type FilterOptions, filtersOf } from '../filters.ts'
import { placeOf, rateOf } from '../flags.ts'
import { wantsJson } from '../io.ts'
import { subscriptionId } from '../named.ts'
import { started } from '../operation.ts'

interface ReplayOptions extends ClientOptions, FilterOptions {
  readonly from: string
  readonly to?: string
  readonly rate?: string
  readonly dryRun?: boolean
  readonly wait?: boolean
  readonly json?: boolean
}

export const replay = clientOptions(
  define('replay', 'Send a part of the log to a subscription again. Its live deliveries are untouched.', [
    'sluice replay sub_… --from 1h --dry-run --wait',
    'sluice replay billing --from 2026-01-31T12:00:00Z --to 2026-01-31T13:00:00Z --rate 50 --wait',
    'sluice replay billing --from earliest --filter-type order.paid',
  ]),
)
  .argument('<subscription>', 'its id or its name')
  .requiredOption('--from <place>', 'earliest, a time, a cursor, or 1h for an hour ago')
  .option('--to <place>', 'latest, a time, or 10m for ten minutes ago; latest, where it is left out')
  .option('--filter-type <type>', 'only events of this type; several times for any of several', collect)
  .option('--filter <filter>', 'JSON, or a file that holds it: a filter, or a list that must all match', collect)
  .option('--rate <number>', 'events a second')
  .option('--dry-run', 'only count them')
  .option('--wait', 'follow it until it ends')
  .action(async (subscription: string, options: ReplayOptions) => {
    const { rate, dryRun, wait } = options
    const from = placeOf('--from', options.from, ['earliest', 'a cursor'])
    const to = options.to && placeOf('--to', options.to, ['latest'])
    if (Date.parse(from) > Date.parse(to ?? 'latest')) {
      throw wrongUse(`--to ${options.to} is before --from ${options.from}; 1h is an hour ago.`)
    }
    const filters = await filtersOf(options)
    const ratePerSecond = rateOf(rate)
    const client = new Client(options)
    const answer = await client.send('POST', '/v1/replays', {
      subscription: await subscriptionId(client, subscription),
      from,
      to,
      filters,
      ratePerSecond,
      dryRun,
    })
    await started(client, answer, wait === true, wantsJson(options))
  })
