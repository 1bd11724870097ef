import { type GatewayError, invalid } from './errors.ts'

const pattern = /^[a-z0-9]+(?:[._-][a-z0-9]+)*$/

/** Where the gateway tells what happens to subscriptions. Nobody else publishes there. */
export const systemTopic = 'sluice.events'

export const topicNameMax = 128
export const groupNameMax = 64

export function isTopicName(name: string): boolean {
  return name.length <= topicNameMax && pattern.test(name)
}

/** Throws `invalid_argument` where `name` is no topic name. */
export function checkTopicName(name: string): void {
  if (!isTopicName(name)) throw nameError('topic', topicNameMax)
}

/** Throws `invalid_argument` where `name` is no group name. */
export function checkGroupName(name: string): void {
  if (name.length > groupNameMax || !pattern.test(name)) throw nameError('group', groupNameMax)
}

function nameError(what: string, max: number): GatewayError {
  const detail = `A ${what} name is lower-case letters and digits, joined by single dots, hyphens or underscores, at most ${max} characters.`
  return invalid(`/${what}`, detail)
}
