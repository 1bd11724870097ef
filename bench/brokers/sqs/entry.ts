/** Of the gateway's configuration. */
export interface SqsEntry {
  readonly type: 'sqs'
  readonly region: string
  readonly endpoint: string
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
  readonly sns: boolean
}

export function entryOf(endpoint: string, sns: boolean): SqsEntry {
  const credentials = { accessKeyId: 'bench', secretAccessKey: 'bench' }
  return { type: 'sqs', region: 'eu-west-1', endpoint, credentials, sns }
}

/** What the client library takes; it writes into the credentials. */
export function clientOptions({ region, endpoint, credentials }: SqsEntry) {
  return { region, endpoint, credentials: { ...credentials } }
}

/** As the gateway calls the queue of a group: without SNS there is one, which is the topic. */
export function queueOf({ sns }: SqsEntry, topic: string, group: string): string {
  return sns ? `${topic}__${group}` : topic
}
