import type { Random } from '../../conformance/random.ts'

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** What the platform's own strict decoder and parser say. */
export function platformAccepts(bytes: Uint8Array): boolean {
  try {
    JSON.parse(decoder.decode(bytes))
    return true
  } catch {
    return false
  }
}

const blanks = ['', '', '', ' ', '\n', '\r\n', '\t', '  ']
const numbers = ['0', '-0', '1', '-12', '0.5', '1e5', '1E-7', '9007199254740993', '-1.25e+300']
const strings = [
  '',
  'a',
  'data',
  'data_base64',
  '\\u0061',
  '\\n',
  '\\"',
  'ü',
  '€',
  '😀',
  '\\ud800',
  '__proto__',
  '{[,:]}',
]

/** A random JSON text, not deeper than `depth`. */
export function randomJson(random: Random, depth: number): string {
  const blank = (): string => random.pick(blanks)
  const kind = depth === 0 ? random.between(0, 2) : random.between(0, 5)
  if (kind === 0) return random.pick(numbers)
  if (kind === 1) return `"${random.pick(strings)}${random.pick(strings)}"`
  if (kind === 2) return random.pick(['true', 'false', 'null'])
  const items = Array.from({ length: random.between(0, 4) }, () => {
    const value = `${blank()}${randomJson(random, depth - 1)}${blank()}`
    return kind === 3 ? value : `${blank()}"${random.pick(strings)}"${blank()}:${value}`
  })
  return kind === 3 ? `[${blank()}${items.join(',')}]` : `{${blank()}${items.join(',')}}`
}

const telling = [
  ...Buffer.from('{}[]",:\\/0123456789+-.eEtrufalsn \t\n\r\0\u001f'),
  0x7f,
  0x80,
  0xbf,
  0xc0,
  0xc2,
  0xe0,
  0xed,
]
telling.push(0xf0, 0xf4, 0xf5, 0xff)

/** One to three small injuries: a byte changed, taken out, put in, a piece repeated, or the end cut off. */
export function mutate(random: Random, bytes: Uint8Array): Uint8Array {
  let mutant = Array.from(bytes)
  for (let times = random.between(1, 3); times > 0; times--) {
    const at = random.between(0, mutant.length)
    const kind = random.between(0, 4)
    if (kind === 0 && at < mutant.length) mutant[at] = random.pick(telling)
    else if (kind === 1) mutant.splice(at, 1)
    else if (kind === 2) mutant.splice(at, 0, random.pick(telling))
    else if (kind === 3) mutant.splice(at, 0, ...mutant.slice(random.between(0, at), at))
    else mutant = mutant.slice(0, at)
  }
  return Uint8Array.from(mutant)
}
