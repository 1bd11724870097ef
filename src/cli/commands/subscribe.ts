import { Option } from 'commander'
import { Client, type ClientOptions } from '../client.ts'
import { clientOptions, collect, define } from '../define.ts'
import { secretOf } from '../files.ts'
import { type FilterOptions, filtersOf } from '../filters.ts'
import { countOf, durationOf, durationsOf, pairsOf, placeOf, rateOf } from '../flags.ts'
import { colours, note, print, wantsJson } from '../io.ts'
import { objectOf } from '../json-object.ts'

interface SubscribeOptions extends ClientOptions, FilterOptions {
  readonly name?: string
  readonly mode?: string
  readonly header?: readonly string[]
  readonly bearer?: string
  readonly ordering?: string
  readonly start?: string
  readonly policy?: string
  readonly retry?: string
  readonly timeout?: string
  readonly concurrency?: string
  readonly rate?: string
  readonly label?: readonly string[]
  readonly secret?: string
  readonly json?: boolean
}

export const subscribe = clientOptions(
  define('subscribe', 'Subscribe an endpoint to a topic. Its signing secret is shown once.', [
    'sluice subscribe orders https://shop.example/hooks',
    'sluice subscribe orders https://shop.example/hooks --filter-type order.created --filter-type order.paid',
    `sluice subscribe orders https://shop.example/hooks --filter '{"data":{"/country":["DE","FR"]}}' --start 1h`,
    `sluice subscribe orders https://shop.example/hooks --header 'X-Tenant: 7' --bearer @token.txt --retry 5s,1m,1h`,
    `sluice subscribe orders https://shop.example/hooks --policy '{"noRetry":[422],"disableAfter":"2d"}' --timeout 5s`,
  ]),
)
  .argument('<topic>')
  .argument('<endpoint>', 'where its events are sent')
  .option('--name <name>', 'its name; no other subscription may have it')
  .option('--filter-type <type>', 'only events of this type; several times for any of several', collect)
  .option('--filter <filter>', 'JSON, or a file that holds it: a filter, or a list that must all match', collect)
  .addOption(new Option('--mode <mode>', 'how the event is in the request').choices(['structured', 'binary', 'data']))
  .option('--header <header>', "a header of every request, like 'X-Tenant: 7'; several times for several", collect)
  .option('--bearer <token>', 'authenticates every request; @file reads it from there')
  .addOption(new Option('--ordering <order>', 'key keeps the events of a key in order').choices(['none', 'key']))
  .option('--start <place>', 'earliest, latest, a time, a cursor, or 1h for an hour ago')
  .option('--policy <policy>', 'JSON, or @file that holds it: fields of the policy; the options below win over it')
  .option(
    '--retry <durations>',
    "the waits before each retry with commas between them, like 5s,5m,1h; 'none' for no retry",
  )
  .option('--timeout <duration>', 'for one attempt')
  .option('--concurrency <count>', 'requests at once')
  .option('--rate <number>', 'requests a second')
  .option('--label <label>', 'name=value; several times for several', collect)
  .option('--secret <secret>', 'signs the requests (whsec_…); made, where it is left out; @file reads it from there')
  .action(async (topic: string, endpoint: string, options: SubscribeOptions) => {
    const body = await bodyOf(topic, endpoint, options)
    const answer = await new Client(options).send('POST', '/v1/subscriptions', body)
    const { id, secret, warnings = [] } = JSON.parse(answer) as { id: string; secret: string; warnings?: string[] }
    if (wantsJson(options)) print(answer.trim())
    else {
      print(`${colours.green('subscribed')} ${endpoint} to ${topic}`)
      print(`id      ${colours.bold(id)}`)
      print(`secret  ${secret}`)
    }
    note(colours.dim('This is the only time that the secret is shown.'))
    for (const warning of warnings) note(colours.yellow(warning))
  })

async function bodyOf(topic: string, url: string, options: SubscribeOptions): Promise<Record<string, unknown>> {
  const { name, mode, header, bearer, ordering, start, label, secret } = options
  return {
    topic,
    url,
    name,
    filters: await filtersOf(options),
    mode,
    headers: header && pairsOf('--header', ':', header),
    auth: bearer && { bearer: await secretOf(bearer) },
    ordering,
    start: start && placeOf('--start', start, ['earliest', 'latest', 'a cursor']),
    policy: await policyOf(options),
    secret: secret && (await secretOf(secret)),
    labels: label && pairsOf('--label', '=', label),
  }
}

async function policyOf(options: SubscribeOptions): Promise<Record<string, unknown>> {
  const { policy, retry, timeout, concurrency, rate } = options
  return {
    ...(policy !== undefined && (await objectOf('--policy', policy, '{"noRetry":[422]}'))),
    ...(timeout !== undefined && { timeout: durationOf('--timeout', timeout) }),
    ...(retry !== undefined && { retry: { schedule: durationsOf('--retry', retry) } }),
    ...(concurrency !== undefined && { concurrency: countOf('--concurrency', concurrency) }),
    ...(rate !== undefined && { ratePerSecond: rateOf(rate) }),
  }
}
