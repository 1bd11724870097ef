import { afterAll, beforeAll, describe, it } from 'vitest'
import { conformance } from '../conformance/index.ts'
import { modes, targetOf } from './rabbitmq-target.ts'
import type { Passage } from './services/passage.ts'
import type { RabbitAccess } from './services/rabbitmq.ts'
import { sharedRabbitmq } from './services/shared.ts'

const passages: Passage[] = []
let server: RabbitAccess
beforeAll(async () => {
  server = await sharedRabbitmq()
}, 180_000)
afterAll(() => Promise.all(passages.map((way) => way.close())))

conformance(
  targetOf(() => server, modes[2]!, passages),
  { describe, it, concurrent: it.concurrent },
)
