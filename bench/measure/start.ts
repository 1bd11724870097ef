import { Connection } from '../load/connection.ts'
import { eventRequest } from '../load/payload.ts'
import type { Server, ServerKind } from '../server.ts'
import type { Lab } from './lab.ts'
import { type Spread, spread } from './row.ts'

/** Milliseconds from before `node` was spawned. */
export interface StartRow {
  readonly server: ServerKind
  readonly firstAnswer: Spread
  readonly firstPublish: Spread
  readonly rssMB: number
}

const kinds = ['ceiling', 'memory', 'durable', 'dev'] as const

/** An empty folder to the first answer, and to the first event that is acknowledged. */
export async function start(lab: Lab): Promise<StartRow[]> {
  const found = new Map(kinds.map((kind) => [kind, [] as { answer: number; publish: number; rssMB: number }[]]))
  // One more than is counted: the first finds no file in the system's cache.
  for (let cycle = 0; cycle <= Math.max(3, lab.options.rounds); cycle++) {
    await lab.whenCalm()
    for (const kind of kinds) {
      const { server } = await lab.start(kind)
      try {
        const answer = await firstAnswer(server, `GET /healthz HTTP/1.1\r\nhost: 127.0.0.1:${server.port}\r\n\r\n`)
        const { token } = lab.options
        const request = eventRequest({ ...publishJob, port: server.port, token: kind === 'dev' ? undefined : token })
        const publish = await firstAnswer(server, request)
        if (cycle > 0) found.get(kind)!.push({ answer, publish, rssMB: server.usage().rssMB })
      } finally {
        await server.stop()
      }
    }
    const last = kinds.map((kind) => `${kind} ${Math.round(found.get(kind)!.at(-1)?.answer ?? Number.NaN)} ms`)
    if (cycle > 0) lab.progress(`start · ${last.join(', ')}`)
  }
  return [...found].map(([server, runs]) => ({
    server,
    firstAnswer: spread(runs.map(({ answer }) => answer)),
    firstPublish: spread(runs.map(({ publish }) => publish)),
    rssMB: spread(runs.map(({ rssMB }) => rssMB)).median,
  }))
}

const publishJob = { kind: 'closed', form: 'event', connections: 1, seconds: 0 } as const

async function firstAnswer(server: Server, request: Buffer | string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const connection = await Connection.open(server.port, {
    end: (status) => (status === 200 ? resolve(performance.now() - server.spawnedAt) : reject(new Error(`${status}`))),
    gone: (reason) => reject(new Error(reason)),
  })
  connection.send(request)
  try {
    return await promise
  } finally {
    connection.close()
  }
}
