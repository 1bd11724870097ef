import type { GatewayError } from '../../../src/core/errors.ts'
import type { FileOptions } from '../engine/open.ts'
import type { Input, Op, Output, ReadInput, ReadOp, ReadOutput } from '../engine/operations.ts'
import type { TopicInfo } from '../engine/topics.ts'
import { closed } from '../errors.ts'
import { Channel } from './channel.ts'
import type { Link } from './link.ts'

/** A thread's script, beside this file, in the language that this file is in. */
function script(name: string): URL {
  return new URL(`./${name}${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)
}

/** The engine in a thread of its own over a file, and a second thread that reads it, from the first read on. */
export class FileLink implements Link {
  readonly #writer: Channel
  readonly #path: string
  #opening: Promise<Channel> | undefined
  #reader: Channel | undefined
  #closing: Promise<void> | undefined
  onAppended: (topics: readonly number[]) => void = () => {}

  /** Rejects with `misconfigured` where the file is not ours or damaged. */
  static async open(options: FileOptions): Promise<{ link: FileLink; topics: readonly TopicInfo[] }> {
    const { channel, ready } = await Channel.open(script('writer'), options)
    return { link: new FileLink(channel, options.path), topics: ready as readonly TopicInfo[] }
  }

  private constructor(writer: Channel, path: string) {
    this.#writer = writer
    writer.onEvent = (event) => this.onAppended(event as readonly number[])
    this.#path = path
  }

  get fault(): GatewayError | undefined {
    return this.#writer.fault ?? this.#reader?.fault
  }

  call<K extends Op>(op: K, input: Input<K>, transfer?: ArrayBuffer): Promise<Output<K>> {
    if (this.#closing !== undefined) return Promise.reject(closed())
    return this.#writer.call({ op, input }, transfer) as Promise<Output<K>>
  }

  async read<K extends ReadOp>(op: K, input: ReadInput<K>): Promise<ReadOutput<K>> {
    if (this.#closing !== undefined) throw closed()
    const reader = this.#reader ?? (await this.#open())
    return (await reader.call({ op, input })) as ReadOutput<K>
  }

  #open(): Promise<Channel> {
    this.#opening ??= Channel.open(script('reader'), { path: this.#path }).then(
      ({ channel }) => {
        this.#reader = channel
        return channel
      },
      (thrown: unknown) => {
        this.#opening = undefined
        throw thrown
      },
    )
    return this.#opening
  }

  now(): number {
    return Date.now()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** The writer goes last: the last connection to close folds the write-ahead log into the file. */
  async #close(): Promise<void> {
    const reader = await this.#opening?.catch(() => undefined)
    await reader?.close()
    await this.#writer.close()
  }
}
