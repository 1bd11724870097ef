import type { Command } from 'commander'
import { Client, type ClientOptions } from '../client.ts'
import { clientOptions, define } from '../define.ts'
import { CliError, exitCode } from '../exit.ts'
import { durationOf } from '../flags.ts'
import { colours, note, print, printJson, printPaced, wantsJson } from '../io.ts'
import { objectOf } from '../json-object.ts'
import { subscriptionId } from '../named.ts'
import { itemsOf } from '../pages.ts'
import { indented } from '../raw-json.ts'
import { type Shown, subscriptionLine } from '../subscription-line.ts'

interface VerbOptions extends ClientOptions {
  readonly json?: boolean
}

const root = '/v1/subscriptions'

const list = clientOptions(
  define('list', 'List the subscriptions.', ['sluice subscriptions list', 'sluice subscriptions list --topic orders']),
)
  .option('--topic <topic>', 'only of this topic')
  .action(async (options: VerbOptions & { topic?: string }) => {
    for await (const item of itemsOf(new Client(options), root, { topic: options.topic })) {
      await printPaced(wantsJson(options) ? item : subscriptionLine(JSON.parse(item) as Shown, Date.now()))
    }
  })

const show = verb(
  'show',
  'Show a subscription, how it fares, and what it waits for.',
  async (client, path, options) => {
    const answer = await client.read(path)
    print(wantsJson(options) ? answer.trim() : indented(answer))
  },
)

const update = verb(
  'update',
  'Change a subscription by a JSON merge patch: what is not named stays, null resets to the default.',
  async (client, path, options: VerbOptions & { patch: string }) => {
    const patch = await objectOf('--patch', options.patch, '{"policy":{"timeout":"5s"}}')
    const answer = await client.send('PATCH', path, patch)
    print(wantsJson(options) ? answer.trim() : indented(answer))
  },
  [
    `sluice subscriptions update billing --patch '{"policy":{"noRetry":[422],"ratePerSecond":null}}'`,
    'sluice subscriptions update sub_… --patch @changes.json',
  ],
).requiredOption('--patch <patch>', 'JSON, or @file that holds it; anything but topic, start and secret')

const pause = verb('pause', 'Pause a subscription: what it is owed waits for it.', change('pause'))

const resume = verb('resume', 'Resume a subscription that is paused or disabled.', change('resume'))

const test = verb(
  'test',
  'Send a test event to the endpoint now, signed like the real thing.',
  async (client, path, options) => {
    const answer = await client.read(`${path}/test`, { method: 'POST' })
    const { ok, status, durationMs, error, stage } = JSON.parse(answer) as Record<string, string | number | boolean>
    if (wantsJson(options)) print(answer.trim())
    else if (ok === true) print(`${colours.green(String(status))} in ${Math.round(Number(durationMs))}ms`)
    if (ok !== true) throw new CliError(exitCode.failed, `The endpoint did not take it: ${error} (${stage})`)
  },
)

const rotateSecret = verb(
  'rotate-secret',
  'Sign with a new secret, which is shown once; the old one signs too until the grace ends.',
  async (client, path, options: VerbOptions & { grace?: string }) => {
    const grace = options.grace && durationOf('--grace', options.grace)
    const answer = await client.send('POST', `${path}/rotate-secret`, { grace })
    print(wantsJson(options) ? answer.trim() : (JSON.parse(answer) as { secret: string }).secret)
    note(colours.dim('This is the only time that the secret is shown.'))
  },
  ['sluice subscriptions rotate-secret sub_…', 'sluice subscriptions rotate-secret billing --grace 1h'],
).option('--grace <duration>', 'how long the old secret signs too; 1d, where it is left out')

const remove = verb(
  'delete',
  'Delete a subscription, with every delivery that it is owed.',
  async (client, path, options, id) => {
    // As they are now: what comes to be owed until it is deleted is not counted.
    const { pending } = JSON.parse(await client.read(path)) as Shown
    let dead = 0
    for await (const _ of itemsOf(client, '/v1/deliveries', { subscription: id, status: 'dead' })) dead++
    await client.read(path, { method: 'DELETE' })
    if (wantsJson(options)) printJson({ id, deleted: true, pending: pending.events, dead })
    else print(`Deleted ${id}, and with it ${pending.events} pending and ${dead} dead deliveries.`)
  },
)

export const subscriptions = define('subscriptions', 'Show subscriptions, and change how they are served.', [
  'sluice subscriptions list',
  `sluice subscriptions update billing --patch '{"policy":{"timeout":"5s"}}'`,
  'sluice subscriptions pause sub_…',
])
  .addCommand(list)
  .addCommand(show)
  .addCommand(update)
  .addCommand(pause)
  .addCommand(resume)
  .addCommand(test)
  .addCommand(rotateSecret)
  .addCommand(remove)

/** A command on one subscription. */
function verb<Options extends VerbOptions>(
  name: string,
  description: string,
  run: (client: Client, path: string, options: Options, id: string) => Promise<void>,
  examples: readonly string[] = [`sluice subscriptions ${name} sub_…`],
): Command {
  return clientOptions(define(name, description, examples))
    .argument('<subscription>', 'its id or its name')
    .action(async (given: string, options: Options) => {
      const client = new Client(options)
      const id = await subscriptionId(client, given)
      await run(client, `${root}/${encodeURIComponent(id)}`, options, id)
    })
}

function change(action: string) {
  return async (client: Client, path: string, options: VerbOptions): Promise<void> => {
    const answer = await client.read(`${path}/${action}`, { method: 'POST' })
    print(wantsJson(options) ? answer.trim() : subscriptionLine(JSON.parse(answer) as Shown, Date.now()))
  }
}
