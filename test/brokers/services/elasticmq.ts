import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Jvm } from './kafka/jvm.ts'
import { classpathOf } from './maven.ts'
import { freePort } from './ports.ts'
import { needJava } from './tool.ts'

const version = '1.7.1'
/** Against hanging: a start takes two seconds. */
const startMs = 60_000
const stopMs = 10_000

/** Queues as SQS has them, in the memory of one process. */
export interface ElasticMq {
  readonly config: { readonly endpoint: string }
  readonly pid: number | undefined
  stop(): Promise<void>
  kill(): Promise<void>
  pause(): Promise<void>
  resume(): Promise<void>
}

function configuration(port: number): string {
  const address = `{ protocol = http, host = "127.0.0.1", port = ${port}, context-path = "" }`
  return `include classpath("application.conf")
node-address = ${address}
rest-sqs { enabled = true, bind-port = ${port}, bind-hostname = "127.0.0.1", sqs-limits = strict }
rest-stats { enabled = false }
`
}

async function launch(java: string, classpath: string): Promise<ElasticMq> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-elasticmq-'))
  const port = await freePort()
  const file = join(folder, 'elasticmq.conf')
  await writeFile(file, configuration(port))
  const options = ['-Xmx512m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', `-Dconfig.file=${file}`]
  const jvm = new Jvm(folder, [java, ...options, '-cp', classpath, 'org.elasticmq.server.Main'])
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    await jvm.end(signal, stopMs)
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await jvm.line('started in', startMs)
  } catch (error) {
    await end('SIGKILL')
    throw error
  }
  return {
    config: { endpoint: `http://127.0.0.1:${port}` },
    get pid() {
      return jvm.pid
    },
    // It keeps nothing that an orderly end would save, and a process that stands still hears no other signal.
    stop: () => end('SIGKILL'),
    kill: () => end('SIGKILL'),
    pause: () => jvm.pause(),
    resume: async () => jvm.resume(),
  }
}

/** Starts ElasticMQ on a free port of loopback. */
export async function startElasticMq(progress: (line: string) => void = () => {}): Promise<ElasticMq> {
  const artifact = ['org.elasticmq', 'elasticmq-server_3', version] as const
  const begins = (): void => progress(`downloading ElasticMQ ${version} by Maven`)
  const classpath = await classpathOf(`elasticmq-${version}`, [artifact], begins)
  const java = await needJava()
  for (let attempt = 1; ; attempt++) {
    try {
      return await launch(java, classpath)
    } catch (error) {
      // A port that was free may be somebody else's by now.
      if (attempt === 3 || !String(error).includes('Address already in use')) throw error
    }
  }
}
