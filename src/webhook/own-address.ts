import { networkInterfaces } from 'node:os'
import ipaddr from 'ipaddr.js'

/** Where the gateway listens. The port is asked for each time: it may not be known before the gateway listens. */
export interface Listening {
  readonly host: string
  readonly port: () => number
}

const everywhere = new Set(['0.0.0.0', '::'])

/**
 * Whether an address and a port are where the gateway itself listens, whatever name led there: a subscription whose
 * endpoint publishes what it is sent would never end.
 */
export function ownAddress({ host, port }: Listening): (address: string, port: number) => boolean {
  const addresses = (): string[] => {
    if (host === 'localhost') return ['127.0.0.1', '::1']
    if (!everywhere.has(host)) return [host]
    return Object.values(networkInterfaces()).flatMap((found) => (found ?? []).map(({ address }) => address))
  }
  return (address, asked) => {
    if (asked !== port()) return false
    const plain = plainly(address)
    // Of all of 127.0.0.0/8 and the unspecified address a gateway that listens everywhere hears, too.
    if (everywhere.has(host) && (plain.startsWith('127.') || everywhere.has(plain))) return true
    return addresses().some((own) => plainly(own) === plain)
  }
}

/** One spelling for each address: one of IPv4 within IPv6 is itself. */
function plainly(address: string): string {
  return ipaddr.isValid(address) ? ipaddr.process(address).toString() : address
}
