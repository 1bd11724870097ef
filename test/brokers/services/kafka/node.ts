import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { run } from '../run.ts'
import { Jvm } from './jvm.ts'
import { type Ports, users } from './properties.ts'

const log4j = `-Dlog4j2.configurationFile=${resolve(import.meta.dirname, 'log4j2.properties')}`
const brief = ['-Xmx128m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC']
const cluster = 'MkU3OEVBNTcwNTJENDM2Qg'
/** Against hanging: a start takes seconds, or a broker's session where it was killed before. */
const startMs = 90_000
const stopMs = 30_000

/** How the node's process runs. */
export interface Installation {
  readonly java: string
  readonly classpath: string
  /** The URL from which a broker may fetch the keys of tokens. */
  readonly jwks: string
  /** An option of Java for the archive of classes that are loaded already. */
  readonly classes: string
}

/** One broker, which is a controller too: a process that can be ended and started again on its data and ports. */
export class KafkaNode {
  readonly id: number
  readonly ports: Ports
  readonly #folder: string
  readonly #installation: Installation
  readonly #joined: (node: KafkaNode) => Promise<void>
  #jvm: Jvm | undefined
  #paused = false

  constructor(id: number, ports: Ports, folder: string, how: Installation, joined: (node: KafkaNode) => Promise<void>) {
    this.id = id
    this.ports = ports
    this.#folder = folder
    this.#installation = how
    this.#joined = joined
  }

  get bootstrap(): string {
    return `127.0.0.1:${this.ports.plaintext}`
  }

  get running(): boolean {
    return this.#jvm?.running ?? false
  }

  get paused(): boolean {
    return this.running && this.#paused
  }

  get pid(): number | undefined {
    return this.#jvm?.pid
  }

  /** The end of what the process has written. */
  get output(): string {
    return this.#jvm?.output ?? ''
  }

  get folder(): string {
    return this.#folder
  }

  /** Writes the node's properties and prepares its data. */
  async format(properties: string): Promise<void> {
    await mkdir(this.#folder)
    await writeFile(this.#properties, properties)
    const { username, password } = users.scram
    const scram = ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((name) => [
      '--add-scram',
      `${name}=[name=${username},password=${password}]`,
    ])
    const words = ['kafka.tools.StorageTool', 'format', '-t', cluster, '-c', this.#properties, ...scram]
    const { java, classpath } = this.#installation
    await run(java, [...brief, log4j, '-cp', classpath, ...words])
  }

  get #properties(): string {
    return join(this.#folder, 'server.properties')
  }

  /** Resolves when the node answers requests and the others that run have it in the cluster. */
  async start(): Promise<void> {
    if (this.running) throw new Error(`Node ${this.id} runs already`)
    const { java, classpath, jwks, classes } = this.#installation
    const settings = [`-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=${jwks}`, `-Dkafka.logs.dir=${this.#folder}`]
    const heap = ['-Xms256m', '-Xmx512m', '-XX:+UseG1GC', '-XX:MaxGCPauseMillis=20', '-XX:TieredStopAtLevel=1']
    const words = [...heap, classes, log4j, ...settings, '-cp', classpath, 'kafka.Kafka', this.#properties]
    this.#paused = false
    this.#jvm = new Jvm(this.#folder, [java, ...words])
    await this.#jvm.line('Kafka Server started', startMs)
    await this.#joined(this)
  }

  /** Ends the process by a signal that it cannot answer. */
  async kill(): Promise<void> {
    await this.#jvm?.end('SIGKILL', stopMs)
  }

  /** Ends the process as an operator would: the others take over its partitions first. */
  async stop(): Promise<void> {
    if (this.paused) await this.resume()
    await this.#jvm?.end('SIGTERM', stopMs)
  }

  /** The process stands still, and its connections stay open. */
  async pause(): Promise<void> {
    await this.#jvm?.pause()
    this.#paused = true
  }

  async resume(): Promise<void> {
    this.#jvm?.resume()
    this.#paused = false
  }

  /** Ends the process and removes the data. */
  async remove(): Promise<void> {
    await this.kill()
    await rm(this.#folder, { recursive: true, force: true })
  }
}
