import type { GatewayError } from './errors.ts'
import type { PullSource } from './group.ts'

/** Groups that are pulled and settled as before, but neither made nor changed: that is refused with `reason`. */
export function frozen(pulls: PullSource, reason: GatewayError): PullSource {
  const { capabilities, added, groups, deadLetters } = pulls
  const refuse = (): Promise<never> => Promise.reject(reason)
  return {
    capabilities,
    open: (topic, group, options) => pulls.open(topic, group, options),
    groups: {
      create: refuse,
      describe: (topic, group) => groups.describe(topic, group),
      list: (topic) => groups.list(topic),
      delete: refuse,
      ...(groups.seek !== undefined && { seek: refuse }),
    },
    ...(added !== undefined && { added }),
    ...(deadLetters !== undefined && { deadLetters }),
  }
}
