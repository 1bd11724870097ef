import type { PullSource } from '../../core/group.ts'
import { isBridgeGroup } from '../../core/own-group.ts'
import type { OpenTopic } from '../../core/topic.ts'
import { checkGroupName } from '../../core/topic-name.ts'
import { type Call, param, topicFor } from '../route.ts'
import { pullable } from './groups.ts'

interface Tended {
  readonly topic: OpenTopic
  readonly group: string
  readonly source: PullSource
}

/**
 * The group of the path, for looking after it: one that is pulled over HTTP, or a bridge's own, which nobody may pull,
 * and which lies at the broker itself.
 */
export function tended(call: Call): Tended {
  const name = param(call, 'group')
  if (!isBridgeGroup(name)) {
    const { topic, group } = pullable(call)
    return { topic, group, source: topic.pulls }
  }
  const topic = topicFor(call, 'consume')
  checkGroupName(name)
  return { topic, group: name, source: topic.broker }
}
