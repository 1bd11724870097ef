import { type Broker, GatewayError } from '../../src/core/index.ts'
import { SqsBroker } from './broker.ts'
import { Aws, pause } from './client.ts'
import { type Config, config } from './config.ts'

export type { Config } from './config.ts'

const openMs = 10_000
const pauseMs = 500

/** Connects, and asks AWS for something: wrong credentials are refused at once, and not tried again. */
async function open(parsed: Config): Promise<Broker> {
  const broker = new SqsBroker(await Aws.connect(parsed), parsed)
  const late = AbortSignal.timeout(openMs)
  for (;;) {
    try {
      await broker.health()
      return broker
    } catch (error) {
      if (error instanceof GatewayError && error.retryable && !late.aborted) await pause(pauseMs, late)
      else {
        await broker.close()
        throw error
      }
    }
  }
}

/** Amazon SQS, and SNS before it. */
export const sqs = { type: 'sqs', declaringCreates: false, config, open } as const
