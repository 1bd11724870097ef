import { afterAll, beforeAll, expect, test } from 'vitest'
import { answer, hang, Receiver, type Script } from '../delivery/receiver.ts'
import { cloudEvent, until } from '../http/events.ts'
import { Hook, quickly } from './hook.ts'
import { Stage } from './stage.ts'

/** Against hanging: a boot takes seconds, and so does what a killed gateway had leased. */
const restartMs = 90_000

/** What of deliveries is still made after the gateway was ended in the middle of them. */
export function webhookRestarts(at: () => Stage): void {
  let stage: Stage
  let receiver: Receiver
  beforeAll(async () => {
    receiver = await Receiver.start()
    stage = await Stage.create(at().word, 2)
  }, restartMs)
  afterAll(() => Promise.all([stage?.remove(), receiver?.close()]))

  test.each(['SIGTERM', 'SIGKILL'] as const)(
    'after %s, every event that lasts is delivered, each under one id',
    async (signal) => {
      const topic = await stage.freeTopic()
      // Some are taken, some fail and are written down, and some hang when it ends.
      let taken = 0
      const script: Script = (request, ...more) => {
        const { id } = JSON.parse(request.body.toString()) as { id: string }
        if (id.startsWith('bad')) answer({ status: 500 })(request, ...more)
        else if (++taken <= 20) answer()(request, ...more)
        else hang(request, ...more)
      }
      const policy = { ...quickly, timeout: '2s', retry: { schedule: Array.from({ length: 50 }, () => '1s') } }
      const hook = await Hook.subscribe(() => stage.client, receiver, topic, { policy }, script)
      const ids = Array.from({ length: 60 }, (_, i) => (i % 10 === 0 ? `bad-${i}` : `e-${i}`))
      const events = ids.map((id, i) => cloudEvent(id, { partitionkey: `k${i % 9}` }))
      expect((await stage.client.batch(topic, events)).status).toBe(200)
      await until(() => taken > 25)
      await until(async () => (await hook.deliveries('parked')).length > 0)

      const restarting = stage.restart(signal)
      if (signal === 'SIGKILL') hook.script = answer()
      else setTimeout(() => (hook.script = answer()), 500)
      const ended = await restarting
      if (signal === 'SIGTERM') expect(ended?.code, ended?.stderr).toBe(0)

      expect((await stage.client.structured(topic, cloudEvent('new'))).status).toBe(200)
      // What a broker keeps in memory is gone with the gateway; what has a row is not.
      const lasts = stage.capabilities.durability !== 'memory'
      const wanted = lasts ? [...ids, 'new'] : ['new']
      await until(() => {
        const got = new Set(hook.ids)
        return wanted.every((id) => got.has(id))
      })
      await until(async () => (await hook.show()).lag.events === 0)
      const names = new Set(hook.arrived.map(({ delivery, body }) => `${delivery} ${body}`))
      expect(names.size).toBe(new Set(hook.ids).size)
      expect(await hook.deliveries('dead')).toEqual([])
    },
    restartMs,
  )
}
