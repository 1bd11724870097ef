import { z } from 'zod'
import { bridgeNameMax } from '../core/own-group.ts'
import { systemTopic } from '../core/topic-name.ts'
import { entryName, topicName } from './fields.ts'

const bridge = z
  .strictObject({
    from: topicName,
    to: topicName.refine((topic) => topic !== systemTopic, { error: `only the gateway publishes to ${systemTopic}` }),
    name: entryName.max(bridgeNameMax, `must have at most ${bridgeNameMax} characters`).optional(),
    start: z.enum(['earliest', 'latest']).default('latest'),
    /** Checked against the form that subscriptions have, once that is loaded. */
    filters: z.array(z.unknown()).default([]),
  })
  .superRefine(({ from, to, name }, context) => {
    if (from === to)
      context.addIssue({ code: 'custom', path: ['to'], message: 'is the topic that the events come from' })
    if (name === undefined && usualName(from, to).length > bridgeNameMax) {
      const message = `is required here, with at most ${bridgeNameMax} characters: ${usualName(from, to)} would be too long`
      context.addIssue({ code: 'custom', path: ['name'], message })
    }
  })
  .transform(({ name, ...rest }) => ({ name: name ?? usualName(rest.from, rest.to), ...rest }))

function usualName(from: string, to: string): string {
  return `${from}.to.${to}`
}

export const bridgesSchema = z.array(bridge).superRefine((entries, context) => {
  const seen = new Set<string>()
  for (const [index, { name }] of entries.entries()) {
    if (seen.has(name))
      context.addIssue({ code: 'custom', path: [index, 'name'], message: `${name} is another's name` })
    seen.add(name)
  }
})

interface Fault {
  readonly path: PropertyKey[]
  readonly detail: string
}

/**
 * Bridges between topics that are not declared, and those that lead back to where they come from: faults between fields,
 * told also while other fields are wrong. `value` is whatever the file holds.
 */
export function strayBridges(value: unknown): Fault[] {
  const { bridges, topics } = asRecord(value)
  const known = asRecord(topics)
  const entries = Array.isArray(bridges) ? bridges.map(asRecord) : []
  const strays = entries.flatMap((entry, index) =>
    (['from', 'to'] as const).flatMap((end): Fault[] => {
      const topic = entry[end]
      if (typeof topic !== 'string' || Object.hasOwn(known, topic)) return []
      const there = Object.keys(known).join(', ') || 'there is none at all'
      return [{ path: ['bridges', index, end], detail: `there is no topic ${topic} under topics: ${there}` }]
    }),
  )
  return strays.length > 0 ? strays : circles(entries, known)
}

/** Each bridge that closes a circle with those before it. Two names of one topic at one broker are one place. */
function circles(entries: readonly Record<string, unknown>[], topics: Record<string, unknown>): Fault[] {
  const placeOf = (topic: string): string => {
    const { broker, name = topic } = asRecord(topics[topic])
    return JSON.stringify([broker, name])
  }
  const ways = new Map<string, { readonly from: string; readonly to: string }[]>()
  const faults: Fault[] = []
  for (const [index, { from, to }] of entries.entries()) {
    if (typeof from !== 'string' || typeof to !== 'string' || from === to) continue
    const back = route(to, placeOf(from), ways, placeOf, new Set())
    if (back === undefined) {
      const place = placeOf(from)
      ways.set(place, [...(ways.get(place) ?? []), { from, to }])
      continue
    }
    const circle = [from, ...back].join(' → ')
    faults.push({ path: ['bridges', index], detail: `leads back to where it comes from: ${circle}` })
  }
  return faults
}

/** The topics on the way from one to a place; undefined where there is none. */
function route(
  topic: string,
  goal: string,
  ways: ReadonlyMap<string, readonly { readonly to: string }[]>,
  placeOf: (topic: string) => string,
  seen: Set<string>,
): string[] | undefined {
  const place = placeOf(topic)
  if (place === goal) return [topic]
  if (seen.has(place)) return undefined
  seen.add(place)
  for (const { to } of ways.get(place) ?? []) {
    const rest = route(to, goal, ways, placeOf, seen)
    if (rest !== undefined) return [topic, ...rest]
  }
  return undefined
}

function asRecord(value: unknown): Record<string, unknown> {
  return value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : {}
}
