/** What may be told of an endpoint's address: its query, and who it is called as, may be secrets. */
export interface EndpointHost {
  readonly host: string
  readonly port: number
  /** The host, with its port where that is not the usual one. */
  readonly short: string
  /** Without query, fragment and user information. */
  readonly plain: string
}

const maxKnown = 20_000
const known = new Map<string, EndpointHost>()

/** Worked out once for each address: every attempt asks. */
export function hostOf(url: string): EndpointHost {
  let found = known.get(url)
  if (found === undefined) {
    found = read(url)
    if (known.size >= maxKnown) known.clear()
    known.set(url, found)
  }
  return found
}

function read(url: string): EndpointHost {
  // What is no URL never comes here: it was checked when it was stored.
  const { protocol, hostname, port, host, origin, pathname } = new URL(url)
  const usual = protocol === 'https:' ? 443 : 80
  return { host: hostname, port: port === '' ? usual : Number(port), short: host, plain: `${origin}${pathname}` }
}
