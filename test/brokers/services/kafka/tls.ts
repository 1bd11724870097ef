import { generateKeyPairSync } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cached } from '../cache.ts'
import { run } from '../run.ts'
import { needOpenssl } from '../tool.ts'

/** Paths of what the listeners with encryption need, all PEM but `jwks`. */
export interface Keys {
  readonly ca: string
  /** Of the broker, for `localhost` and 127.0.0.1: key and certificate in one file. */
  readonly broker: string
  readonly cert: string
  readonly key: string
  /** Signs the tokens that a broker accepts, by the public key in `jwks`. */
  readonly signing: string
  readonly jwks: string
}

export const signingKeyId = 'testbed'
const days = '3650'
const readableByOwner = 0o600

async function certificates(folder: string): Promise<void> {
  const openssl = await needOpenssl()
  const key = ['-newkey', 'rsa:2048', '-nodes']
  const authority = ['-subj', '/CN=test CA', '-keyout', 'ca.key', '-out', 'ca.pem']
  await run(openssl, ['req', '-x509', ...key, '-days', days, ...authority], folder)
  await writeFile(join(folder, 'names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n')
  for (const name of ['broker', 'client']) {
    const request = ['-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.csr`]
    await run(openssl, ['req', ...key, ...request], folder)
    const signer = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', days, '-extfile', 'names']
    await run(openssl, ['x509', '-req', '-in', `${name}.csr`, '-out', `${name}.pem`, ...signer], folder)
  }
  const both = await Promise.all(['broker.key', 'broker.pem'].map((name) => readFile(join(folder, name), 'utf8')))
  await writeFile(join(folder, 'broker.full.pem'), both.join(''), { mode: readableByOwner })
}

async function signingKey(folder: string): Promise<void> {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: signingKeyId, alg: 'RS256', use: 'sig' }
  await writeFile(join(folder, 'jwks.json'), JSON.stringify({ keys: [jwk] }))
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' })
  await writeFile(join(folder, 'signing.key'), pem, { mode: readableByOwner })
}

/** Made once per user, never committed. */
export async function keys(): Promise<Keys> {
  const folder = await cached('kafka-keys-1', async (target) => {
    await certificates(target)
    await signingKey(target)
  })
  return {
    ca: join(folder, 'ca.pem'),
    broker: join(folder, 'broker.full.pem'),
    cert: join(folder, 'client.pem'),
    key: join(folder, 'client.key'),
    signing: join(folder, 'signing.key'),
    jwks: join(folder, 'jwks.json'),
  }
}
