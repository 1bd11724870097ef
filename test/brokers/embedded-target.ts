import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { embedded } from '../../adapters/embedded/index.ts'
import type { Broker, Capabilities } from '../../src/core/broker.ts'
import { systemClock } from '../../src/core/clock.ts'
import type { Target } from '../conformance/index.ts'

const capabilities: Partial<Capabilities> = {
  settlement: 'individual',
  receipt: 'portable',
  fencing: 'broker',
  reject: true,
  extend: true,
  attempts: true,
  ordering: 'key',
  exclusiveKeys: true,
  groups: 'many',
  seek: true,
  replay: true,
  lag: 'exact',
}

const noCredentials = 'it is part of the process and has no credentials'
const noProcess = 'a broker in the memory of a process ends with it'

export function memoryTarget(): Target {
  return {
    name: 'embedded, in memory',
    capabilities: { ...capabilities, durability: 'memory' },
    open: () => embedded.open(embedded.config.parse({ type: 'embedded', memory: true }), { clock: systemClock }),
    notApplicable: {
      '2': 'storing in memory takes no time that could be held',
      '10b': 'storing in memory takes no time that could be held',
      '12b': noProcess,
      '18': noProcess,
      '38b': noProcess,
      '38c': noProcess,
      '39': noProcess,
      '40': noProcess,
      '44': 'the memory of a process cannot fail by itself',
      '45': noCredentials,
    },
  }
}

/** Every broker has a file of its own in `folder`; the caller removes it. */
export function diskTarget(folder: string): Target {
  const files = new WeakMap<Broker, string>()
  const configOf = (path: string) => ({ type: 'embedded', path }) as const
  const openFile = async (path: string): Promise<Broker> => {
    const broker = await embedded.open(embedded.config.parse(configOf(path)), { clock: systemClock })
    files.set(broker, path)
    return broker
  }
  const fileOf = (broker: Broker): string => {
    const path = files.get(broker)
    if (path === undefined) throw new Error('This broker was not opened by the target.')
    return path
  }
  let opened = 0
  return {
    name: 'embedded, on disk',
    capabilities: { ...capabilities, durability: 'machine' },
    open: () => openFile(join(folder, `log-${++opened}.db`)),
    async reopen(broker) {
      await broker.close()
      return openFile(fileOf(broker))
    },
    process: (broker) => ({
      module: resolve(import.meta.dirname, '../../adapters/embedded/index.ts'),
      export: 'embedded',
      config: configOf(fileOf(broker)),
    }),
    holdAck: async (broker) => lockFile(fileOf(broker)),
    breakBroker: async (broker) => lockFile(fileOf(broker)),
    notApplicable: { '45': noCredentials },
  }
}

/** A foreign connection takes the file's write lock: whoever wants to commit waits for it. */
function lockFile(path: string): () => Promise<void> {
  const foreign = new DatabaseSync(path)
  foreign.exec('PRAGMA busy_timeout = 10000')
  foreign.exec('BEGIN IMMEDIATE')
  return async () => {
    foreign.exec('ROLLBACK')
    foreign.close()
  }
}

/** A folder for one test file, and how to remove it. */
export function temporaryFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'sluice-embedded-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}
