import { describe, expect, test } from 'vitest'
import { builtInConfig, type LoadedConfig } from '../../../src/config/load.ts'
import { ConfigError } from '../../../src/config/problems.ts'

const secret = 'a secret'
const standardSecret = `whsec_${Buffer.alloc(24, 1).toString('base64')}`

function load(hook: unknown, name = 'source'): LoadedConfig['config'] {
  const brokers = { main: { type: 'embedded' } }
  const topics = { events: { broker: 'main' } }
  return builtInConfig({ brokers, topics, hooks: { [name]: hook } }, '.').config
}

function complaint(hook: unknown, name?: string): string {
  try {
    load(hook, name)
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
  return 'nothing'
}

test('what a hook says is what the gateway gets', () => {
  const templates = { id: '{data.id}', subject: 'a/{header.X-Id}' }
  const { hooks } = load({ provider: 'stripe', secrets: [secret, 'b'], topic: 'events', ...templates })
  expect(hooks.source).toMatchObject({
    provider: 'stripe',
    secrets: [secret, 'b'],
    topic: 'events',
    templates: {
      id: [{ from: 'data', path: ['id'] }],
      subject: ['a/', { from: 'header', name: 'x-id' }],
    },
  })
  const url = 'https://hooks.example.com/sms'
  expect(load({ provider: 'twilio', secret, topic: 'events', url }).hooks.source).toMatchObject({
    secrets: [secret],
    url,
  })
  expect(load({ provider: 'standard', secret: standardSecret, topic: 'events' }).hooks.source).toBeDefined()
})

describe('refused at boot, by field', () => {
  const github = { provider: 'github', secret, topic: 'events' }
  const twilio = { provider: 'twilio', secret, topic: 'events' }
  const standard = { provider: 'standard', topic: 'events' }
  test.each<[string, unknown, string]>([
    [
      'a topic that is not declared',
      { ...github, topic: 'nowhere' },
      'hooks.source.topic: there is no topic nowhere under topics: events',
    ],
    ['no topic', { provider: 'github', secret }, 'hooks.source.topic: is required'],
    [
      'a provider that is not known',
      { ...github, provider: 'gitlab' },
      'hooks.source.provider: must be github or stripe',
    ],
    ['an empty secret', { ...github, secret: '' }, 'hooks.source.secret: must not be empty'],
    ['a blank secret', { ...github, secret: ' \n' }, 'hooks.source.secret: must not be empty'],
    [
      'an empty one of several',
      { ...github, secret: undefined, secrets: [secret, ''] },
      'hooks.source.secrets[1]: must not be empty',
    ],
    ['no secret', { ...github, secret: undefined }, 'hooks.source.secret: give either secret or secrets'],
    ['none of several', { ...github, secret: undefined, secrets: [] }, 'hooks.source.secrets: must have at least one'],
    ['both', { ...github, secrets: [secret] }, 'hooks.source.secret: give either secret or secrets'],
    ['whsec_ and nothing', { ...standard, secret: 'whsec_' }, 'hooks.source.secret: must be whsec_ and the base64'],
    ['a short key', { ...standard, secret: 'whsec_AAAA' }, 'hooks.source.secret: must be whsec_ and the base64'],
    [
      'no base64',
      { ...standard, secrets: [standardSecret, `${standardSecret}!`] },
      'hooks.source.secrets[1]: must be whsec_',
    ],
    ['Twilio without its address', twilio, 'hooks.source.url: is required'],
    ['an address with a query', { ...twilio, url: 'https://a.example/?b=c' }, 'hooks.source.url: must be the address'],
    ['an address of another kind', { ...twilio, url: 'ftp://a.example/' }, 'hooks.source.url: must be the address'],
    [
      'an address that means nothing',
      { ...github, url: 'https://a.example/' },
      'hooks.source.url: means nothing with github',
    ],
    ['a template', { ...github, type: 'a.{header.x' }, 'hooks.source.type: has a brace without its other half'],
    ['a place that is not known', { ...github, key: '{body.a}' }, 'hooks.source.key: knows {header.<name>}'],
    ['an id that is always the same', { ...github, id: 'one' }, 'hooks.source.id: must hold something in braces'],
    ['a field that is not known', { ...github, events: ['push'] }, 'hooks.source.events: there is no such field'],
  ])('%s', (_, hook, expected) => {
    expect(complaint(hook)).toContain(expected)
  })

  test('a name that is no part of a path', () => {
    for (const name of ['Git Hub', 'a/b', '', '..']) expect(complaint(github, name)).toContain('must be a name')
  })

  test('and no message repeats a secret', () => {
    expect(complaint({ ...standard, secret: 'whsec_hush!' })).not.toContain('hush')
  })
})
