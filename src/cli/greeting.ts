import type { Colours } from './io.ts'

export interface Greeting {
  readonly url: string
  readonly createOn: string | undefined
  readonly keys: boolean
  readonly data: string
  readonly file: string | undefined
}

/** What `dev` shows: where it is, and commands that work when they are pasted. */
export function greeting({ url, createOn, keys, data, file }: Greeting, colours: Colours): string {
  const curl = `curl -s${keys ? ` -H "Authorization: Bearer $SLUICE_KEY"` : ''}`
  const json = "-H 'Content-Type: application/json'"
  const topic = `${url}/v1/topics/orders`
  const steps: [string, string][] = [
    ['Publish an event', `${curl} ${json} '${topic}/events?type=order.created' -d '{"id":1}'`],
    ['See what is there, and follow', `${curl} -N -H 'Accept: text/event-stream' '${topic}/events?from=earliest'`],
    ['Create a group', `${curl} -X PUT ${json} ${topic}/groups/billing -d '{"start":"earliest"}'`],
    [
      'Pull',
      `PULLED=$(${curl} ${json} ${topic}/groups/billing/pull -d '{"max":1,"wait":"5s"}'); printf '%s\\n' "$PULLED"`,
    ],
    [
      'Settle what was pulled',
      `LEASE=$(printf '%s' "$PULLED" | sed 's/.*"lease":"\\([^"]*\\)".*/\\1/'); ${curl} ${json} ${topic}/groups/billing/settle -d '{"settlements":[{"lease":"'"$LEASE"'","outcome":"ack"}]}'`,
    ],
    [
      'Have every event sent to an address of yours',
      `${curl} ${json} ${url}/v1/subscriptions -d '{"topic":"orders","url":"http://localhost:3000/hook"}'`,
    ],
  ]
  const topics =
    createOn === undefined
      ? 'Topics are those of the configuration.'
      : `A topic is made on first use, on broker ${createOn}.`
  return [
    '',
    `  ${colours.bold('sluice')} listens at ${colours.cyan(url)}`,
    `  ${colours.dim(file === undefined ? `Events and state are in ${data}.` : `Configured by ${file}.`)} ${colours.dim(topics)}`,
    `  ${colours.dim(`The API is described at ${url}/docs`)}`,
    ...steps.flatMap(([title, command]) => ['', `  ${colours.dim(`# ${title}`)}`, `  ${command}`]),
    '',
  ].join('\n')
}
