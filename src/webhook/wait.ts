import type { Ending } from './deadlines.ts'
import type { Bounds } from './exchange.ts'
import { Failure } from './failure.ts'

/** What `promise` comes to, within bounds; what becomes of it otherwise is nobody's concern. */
export async function within<T>(bounds: Bounds, signal: AbortSignal, ms: number, promise: Promise<T>): Promise<T> {
  const { promise: end, reject } = Promise.withResolvers<never>()
  const ending: Ending = {
    deadline: 0,
    peers: undefined,
    expire: () => reject(new Failure('auth', 'The token server did not answer in time.')),
    stop: () => reject(new Failure('gateway', 'The gateway stopped the attempt.')),
  }
  bounds.deadlines.set(ending, ms, performance.now())
  bounds.stops.join(signal, ending)
  try {
    return await Promise.race([promise, end])
  } finally {
    bounds.deadlines.clear(ending)
    bounds.stops.leave(signal, ending)
  }
}
