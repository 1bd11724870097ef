import type { IncomingMessage } from 'node:http'
import { GatewayError } from '../core/errors.ts'
import { tooLarge } from '../http/body.ts'

/**
 * Reads a request's body straight from Node. Rejects with `too_large` before more than `limit` bytes are held, with
 * `invalid_argument` where nothing came for `idleMs`, and with what `hold` throws; a body that flows is never cut. After
 * a rejection the server drops the rest of the body for a moment, so that the client sees the answer, and then the
 * connection.
 */
export function readBody(
  incoming: IncomingMessage,
  limit: number,
  idleMs: number,
  hold: (bytes: number) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer<ArrayBuffer>[] = []
    let length = 0

    function onData(chunk: Buffer<ArrayBuffer>): void {
      length += chunk.length
      idle.refresh()
      try {
        if (length > limit) throw tooLarge(limit)
        hold(length)
        chunks.push(chunk)
      } catch (error) {
        fail(error as GatewayError)
      }
    }
    function onEnd(): void {
      release()
      resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, length))
    }
    function onClose(): void {
      fail(new GatewayError('invalid_argument', 'The body ended too early.'))
    }
    function fail(error: GatewayError): void {
      release()
      incoming.pause()
      reject(error)
    }
    function release(): void {
      clearTimeout(idle)
      incoming.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose)
    }

    const idle = setTimeout(() => fail(new GatewayError('invalid_argument', 'The body stalled.')), idleMs)
    if (Number(incoming.headers['content-length'] ?? 0) > limit) fail(tooLarge(limit))
    else if (incoming.destroyed) onClose()
    else incoming.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose)
  })
}
