import type { Broker } from '../../src/core/index.ts'
import { SqsBroker } from './broker.ts'
import { Aws } from './client.ts'
import { type Config, config } from './config.ts'

export type { Config } from './config.ts'

/** Connects, and asks AWS for something: wrong credentials are refused at once, and not tried again. */
async function open(parsed: Config): Promise<Broker> {
  const broker = new SqsBroker(await Aws.connect(parsed), parsed)
  try {
    await broker.health()
    return broker
  } catch (error) {
    await broker.close()
    throw error
  }
}

/** Amazon SQS, and SNS before it. */
export const sqs = { type: 'sqs', declaringCreates: false, config, open } as const
