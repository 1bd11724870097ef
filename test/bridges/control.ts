import { Publisher } from '../../src/core/topic.ts'
import { pause } from '../conformance/waiting.ts'

const lateMs = 1500

/**
 * From now on bridges of this process are wrong on purpose: what they publish is called stored before the target has
 * acknowledged it, and so is settled first. Nobody else of this process paces what he publishes.
 */
export function settlesFirst(): void {
  const { publish } = Publisher.prototype
  Publisher.prototype.publish = async function (events, options) {
    if (options?.paced !== true) return publish.call(this, events, options)
    pause(lateMs)
      .then(() => publish.call(this, events, options))
      .catch(() => undefined)
    return events.map(({ attributes }) => ({ id: attributes.id, status: 'stored' as const }))
  }
}
