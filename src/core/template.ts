/**
 * A text with places that are filled from a request: `{header.x-github-event}`, `{data.customer.id}`, `{signature}`. There
 * is no way to write a brace itself.
 */
export type Template = readonly (string | Slot)[]

export type Slot =
  /** A header, by its name in lower case. */
  | { readonly from: 'header'; readonly name: string }
  /** A place inside of the body, member by member. */
  | { readonly from: 'data'; readonly path: readonly string[] }
  /** A hash of the signature that was verified. */
  | { readonly from: 'signature' }

const headerName = /^[!#$%&'*+.^_`|~0-9a-z-]+$/

/** The template that a text says, or what is wrong with it. */
export function parseTemplate(text: string): Template | { readonly fault: string } {
  const parts: (string | Slot)[] = []
  // Every second part is what stands between braces.
  const split = text.split(/\{([^{}]*)\}/)
  for (const [index, part] of split.entries()) {
    if (index % 2 === 0) {
      if (/[{}]/.test(part)) return { fault: 'has a brace without its other half' }
      if (part !== '') parts.push(part)
      continue
    }
    const slot = slotOf(part)
    if (slot === undefined) {
      return { fault: `knows {header.<name>}, {data.<member>} and {signature}, and not {${part}}` }
    }
    parts.push(slot)
  }
  if (parts.length === 0) return { fault: 'must not be empty' }
  return parts
}

function slotOf(text: string): Slot | undefined {
  if (text === 'signature') return { from: 'signature' }
  const dot = text.indexOf('.')
  const [root, rest] = [text.slice(0, dot), text.slice(dot + 1)]
  if (root === 'header') {
    const name = rest.toLowerCase()
    return headerName.test(name) ? { from: 'header', name } : undefined
  }
  if (root !== 'data') return undefined
  const path = rest.split('.')
  return path.every((member) => member !== '') ? { from: 'data', path } : undefined
}

/** The text with its places filled, or undefined where one of them has nothing to fill it with. */
export function fill(template: Template, find: (slot: Slot) => string | undefined): string | undefined {
  let text = ''
  for (const part of template) {
    const found = typeof part === 'string' ? part : find(part)
    if (found === undefined || found === '') return undefined
    text += found
  }
  return text
}
