import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Collected {
  readonly name: string
  readonly kind: number
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[]
  readonly attributes: Readonly<Record<string, unknown>>
  readonly status: number
}

interface KeyValue {
  readonly key: string
  readonly value: { readonly stringValue?: string; readonly intValue?: number; readonly doubleValue?: number }
}

interface Exported {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly KeyValue[] }
    readonly scopeSpans: readonly {
      readonly spans: readonly (Omit<Collected, 'attributes' | 'status'> & {
        readonly attributes: readonly KeyValue[]
        readonly status: { readonly code?: number }
      })[]
    }[]
  }[]
}

/** A collector of traces on loopback: it takes OTLP/HTTP in its JSON form, and keeps what it is given. */
export class Collector {
  readonly spans: Collected[] = []
  readonly headers: IncomingHttpHeaders[] = []
  resource: Readonly<Record<string, unknown>> = {}
  readonly #server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      if (request.url !== '/v1/traces' || request.headers['content-type'] !== 'application/json') {
        response.writeHead(400).end()
        return
      }
      this.headers.push(request.headers)
      this.#take(JSON.parse(Buffer.concat(chunks).toString()) as Exported)
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    })
  })

  static async start(): Promise<Collector> {
    const collector = new Collector()
    collector.#server.listen(0, '127.0.0.1')
    await once(collector.#server, 'listening')
    return collector
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  named(name: string): Collected[] {
    return this.spans.filter((span) => span.name === name)
  }

  async close(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  #take({ resourceSpans }: Exported): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      this.resource = valuesOf(resource.attributes)
      for (const { spans } of scopeSpans) {
        for (const { name, kind, traceId, spanId, parentSpanId, links, attributes, status } of spans) {
          const shown = { name, kind, traceId, spanId, parentSpanId, status: status.code ?? 0 }
          this.spans.push({ ...shown, links: links ?? [], attributes: valuesOf(attributes) })
        }
      }
    }
  }
}

function valuesOf(attributes: readonly KeyValue[]): Record<string, unknown> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue ?? value.doubleValue)]),
  )
}
