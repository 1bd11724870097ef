// Opens the store given as argument, publishes one event, says so and stays until it is killed.
import { embedded } from '../../../adapters/embedded/index.ts'
import { systemClock } from '../../../src/core/index.ts'

const broker = await embedded.open({ type: 'embedded', path: process.argv[2]! }, { clock: systemClock })
await broker.admin!.ensure('orders', {})
const event = { attributes: { specversion: '1.0', id: 'a', source: '/s', type: 't' } } as const
await broker.publish('orders', [event], { signal: new AbortController().signal })
process.send!('stored')
setInterval(() => {}, 1000)
