const pattern = /^(?:publish|consume|subscribe|admin)(?::[a-z0-9*._-]{1,128})?$/

/** Whether `text` is a scope: `publish`, `consume`, `subscribe` or `admin`, alone or with a topic pattern. */
export function isScope(text: string): boolean {
  return pattern.test(text)
}

export const scopeForm = 'publish, consume, subscribe or admin, alone or with a topic pattern such as publish:orders.*'
