import { randomBytes } from 'node:crypto'
import { systemClock } from '../../core/clock.ts'
import { GatewayError } from '../../core/errors.ts'
import { createSecret } from '../../webhook/secret.ts'
import { Signer } from '../../webhook/sign.ts'
import { Client, type ClientOptions, Refused } from '../client.ts'
import { clientOptions, collect, define } from '../define.ts'
import { wrongUse } from '../exit.ts'
import { secretOf } from '../files.ts'
import { placeOf } from '../flags.ts'
import { follow } from '../follow.ts'
import { type Forwarded, type Forwarding, forward, targetOf } from '../forward.ts'
import { colours, note, print, printJson, wantsJson } from '../io.ts'
import { Patience } from '../patience.ts'
import { PullGroup } from '../pull-group.ts'
import { memberOf } from '../raw-json.ts'
import { untilSignal } from '../signals.ts'

interface ListenOptions extends ClientOptions {
  readonly forwardTo: string
  readonly type?: string[]
  readonly from: string
  readonly secret?: string
  readonly json?: boolean
}

export const listen = clientOptions(
  define('listen', 'Deliver the events of a topic to this machine, signed as the gateway signs its webhooks.', [
    'sluice listen orders --forward-to http://localhost:3000/hooks',
    'sluice listen orders --forward-to localhost:3000/hooks --type order.created --type order.paid',
    'sluice listen orders --forward-to localhost:3000/hooks --from earliest --secret whsec_…',
  ]),
)
  .argument('<topic>')
  .requiredOption('--forward-to <address>', 'where each event is sent by POST, such as http://localhost:3000/hooks')
  .option('--type <type>', 'only events of this type; several times for several', collect)
  .option('--from <place>', 'earliest, latest, a time, a cursor, or 1h for an hour ago', 'latest')
  .option(
    '--secret <secret>',
    'signs them (whsec_…); made at the start, where it is left out; @file reads it from there',
  )
  .addHelpText(
    'after',
    '\nIt reads by a private group of its own, which is deleted at the end. A 2xx takes an event; anything else brings it\nagain, after a wait that grows from 1s to 60s.',
  )
  .action(async (topic: string, options: ListenOptions) => {
    const secret = options.secret === undefined ? createSecret(systemClock) : await secretOf(options.secret)
    const name = `listen-${randomBytes(8).toString('hex')}`
    const target = targetOf(options.forwardTo)
    const to: Forwarding = { topic, target, signer: signerOf(secret), name, json: wantsJson(options) }
    const client = new Client(options)
    const signal = untilSignal()
    const from = placeOf('--from', options.from, ['earliest', 'latest', 'a cursor'])
    const group = new PullGroup(client, { topic, group: name, from, patience: new Patience(say), say, signal })
    const wanted = (event: string): boolean =>
      options.type === undefined || options.type.includes((JSON.parse(event) as { type: string }).type)
    const take = async (event: Forwarded, until: AbortSignal): Promise<boolean> =>
      !wanted(event.event) || forward(to, event, until)
    try {
      const retried = await create(group)
      announce(to, secret, retried)
      if (retried) await group.run(take).finally(() => leave(group, to))
      else await followLog(client, topic, from, take, signal)
    } catch (error) {
      if (!signal.aborted) throw error
    }
  })

async function leave(group: PullGroup, { name, topic }: Forwarding): Promise<void> {
  await group.delete().catch(() => say(`Group ${name} of topic ${topic} could not be deleted.`))
}

function signerOf(secret: string): Signer {
  try {
    return new Signer([{ secret }])
  } catch (error) {
    throw error instanceof GatewayError ? wrongUse(`--secret: ${error.message}`) : error
  }
}

/** False where this broker has no groups that can be pulled over HTTP. */
async function create(group: PullGroup): Promise<boolean> {
  try {
    await group.create()
    return true
  } catch (error) {
    if (error instanceof Refused && error.capability === 'receipt') return false
    throw error
  }
}

async function followLog(
  client: Client,
  topic: string,
  from: string,
  take: (event: Forwarded, signal: AbortSignal) => Promise<boolean>,
  signal: AbortSignal,
): Promise<void> {
  const path = `/v1/topics/${encodeURIComponent(topic)}/events`
  const onBreak = (): void => say('The connection broke; trying again.')
  for await (const entry of follow(client, path, { from, onBreak, signal })) {
    await take({ event: memberOf(entry, 'event')!, attempt: 1, retryMs: undefined }, signal)
  }
}

function announce({ topic, target, json }: Forwarding, secret: string, retried: boolean): void {
  if (json) printJson({ event: 'listening', topic, forwardTo: target, secret, retried })
  else {
    print(`Events of ${colours.bold(topic)} go to ${colours.cyan(target)}`)
    print(`Signed with ${secret}`)
  }
  if (!retried)
    say("This topic's broker has no groups to pull from: its log is followed, and a failure is not retried.")
}

function say(text: string): void {
  note(colours.dim(text))
}
