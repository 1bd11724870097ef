// A thread that answers with what it is asked, and fails or dies on demand.
import { serve } from '../../../adapters/embedded/thread/serve.ts'
import { GatewayError } from '../../../src/core/errors.ts'

serve<{ ready: string; refuse?: boolean }, unknown>(({ ready, refuse }) => {
  if (refuse) throw new GatewayError('misconfigured', 'No.')
  return {
    ready,
    run: (calls) =>
      calls.map((call) => {
        if (call === 'die') throw new Error('died')
        return call === 'fail' ? { failure: { code: 'conflict', detail: 'as asked' } } : { value: call }
      }),
    idle: () => Number.POSITIVE_INFINITY,
    close: () => {},
  }
})
