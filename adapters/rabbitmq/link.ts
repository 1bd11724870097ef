import type { Socket } from 'node:net'
import { type Channel, type ChannelModel, type ConfirmChannel, connect } from 'amqplib'
import type { GatewayError } from '../../src/core/index.ts'
import type { Config } from './config.ts'
import { closed, translateConnecting } from './errors.ts'

export type { Channel, ConfirmChannel, Options } from 'amqplib'

const connectMs = 10_000
/** Who needs a connection waits so long for one. */
const patienceMs = 3000
const lookMs = 100
const closeMs = 2000
const pauses = { first: 100, most: 5000 } as const
const defaultFrameMax = 131_072

/** What the library has and does not tell. */
interface Inner {
  readonly frameMax?: number
  readonly stream?: Socket
}

/**
 * One connection, made again with growing pauses after it is lost, until it is closed. What was under way on a lost one
 * is told so by its channel; nothing is repeated here.
 */
export class Link {
  readonly #config: Config
  readonly #purpose: string
  #model: ChannelModel | undefined
  #connecting: Promise<ChannelModel> | undefined
  #timer: NodeJS.Timeout | undefined
  #pauseMs: number = pauses.first
  #fault: GatewayError | undefined
  #isClosed = false
  #turn = 0
  /** Why the server takes no publishes of this connection at the moment. */
  blocked: string | undefined
  /** Told when `blocked` changes. */
  onBlocked: () => void = () => undefined

  constructor(config: Config, purpose: string) {
    this.#config = config
    this.#purpose = purpose
  }

  /** Makes the first connection, to whichever node answers; rejects with the reason where that cannot be. */
  async open(): Promise<void> {
    for (let left = this.#config.url.length; ; left--) {
      try {
        await this.#connect()
        return
      } catch (error) {
        if (left === 1 || !(error as GatewayError).retryable) throw error
      }
    }
  }

  /** Why there is no connection, where there is none. */
  get fault(): GatewayError | undefined {
    if (this.#isClosed) return closed()
    return this.#model === undefined ? (this.#fault ?? closed()) : undefined
  }

  get version(): string {
    return this.#model?.connection.serverProperties.version ?? ''
  }

  /** The largest frame that both sides take: a message's properties are one. */
  get frameMax(): number {
    const inner = this.#model?.connection as Inner | undefined
    return inner?.frameMax ?? defaultFrameMax
  }

  async channel(): Promise<Channel> {
    return calm(await (await this.#ready()).createChannel())
  }

  /** `highWaterMark`: so many frames may wait to be written. */
  async confirmChannel(highWaterMark: number): Promise<ConfirmChannel> {
    return calm(await (await this.#ready()).createConfirmChannel({ highWaterMark }))
  }

  /** Does something on a channel of its own: what the server refuses ends the channel. */
  async with<T>(work: (channel: Channel) => Promise<T>): Promise<T> {
    const channel = await this.channel()
    let isOpen = true
    channel.once('close', () => {
      isOpen = false
    })
    try {
      return await work(channel)
    } finally {
      if (isOpen) await channel.close().catch(() => undefined)
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    const model = this.#model ?? (await this.#connecting?.catch(() => undefined))
    this.#model = undefined
    if (model === undefined) return
    const late = setTimeout(() => (model.connection as Inner).stream?.destroy(), closeMs)
    const gone = new Promise<void>((resolve) => model.once('close', () => resolve()))
    await Promise.race([model.close(), gone]).catch(() => undefined)
    clearTimeout(late)
  }

  async #ready(): Promise<ChannelModel> {
    if (this.#isClosed) throw closed()
    if (this.#model !== undefined) return this.#model
    const end = performance.now() + patienceMs
    while (this.#model === undefined) {
      const left = end - performance.now()
      if (this.#isClosed || left <= 0) throw this.fault ?? closed()
      await this.#changed(Math.min(left, lookMs))
    }
    return this.#model
  }

  /** Resolves when an attempt to connect ends, and after `ms` at the latest. */
  async #changed(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms)
    })
    await Promise.race([late, this.#connecting?.catch(() => late) ?? late])
    clearTimeout(timer)
  }

  async #connect(): Promise<ChannelModel> {
    const connecting = this.#dial()
    this.#connecting = connecting
    try {
      const model = await connecting
      this.#pauseMs = pauses.first
      this.#fault = undefined
      return model
    } catch (error) {
      this.#fault = error as GatewayError
      throw error
    } finally {
      this.#connecting = undefined
    }
  }

  async #dial(): Promise<ChannelModel> {
    const { url, username, password, tls, heartbeat } = this.#config
    const { protocol, hostname, port, pathname, ...own } = partsOf(url[this.#turn++ % url.length]!)
    const vhost = pathname.length > 1 ? decodeURIComponent(pathname.slice(1)) : '/'
    const host = hostname.replace(/^\[|\]$/g, '')
    const { serverName, ...pem } = tls ?? {}
    const number = Number(port) || (protocol === 'amqps:' ? 5671 : 5672)
    try {
      const model = await connect(
        {
          protocol: protocol.slice(0, -1),
          hostname: host,
          port: number,
          username: username ?? (own.username || 'guest'),
          password: password ?? (own.password || 'guest'),
          vhost: encodeURIComponent(vhost),
          heartbeat: Math.ceil(heartbeat / 1000),
        },
        {
          ...pem,
          ...(serverName !== undefined && { servername: serverName }),
          noDelay: true,
          timeout: connectMs,
          clientProperties: { connection_name: `sluice ${this.#purpose}` },
        },
      )
      if (this.#isClosed) {
        await model.close().catch(() => undefined)
        throw closed()
      }
      this.#use(model)
      return model
    } catch (error) {
      throw translateConnecting(error, `${host}:${number}, virtual host ${vhost}`)
    }
  }

  #use(model: ChannelModel): void {
    this.#model = model
    let last: Error | undefined
    model.on('error', (error) => {
      last = error
    })
    model.on('blocked', (reason) => this.#block(reason))
    model.on('unblocked', () => this.#block(undefined))
    model.on('close', (error) => {
      if (this.#model !== model) return
      this.#model = undefined
      this.#fault = translateConnecting(error ?? last ?? new Error('connection closed'), 'the moment')
      this.#block(undefined)
      this.#again()
    })
  }

  #block(reason: string | undefined): void {
    this.blocked = reason
    this.onBlocked()
  }

  #again(): void {
    if (this.#isClosed) return
    // What was refused is not offered again at once.
    if (this.#fault?.retryable === false) this.#pauseMs = pauses.most
    const pauseMs = this.#pauseMs * (0.75 + Math.random() / 2)
    this.#pauseMs = Math.min(this.#pauseMs * 2, pauses.most)
    this.#timer = setTimeout(() => this.#connect().catch(() => this.#again()), pauseMs)
  }
}

function partsOf(url: string) {
  const { protocol, hostname, port, pathname, username, password } = new URL(url)
  return {
    protocol,
    hostname,
    port,
    pathname,
    username: decodeURIComponent(username),
    password: decodeURIComponent(password),
  }
}

/** Its error is told by its close too, and by what was asked of it; unheard it would end the process. */
function calm<C extends Channel>(channel: C): C {
  channel.on('error', () => undefined)
  return channel
}
