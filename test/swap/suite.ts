import { afterAll, beforeAll, describe } from 'vitest'
import type { Word } from './brokers.ts'
import { deliveries } from './deliveries.ts'
import { fidelity } from './fidelity.ts'
import { gateway } from './gateway.ts'
import { groups } from './groups.ts'
import { options } from './publish-options.ts'
import { publishing } from './publishing.ts'
import { reading } from './reading.ts'
import { requirements } from './requirements.ts'
import { restarts } from './restarts.ts'
import { Stage } from './stage.ts'
import { webhookRestarts } from './webhook-restarts.ts'
import { webhooks } from './webhooks.ts'

/** As many as the scenarios use. */
const topics = 80

/** Every scenario, with one word after `broker:`. */
export function swap(word: Word): void {
  describe(`broker: ${word}`, () => {
    let stage: Stage
    beforeAll(async () => {
      stage = await Stage.create(word, topics)
    }, 300_000)
    afterAll(() => stage?.remove())

    const at = () => stage
    describe('the gateway', () => gateway(at))
    describe('publishing', () => publishing(at))
    describe('options of a publish', () => options(at))
    describe('reading', () => reading(at))
    describe('data', () => fidelity(at))
    describe('groups', () => groups(at))
    describe('webhooks', () => webhooks(at))
    describe('deliveries', () => deliveries(at))
    describe('restarts', () => restarts(at))
    describe('restarts amid deliveries', () => webhookRestarts(at))
    describe('requirements', () => requirements(at))
  })
}
