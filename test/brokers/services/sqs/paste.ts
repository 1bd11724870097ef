import type { SqsAccess } from '../sqs.ts'

/** A configuration of the gateway for the emulators, with the other modes as comments. */
export function sqsConfiguration({ queues, topics }: SqsAccess): string {
  const credentials = 'credentials: { accessKeyId: local, secretAccessKey: local }'
  const broker = (name: string, endpoint: string, more = ''): string =>
    `${name}: { type: sqs, region: eu-west-1, endpoint: "${endpoint}", ${credentials}${more} }`
  return `brokers:
  ${broker('aws', topics, ', sns: true')}
  # ${broker('in-order', topics, ', sns: true, fifo: true')}
  # ${broker('queues', queues)}
topics:
  orders: { broker: aws, ensure: { retention: 7d } }
`
}
