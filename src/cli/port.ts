import { wrongUse } from './exit.ts'

export function parsePort(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const port = /^\d{1,5}$/.test(text) ? Number(text) : -1
  if (port < 0 || port > 65_535) throw wrongUse(`--port must be a number between 0 and 65535, and not ${text}.`)
  return port
}
