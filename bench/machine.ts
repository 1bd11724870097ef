import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { arch, cpus, loadavg, release, totalmem, type } from 'node:os'
import { join } from 'node:path'
import { type Spread, spread } from './measure/row.ts'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGB: number
  readonly system: string
  readonly node: string
  /** Of the last minute, before the run. */
  readonly load: number
  /** Milliseconds to append 4 KiB and have the disk confirm it: what each durable commit pays at least. */
  readonly syncMs: Spread
}

const syncs = 40

export function describeMachine(folder: string): Machine {
  const processors = cpus()
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryGB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()} ${arch()}`,
    node: process.version,
    load: loadavg()[0]!,
    syncMs: syncLatency(folder),
  }
}

function syncLatency(folder: string): Spread {
  const file = join(folder, `sync-${crypto.randomUUID()}`)
  const handle = openSync(file, 'w')
  const block = Buffer.alloc(4096, 1)
  try {
    const times = Array.from({ length: syncs }, () => {
      const began = performance.now()
      writeSync(handle, block)
      fdatasyncSync(handle)
      return performance.now() - began
    })
    return spread(times)
  } finally {
    closeSync(handle)
    rmSync(file)
  }
}
