import { describe, expect, it } from 'vitest'
import { Channel } from '../../../adapters/embedded/thread/channel.ts'

const script = new URL('./mortal-thread.ts', import.meta.url)

describe('a channel to a thread', () => {
  it('answers in order, and closes when everything is answered', async () => {
    const { channel, ready } = await Channel.open(script, { ready: 'hello' })
    expect(ready).toBe('hello')
    const answers = [1, 'fail', 2].map((message) => channel.call(message))
    const closing = channel.close()
    expect(await Promise.allSettled(answers)).toMatchObject([
      { value: 1 },
      { reason: { code: 'conflict', message: 'as asked' } },
      { value: 2 },
    ])
    await closing
    await channel.close()
    await expect(channel.call(3)).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('rejects where the thread cannot begin', async () => {
    await expect(Channel.open(script, { refuse: true })).rejects.toMatchObject({ code: 'misconfigured' })
  })

  it('does not know what became of calls whose thread died, and refuses later ones', async () => {
    const { channel } = await Channel.open(script, { ready: 'hello' })
    expect(await channel.call('before')).toBe('before')
    const outcomes = await Promise.allSettled([channel.call('die'), channel.call('after')])
    expect(outcomes).toMatchObject([{ reason: { code: 'unknown_outcome' } }, { reason: { code: 'unknown_outcome' } }])
    await expect(channel.call('later')).rejects.toMatchObject({ code: 'unavailable', cause: { message: 'died' } })
    await channel.close()
  })
})
