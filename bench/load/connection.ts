import { createConnection, type Socket } from 'node:net'
import { ResponseParser } from './response.ts'

const readBytes = 64 << 10

export interface ConnectionEvents {
  body?(chunk: Buffer, from: number, to: number): void
  /** An answer is complete. */
  end(status: number): void
  /** The connection is gone, with or without an error; what was asked has no answer. */
  gone(reason: string): void
}

/** One keep-alive connection on which whole requests are written and answers are counted. */
export class Connection {
  readonly #socket: Socket
  #closing = false

  private constructor(socket: Socket, events: ConnectionEvents) {
    this.#socket = socket
    const gone = (reason: string): void => {
      if (this.#closing) return
      this.#closing = true
      events.gone(reason)
    }
    socket.on('error', (error) => gone(error.message))
    socket.on('close', () => gone('The server closed the connection.'))
  }

  static open(port: number, events: ConnectionEvents): Promise<Connection> {
    const parser = new ResponseParser(events)
    const read = (length: number, chunk: Uint8Array): boolean => {
      try {
        parser.push(Buffer.from(chunk.buffer, chunk.byteOffset, length))
      } catch (error) {
        socket.destroy(error as Error)
      }
      return true
    }
    // Reading into one buffer goes around the streams of Node, which cost as much as the rest of this process.
    const onread = { buffer: Buffer.allocUnsafeSlow(readBytes), callback: read }
    const socket = createConnection({ host: '127.0.0.1', port, noDelay: true, onread })
    return new Promise((resolve, reject) => {
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(new Connection(socket, events))
      })
    })
  }

  /** `written` runs when the bytes may be changed again. */
  send(bytes: Uint8Array | string, written?: () => void): void {
    this.#socket.write(bytes, written)
  }

  close(): void {
    this.#closing = true
    this.#socket.destroy()
  }
}
