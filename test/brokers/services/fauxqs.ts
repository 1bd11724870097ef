import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Jvm } from './kafka/jvm.ts'
import { freePort } from './ports.ts'

const server = resolve(import.meta.dirname, 'sqs/fauxqs-server.ts')
/** Against hanging: a start takes less than a second. */
const startMs = 60_000
const stopMs = 10_000

/** SNS and SQS, in the memory of one process. */
export interface Fauxqs {
  readonly config: { readonly endpoint: string }
  readonly pid: number | undefined
  stop(): Promise<void>
  kill(): Promise<void>
  pause(): Promise<void>
  resume(): Promise<void>
}

/** Starts fauxqs on a free port of loopback. */
export async function startFauxqs(): Promise<Fauxqs> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-fauxqs-'))
  const port = await freePort()
  const child = new Jvm(folder, [process.execPath, '--disable-warning=ExperimentalWarning', server, String(port)])
  const end = async (): Promise<void> => {
    await child.end('SIGKILL', stopMs)
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await child.line('listening', startMs)
  } catch (error) {
    await end()
    throw error
  }
  return {
    config: { endpoint: `http://127.0.0.1:${port}` },
    get pid() {
      return child.pid
    },
    // It keeps nothing that an orderly end would save, and a process that stands still hears no other signal.
    stop: end,
    kill: end,
    pause: () => child.pause(),
    resume: async () => child.resume(),
  }
}
