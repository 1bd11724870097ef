import ipaddr from 'ipaddr.js'
import { GatewayError } from '../core/errors.ts'

type Address = ipaddr.IPv4 | ipaddr.IPv6
type Network = [Address, number]

const network = (cidr: string): Network => ipaddr.parseCIDR(cidr)

/** IPv4 that is not the public internet (IANA's special-purpose registry), and a cloud's own service that looks public. */
const special4: readonly (readonly [Network, string])[] = (
  [
    ['0.0.0.0/8', '"this network"'],
    ['10.0.0.0/8', 'a private network'],
    ['100.64.0.0/10', "a carrier's shared network"],
    ['127.0.0.0/8', 'loopback'],
    ['169.254.0.0/16', 'link-local, where clouds keep their metadata'],
    ['172.16.0.0/12', 'a private network'],
    ['192.0.0.0/24', 'set aside for protocols'],
    ['192.0.2.0/24', 'set aside for documentation'],
    ['192.88.99.0/24', 'a relay of 6to4'],
    ['192.168.0.0/16', 'a private network'],
    ['198.18.0.0/15', 'set aside for benchmarks'],
    ['198.51.100.0/24', 'set aside for documentation'],
    ['203.0.113.0/24', 'set aside for documentation'],
    ['224.0.0.0/4', 'multicast'],
    ['240.0.0.0/4', 'reserved'],
    ['168.63.129.16/32', "a cloud's own service"],
  ] as const
).map(([cidr, what]) => [network(cidr), what] as const)

/** Within 2000::/3, the only unicast space that is handed out; everything outside is refused without a name. */
const special6: readonly (readonly [Network, string])[] = (
  [
    // Holds Teredo, ORCHID, benchmarking and others.
    ['2001::/23', 'set aside for protocols'],
    ['2001:db8::/32', 'set aside for documentation'],
    ['2002::/16', 'a tunnel of 6to4'],
    ['3fff::/20', 'set aside for documentation'],
  ] as const
).map(([cidr, what]) => [network(cidr), what] as const)

const global6 = network('2000::/3')
const nat64 = network('64:ff9b::/96')
const loopback6 = ipaddr.parse('::1')
const loopback4 = network('127.0.0.0/8')

/** Decides which addresses the gateway connects to: the public internet, and what was named. */
export class Addresses {
  readonly #allowed: readonly Network[]
  readonly #loopback: boolean

  /** Throws `misconfigured` where one of `allowPrivate` is no CIDR. */
  constructor(allowPrivate: readonly string[], allowLoopback: boolean) {
    this.#allowed = allowPrivate.map((cidr) => {
      if (!ipaddr.isValidCIDR(cidr)) {
        throw new GatewayError('misconfigured', `outbound.allowPrivate: ${cidr} is no network like 10.1.0.0/16.`)
      }
      return network(cidr)
    })
    this.#loopback = allowLoopback
  }

  get loopback(): boolean {
    return this.#loopback
  }

  /** What the address is, where it is not allowed; undefined where it is. */
  refuse(text: string): string | undefined {
    if (text.includes('%') || !ipaddr.isValid(text)) return 'no address'
    return this.#refuse(ipaddr.parse(text))
  }

  #refuse(address: Address): string | undefined {
    if (this.#allowed.some((allowed) => within(address, allowed))) return undefined
    if (address.kind() === 'ipv4') {
      if (this.#loopback && within(address, loopback4)) return undefined
      return special4.find(([special]) => within(address, special))?.[1]
    }
    return this.#refuse6(address as ipaddr.IPv6)
  }

  /** An IPv4 address in an IPv6 one is judged itself, where it is sure to be the one that is reached. */
  #refuse6(address: ipaddr.IPv6): string | undefined {
    if (this.#loopback && within(address, [loopback6, 128])) return undefined
    if (address.isIPv4MappedAddress()) return this.#refuse(address.toIPv4Address())
    if (within(address, nat64)) return this.#refuse(embedded(address))
    if (!within(address, global6)) return rangeOf(address)
    const special = special6.find(([range]) => within(address, range))
    if (special !== undefined) return special[1]
    // ISATAP (RFC 5214): an IPv4 address behind 0:5efe or 200:5efe, below any prefix.
    const [, , , , high, low] = address.parts
    if ((high! & 0xfdff) === 0 && low === 0x5efe) return this.#refuse(embedded(address))
    return undefined
  }
}

function within(address: Address, [base, bits]: Network): boolean {
  return address.kind() === base.kind() && address.match(base, bits)
}

function embedded(address: ipaddr.IPv6): ipaddr.IPv4 {
  return new ipaddr.IPv4(address.toByteArray().slice(12))
}

function rangeOf(address: ipaddr.IPv6): string {
  const names: Readonly<Record<string, string>> = {
    loopback: 'loopback',
    linkLocal: 'link-local',
    uniqueLocal: 'a private network',
    multicast: 'multicast',
    unspecified: '"this host"',
  }
  return names[address.range()] ?? 'not on the public internet'
}
