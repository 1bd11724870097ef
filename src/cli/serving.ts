import type { LoadedConfig } from '../config/load.ts'
import { createLog } from '../runtime/log.ts'
import { startGateway } from '../runtime/node.ts'
import { exitCode } from './exit.ts'
import { printJson, wantsJson } from './io.ts'
import { parsePort } from './port.ts'
import { aborted, untilSignal } from './signals.ts'

export interface ServingOptions {
  readonly host?: string
  readonly port?: string
  readonly json?: boolean
}

export interface Serving {
  readonly loaded: LoadedConfig
  readonly file: string | undefined
  readonly createOn: string | undefined
  /** Whether webhooks may go to this machine. */
  readonly allowLoopback: boolean
  /** Tells people that it runs. */
  readonly greet: (url: string) => void
}

/** Runs the gateway until a signal ends it. */
export async function serveUntilSignal(options: ServingOptions, serving: Serving): Promise<void> {
  const { loaded, file, createOn, allowLoopback } = serving
  const signal = untilSignal()
  const colour = process.stderr.isTTY === true && !process.env.NO_COLOR
  const log = createLog(process.stderr, colour)
  process.on('uncaughtException', (error) => {
    log('error', 'The gateway failed and ends.', { cause: error instanceof Error ? error.stack : String(error) })
    process.exit(exitCode.failed)
  })
  const gateway = await startGateway({
    loaded,
    file,
    createOn,
    allowLoopback,
    log,
    environment: process.env,
    host: options.host ?? loaded.config.listen.host,
    port: parsePort(options.port) ?? loaded.config.listen.port,
  })
  if (wantsJson(options)) printJson({ event: 'listening', url: gateway.url })
  else serving.greet(gateway.url)
  await aborted(signal)
  log('info', 'Shutting down.')
  await gateway.stop()
}
