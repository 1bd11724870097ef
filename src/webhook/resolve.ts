import { lookup } from 'node:dns/promises'
import type { Addresses } from './address.ts'
import { Failure } from './failure.ts'
import { refusal, type Target } from './target.ts'

/** Every address of a host name. */
export type Resolver = (host: string) => Promise<readonly string[]>

export const systemResolver: Resolver = async (host) =>
  (await lookup(host, { all: true, order: 'verbatim' })).map(({ address }) => address)

/** How long a resolver may take, and how many addresses a name may have. */
const resolveMs = 5000
const maxAddresses = 64

/**
 * The addresses of a target, all of them checked: one that is not allowed refuses the whole. Rejects with a `Failure` of
 * stage `dns` or `guard`.
 */
export async function resolveTarget(
  target: Target,
  resolver: Resolver,
  addresses: Addresses,
  isOwn: (address: string, port: number) => boolean,
): Promise<readonly string[]> {
  const found = target.literal ? [target.host] : await bounded(target.host, resolver)
  if (found.length === 0) throw new Failure('dns', `${target.host} has no address.`)
  if (found.length > maxAddresses) throw new Failure('guard', `${target.host} has more than ${maxAddresses} addresses.`)
  for (const address of found) {
    const what = addresses.refuse(address)
    if (what !== undefined) throw new Failure('guard', refusal(target.host, address, what))
    if (isOwn(address, target.port)) throw new Failure('guard', `${target.host} leads to the gateway itself.`)
  }
  return found
}

async function bounded(host: string, resolver: Resolver): Promise<readonly string[]> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Failure('dns', `${host} was not resolved in time.`)), resolveMs)
  // An attempt keeps the process alive by itself, and a shutdown does not wait for a resolver.
  timer.unref()
  try {
    return await Promise.race([resolver(host), late.promise])
  } catch (error) {
    if (error instanceof Failure) throw error
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOTFOUND') throw new Failure('dns', `${host} does not exist.`)
    throw new Failure('dns', `${host} could not be resolved.`)
  } finally {
    clearTimeout(timer)
  }
}
