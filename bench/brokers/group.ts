const from = { start: 'latest' }

/** Asks a gateway for a group of its topic. */
export async function makeGroup(port: number, group: string, token: string | undefined): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/v1/topics/bench/groups/${group}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json', ...(token !== undefined && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(from),
  })
  if (!response.ok) throw new Error(`No group ${group}: ${await response.text()}`)
}
