import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { follow } from './follow.ts'
import { matches, root } from './page.ts'

// Pages without commands; one of them is made, and has a test of its own in the suite of brokers.
const silent = new Set(['decisions.md', 'capabilities.md'])
const docs = (await readdir(join(root, 'docs'))).filter((name) => name.endsWith('.md') && !silent.has(name))
// A page that needs more than this machine may have has a test of its own, found by its name.
const apart = new Set(['bridges.md', 'kafka.md', 'nats.md', 'rabbitmq.md', 'receive.md', 'sqs.md'])
const pages = ['README.md', ...docs.filter((name) => !apart.has(name)).map((name) => `docs/${name}`)]

describe('every command of the documentation', () => {
  test.each(pages)('%s', { timeout: 120_000 }, (page) => follow(page))

  test('a page that promises something else is caught', () => {
    expect(matches('{"id":"…","status":"stored"}', '{"id":"a","status":"stored"}\n')).toBe(true)
    expect(matches('{"id":"…","status":"stored"}', '{"id":"a","status":"failed"}\n')).toBe(false)
    expect(matches('stored', 'stored twice')).toBe(false)
  })
})
