import { z } from 'zod'
import { invalid } from '../core/errors.ts'
import type { Subscription } from '../core/subscription.ts'
import type { OpenTopic } from '../core/topic.ts'
import { isMembers, mergePatch } from './merge-patch.ts'
import { written } from './subscription-view.ts'

/** For the document; what a patch makes of the subscription is validated as a whole. */
export const patchForm = z.looseObject({}).meta({ id: 'SubscriptionPatch', description: 'What changes; null resets' })

/** What a subscription would have been asked for with, after the changes of a merge patch. */
export function patched(current: Subscription, topic: OpenTopic | undefined, changes: unknown): unknown {
  if (!isMembers(changes)) throw invalid('', 'A merge patch of a subscription is an object.')
  if ('secret' in changes) throw invalid('/secret', 'The secret is changed by rotate-secret.')
  const before = written(current, topic)
  for (const name of ['topic', 'start'] as const) {
    if (name in changes && changes[name] !== before[name]) {
      throw invalid(`/${name}`, `${name} cannot change: make another subscription.`)
    }
  }
  return mergePatch(before, changes)
}
