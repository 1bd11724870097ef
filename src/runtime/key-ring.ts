import { timingSafeEqual } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { loadKeys } from '../config/load.ts'
import type { ConfiguredKey } from '../config/schema.ts'
import type { Logger } from '../core/logger.ts'
import type { Key, KeyRing } from '../http/gateway.ts'
import type { Keys } from '../store/store.ts'

const pollMs = 1000
/** A store that cannot be read for so long may have lost a key meanwhile: its keys count as revoked then. */
const trustMs = 3500

interface Entry {
  readonly hash: string
  readonly key: Key
  readonly revoke: () => void
}

export interface KeySources {
  readonly store: Keys
  /** The configuration file, read again while the gateway runs; undefined where there is none. */
  readonly file: string | undefined
  readonly environment: NodeJS.ProcessEnv
  readonly log: Logger
}

/** The keys of the configuration and of the store, never older than a few seconds. */
export class NodeKeyRing implements KeyRing {
  readonly #sources: KeySources
  #configured: readonly Entry[]
  #stored: readonly Entry[] = []
  #byHash: ReadonlyMap<string, Entry> = new Map()
  #byId: ReadonlyMap<string, Entry> = new Map()
  #readAt = 0
  #complained = ''
  #version = ''
  #timer: NodeJS.Timeout | undefined
  #everUsed = false

  private constructor(sources: KeySources, configured: readonly ConfiguredKey[]) {
    this.#sources = sources
    this.#configured = configured.map(configuredEntry)
  }

  /** `configured` are the keys that the configuration had at boot. Rejects where the store cannot be read. */
  static async open(sources: KeySources, configured: readonly ConfiguredKey[]): Promise<NodeKeyRing> {
    const ring = new NodeKeyRing(sources, configured)
    await ring.#readStore()
    ring.#index()
    ring.#plan()
    return ring
  }

  /** Whether there is a key, or ever was one since boot: removing the last one shuts everybody out, and lets none in. */
  get inUse(): boolean {
    return this.#everUsed
  }

  find(sha256: string): Key | undefined {
    const entry = this.#byHash.get(sha256)
    if (entry === undefined) return undefined
    return timingSafeEqual(Buffer.from(entry.hash), Buffer.from(sha256)) ? entry.key : undefined
  }

  get(id: string): Key | undefined {
    return this.#byId.get(id)?.key
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #plan(): void {
    this.#timer = setTimeout(() => void this.#poll(), pollMs).unref()
  }

  async #poll(): Promise<void> {
    const complaints: string[] = []
    const complain = (error: unknown): void => {
      complaints.push(error instanceof Error ? error.message : String(error))
    }
    await this.#readFile().catch(complain)
    await this.#readStore().catch((error: unknown) => {
      complain(error)
      if (performance.now() - this.#readAt > trustMs) this.#stored = []
    })
    this.#index()
    const complaint = complaints.join('; ')
    if (complaint !== '' && complaint !== this.#complained) {
      this.#sources.log('warn', 'The keys cannot be read again.', { reason: complaint })
    }
    this.#complained = complaint
    if (this.#timer !== undefined) this.#plan()
  }

  /** While a file is being edited its keys stay as they were. */
  async #readFile(): Promise<void> {
    const { file, environment } = this.#sources
    if (file === undefined) return
    const { mtimeNs, size, ino } = await stat(file, { bigint: true })
    const version = `${mtimeNs} ${size} ${ino}`
    if (version === this.#version) return
    this.#configured = (await loadKeys(file, environment)).map(configuredEntry)
    this.#version = version
  }

  async #readStore(): Promise<void> {
    const keys = await this.#sources.store.list()
    this.#readAt = performance.now()
    this.#stored = keys.map(({ hash, id, name, scopes, ratePerSecond }) => entry(hash, id, name, scopes, ratePerSecond))
  }

  /** A key that did not change stays the same object, for what is remembered about it. */
  #index(): void {
    const before = [...this.#byHash.values()]
    const entries = [...this.#configured, ...this.#stored].map((fresh) => {
      const known = this.#byHash.get(fresh.hash)
      return known !== undefined && JSON.stringify(known) === JSON.stringify(fresh) ? known : fresh
    })
    this.#byHash = new Map(entries.map((one) => [one.hash, one]))
    this.#byId = new Map(entries.map((one) => [one.key.id, one]))
    const still = new Set(entries)
    for (const one of before) if (!still.has(one)) one.revoke()
    if (entries.length > 0) this.#everUsed = true
  }
}

/** A configured key has no id of its own; its hash gives one that lasts. */
function configuredEntry({ hash, name, scopes, ratePerSecond }: ConfiguredKey): Entry {
  const hex = hash.slice('sha256:'.length)
  return entry(hash, `config-${hex.slice(0, 16)}`, name, scopes, ratePerSecond)
}

function entry(hash: string, id: string, name: string, scopes: readonly string[], rate: number | undefined): Entry {
  const gone = new AbortController()
  const key = { id, name, scopes, ...(rate !== undefined && { ratePerSecond: rate }), revoked: gone.signal }
  return { hash: hash.slice('sha256:'.length), key, revoke: () => gone.abort() }
}
