import assert from 'node:assert/strict'
import { GatewayError } from '../../src/core/errors.ts'
import { event } from './events.ts'
import { assertStored } from './refusal.ts'
import type { Scenario } from './scenario.ts'
import { pause, until, within } from './waiting.ts'

/** What the list of scenarios allows health for noticing, and a slow machine's share on top. */
const noticeMs = 5000 + 5000

const health: Scenario = {
  id: 44,
  title: 'Health tells the truth: good, bad while publishing cannot work, good again without being opened anew',
  needs: ['breakBroker'],
  async run(context) {
    const { broker } = context
    const topic = await context.topic('health')
    await context.group(topic)
    await context.within('health answers', broker.health())
    const heal = await context.hook('breakBroker')(broker)
    try {
      await until(noticeMs, 'health says that publishing would not work', async () => {
        const outcome = await broker.health().then(
          () => undefined,
          (error: unknown) => error,
        )
        if (outcome === undefined) return false
        assert(outcome instanceof GatewayError, `health rejected with ${String(outcome)}, which is no GatewayError`)
        return true
      })
      const publishing = broker.publish(topic, [event('broken')], { signal: AbortSignal.timeout(1000) })
      const settled = await within(context.deadlineMs, 'publish settles while broken', Promise.allSettled([publishing]))
      if (settled[0].status === 'fulfilled') {
        assert.notEqual(settled[0].value[0]?.status, 'stored', 'publishing works although it was broken')
      }
    } finally {
      await heal()
    }
    const recovered = async () =>
      broker.health().then(
        () => true,
        () => false,
      )
    await until(Math.max(30_000, context.deadlineMs), 'health is good again', recovered)
    assertStored(await context.publishRaw(topic, [event('healed')]), 1)
  },
}

const credentials: Scenario = {
  id: 45,
  title: 'Bad credentials are a typed error, at opening or in health, and no storm of retries',
  needs: ['badCredentials'],
  async run(context) {
    const bad = context.hook('badCredentials')()
    const attempt = async () => {
      const broker = await bad.open()
      try {
        await broker.health()
      } finally {
        await broker.close()
      }
    }
    const [outcome] = await context.within('opening ends', Promise.allSettled([attempt()]))
    assert(outcome.status === 'rejected', 'the broker was opened, and is healthy, with bad credentials')
    const { reason } = outcome
    assert(reason instanceof GatewayError, `opening rejected with ${String(reason)}, which is no GatewayError`)
    assert(
      ['unauthenticated', 'permission_denied', 'misconfigured'].includes(reason.code),
      `its code is ${reason.code}`,
    )
    const before = await bad.attempts()
    await pause(3000)
    const after = await bad.attempts()
    assert(after - before <= 3, `${after - before} attempts in 3 s after the refusal`)
  },
}

export const healthScenarios: readonly Scenario[] = [health, credentials]
