import { isIP } from 'node:net'
import type { Addresses } from './address.ts'

/** Where requests to a URL go. */
export interface Target {
  readonly origin: string
  readonly secure: boolean
  /** A name, or an address without brackets. */
  readonly host: string
  /** Whether `host` is an address. */
  readonly literal: boolean
  readonly port: number
  /** With the query. */
  readonly path: string
}

/** Ports of services that take a request for a command, or that no web server uses (Fetch, "port blocking"; data stores). */
const refusedPorts = new Set([
  0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110,
  111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532,
  540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1433, 1521, 1719, 1720, 1723, 2049, 2375, 3306, 3389,
  3659, 4045, 4190, 5060, 5061, 5432, 5672, 6000, 6379, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 9092, 10080,
  11211, 27017,
])

/** Names that lead to a cloud's metadata, where it is. */
const metadata = new Set(['metadata.google.internal', 'metadata.goog'])

/**
 * Reads a URL once and for all. Answers a sentence where the gateway never calls it, whatever its name leads to.
 */
export function readTarget(text: string, addresses: Addresses): Target | string {
  // What URL parsing would drop or turn into something else, other software may read in another way.
  if (!/^https?:\/\/[^/?#]/i.test(text)) return 'The URL must begin with http:// or https:// and name a host.'
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to refuse.
  if (/[\u0000-\u0020\u007f\\]/.test(text)) return 'The URL has a space, a backslash or a control character.'
  if (!URL.canParse(text)) return 'This is no valid URL.'
  const url = new URL(text)
  if (url.username !== '' || url.password !== '' || authorityOf(text).includes('@')) {
    return 'The URL must not hold a user or a password; use auth.'
  }
  const secure = url.protocol === 'https:'
  const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port)
  if (refusedPorts.has(port)) return `The gateway does not call port ${port}, which belongs to another protocol.`
  const bare = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname
  const literal = isIP(bare) !== 0
  const host = literal ? bare : bare.toLowerCase()
  const target = { origin: url.origin, secure, host, literal, port, path: url.pathname + url.search }
  return complain(target, text, addresses) ?? target
}

function complain({ host, literal }: Target, text: string, addresses: Addresses): string | undefined {
  const name = host.replace(/\.+$/, '')
  if (name === '') return 'The URL must name a host.'
  if (!literal) {
    if ((name === 'localhost' || name.endsWith('.localhost')) && !addresses.loopback) return loopbackRefusal(name)
    return metadata.has(name) ? `${name} leads to a cloud's metadata.` : undefined
  }
  const what = addresses.refuse(host)
  if (what !== undefined) return refusal(host, host, what)
  // Other spellings of an IPv4 address hide it from whoever reads the subscription.
  const spelled = authorityOf(text).replace(/:\d*$/, '')
  return isIP(host) === 4 && spelled !== host ? `Write the address as ${host}.` : undefined
}

function loopbackRefusal(name: string): string {
  return `${name} is this machine itself; the gateway calls it in \`dev\` only.`
}

/** A sentence about an address that is not allowed, and what would allow it. */
export function refusal(host: string, address: string, what: string): string {
  const subject = host === address ? address : `${host} leads to ${address}, which`
  return `${subject} is ${what}; the gateway calls public addresses, and others only where outbound.allowPrivate names them.`
}

function authorityOf(text: string): string {
  return /^[a-z]+:\/\/([^/?#]*)/i.exec(text)?.[1] ?? ''
}
