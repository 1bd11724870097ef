/**
 * JSON that was parsed already and so is known to be good, walked as text: an event's data survives byte for byte only
 * where nothing reads it into numbers and objects.
 */

/** The text of a member of the object; undefined where it has none of that name. */
export function memberOf(object: string, name: string): string | undefined {
  for (const { key, value } of entriesOf(object)) if (key === name) return value
  return undefined
}

/** The text of each element of the array. */
export function elementsOf(array: string): string[] {
  return [...entriesOf(array)].map(({ value }) => value)
}

/** The same value with a line for each member and element, for people. */
export function indented(json: string): string {
  let out = ''
  let depth = 0
  const line = (): string => `\n${'  '.repeat(depth)}`
  for (const [start, end] of tokensOf(json)) {
    const token = json.slice(start, end)
    const empty = out.endsWith('{') || out.endsWith('[')
    if (token === '}' || token === ']') {
      depth--
      out += empty ? token : line() + token
    } else {
      if (empty) out += line()
      out += token === ':' ? ': ' : token
      if (token === '{' || token === '[') depth++
      if (token === ',') out += line()
    }
  }
  return out
}

function* entriesOf(json: string): Generator<{ key: string | undefined; value: string }> {
  let depth = 0
  let key: string | undefined
  let last = ''
  let begin = -1
  for (const [start, end] of tokensOf(json)) {
    const token = json.slice(start, end)
    if (depth === 1 && (token === ',' || token === '}' || token === ']')) {
      if (begin >= 0) yield { key, value: json.slice(begin, start).trim() }
      begin = -1
      key = undefined
    } else if (depth === 1 && token === ':' && key === undefined) {
      key = JSON.parse(last) as string
      begin = -1
    } else if (depth === 1 && begin < 0) begin = start
    if (token === '{' || token === '[') depth++
    if (token === '}' || token === ']') depth--
    last = token
  }
}

/** Where each token begins and ends. By hand: on a string of many escapes a regular expression runs out of stack. */
function* tokensOf(json: string): Generator<[start: number, end: number]> {
  for (let i = 0; i < json.length; ) {
    const c = json[i]!
    let end = i + 1
    if (c === '"') {
      while (end < json.length && json[end] !== '"') end += json[end] === '\\' ? 2 : 1
      end++
    } else if (!marks.includes(c)) {
      while (end < json.length && !marks.includes(json[end]!)) end++
    }
    if (!spaces.includes(c)) yield [i, end]
    i = end
  }
}

const spaces = ' \t\r\n'
const marks = `{}[],:"${spaces}`
