import { setTimeout as sleep } from 'node:timers/promises'
import { Admin } from '@platformatic/kafka'

const pollMs = 50
const requestMs = 2000

/** The nodes that the node at `bootstrap` takes for alive; none where it does not answer. */
async function membersAt(bootstrap: string): Promise<readonly number[]> {
  const limits = { connectTimeout: requestMs, requestTimeout: requestMs, timeout: requestMs, retries: false }
  const admin = new Admin({ clientId: 'testbed', bootstrapBrokers: [bootstrap], ...limits })
  try {
    return [...(await admin.metadata({ topics: [], forceUpdate: true })).brokers.keys()]
  } catch {
    return []
  } finally {
    await admin.close()
  }
}

/** Resolves when every one of these nodes answers and takes node `id` for alive. */
export async function joined(id: number, bootstraps: readonly string[], deadlineMs: number): Promise<void> {
  const deadline = performance.now() + deadlineMs
  for (const bootstrap of bootstraps) {
    while (!(await membersAt(bootstrap)).includes(id)) {
      if (performance.now() > deadline) throw new Error(`${bootstrap} does not take node ${id} for alive`)
      await sleep(pollMs)
    }
  }
}
