import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { GatewayError } from '../../../src/core/errors.ts'
import { NodeKeyRing } from '../../../src/runtime/key-ring.ts'
import { createKey, sha256 } from '../../../src/runtime/key-text.ts'
import type { StoredKey } from '../../../src/store/store.ts'

let stored: StoredKey[]
let broken: boolean
let log: string[]
let ring: NodeKeyRing

const keys = {
  list: async () => {
    if (broken) throw new GatewayError('unavailable', 'The store is out of reach.')
    return stored
  },
  put: async () => {},
  delete: async () => true,
}

const open = async (configured: Parameters<typeof NodeKeyRing.open>[1] = []): Promise<void> => {
  const sources = {
    store: keys,
    file: undefined,
    environment: {},
    log: (_: string, message: string) => void log.push(message),
  }
  ring = await NodeKeyRing.open(sources, configured)
}

const storedKey = (hash: string, id = 'i'): StoredKey => ({ id, name: 'n', hash, scopes: ['publish'], createdAt: 0 })

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  stored = []
  broken = false
  log = []
})

afterEach(() => {
  ring.close()
  vi.useRealTimers()
})

test('a key is found by the hash of its whole text, and by its id', async () => {
  const { text, hash, id } = createKey()
  expect(text).toMatch(/^slk_[0-9a-f]{12}_[\w-]{43}$/)
  stored = [storedKey(hash, id)]
  await open()
  expect(ring.find(sha256(text))).toMatchObject({ id, name: 'n', scopes: ['publish'] })
  expect(ring.get(id)).toBe(ring.find(sha256(text)))
  expect(ring.find(sha256(`${text}x`))).toBeUndefined()
  expect(ring.find('')).toBeUndefined()
})

test('a key that did not change stays the same object, and one that did does not', async () => {
  const { hash, text } = createKey()
  stored = [storedKey(hash)]
  await open()
  const first = ring.find(sha256(text))
  await vi.advanceTimersByTimeAsync(3000)
  expect(ring.find(sha256(text))).toBe(first)
  stored = [{ ...storedKey(hash), scopes: ['consume'] }]
  await vi.advanceTimersByTimeAsync(2000)
  expect(ring.find(sha256(text))?.scopes).toEqual(['consume'])
})

test('the first key closes the gateway, and removing the last does not open it', async () => {
  await open()
  expect(ring.inUse).toBe(false)
  stored = [storedKey(createKey().hash)]
  await vi.advanceTimersByTimeAsync(2000)
  expect(ring.inUse).toBe(true)
  stored = []
  await vi.advanceTimersByTimeAsync(2000)
  expect(ring.inUse).toBe(true)
})

test('a store that cannot be read keeps its keys for a moment, and loses them before a revocation would be late', async () => {
  const { hash, text } = createKey()
  const configured = createKey()
  stored = [storedKey(hash)]
  await open([{ name: 'c', hash: configured.hash, scopes: ['publish'] }])
  broken = true
  await vi.advanceTimersByTimeAsync(2000)
  expect(ring.find(sha256(text))).toBeDefined()
  await vi.advanceTimersByTimeAsync(2900)
  expect(ring.find(sha256(text))).toBeUndefined()
  expect(ring.find(sha256(configured.text))).toBeDefined()
  expect(log).toEqual(['The keys cannot be read again.'])
  broken = false
  await vi.advanceTimersByTimeAsync(2000)
  expect(ring.find(sha256(text))).toBeDefined()
})
