import { GatewayError } from '../../src/core/index.ts'

/**
 * How topics and groups are called in AWS, where a name is letters, digits, hyphens and underscores. A gateway's name has
 * neither two hyphens nor two underscores in a row, so that each way back is the only one:
 * `orders.eu` is `orders--eu`, its group `workers` is `orders--eu__workers`, and dead letters lie in `…___dead`.
 */
const maxLength = 80
const groupMark = '__'
const deadMark = '___dead'
const fifoMark = '.fifo'

function encodeName(name: string): string {
  return name.replaceAll('.', '--')
}

function decodeName(name: string): string {
  return name.replaceAll('--', '.')
}

export class Names {
  readonly #suffix: string

  constructor(fifo: boolean) {
    this.#suffix = fifo ? fifoMark : ''
  }

  /** Of the queue, or of SNS's topic. */
  topic(topic: string): string {
    return this.#checked(encodeName(topic), topic)
  }

  /** Of the queue that one of several groups has. */
  group(topic: string, group: string): string {
    return this.#checked(`${this.groupsOf(topic)}${encodeName(group)}`, `${group} of ${topic}`)
  }

  /** What the names of all queues of a topic's groups begin with. */
  groupsOf(topic: string): string {
    return `${encodeName(topic)}${groupMark}`
  }

  /** Of the queue of dead letters of the queue `name`. */
  dead(name: string): string {
    const base = this.#suffix === '' ? name : name.slice(0, -this.#suffix.length)
    return this.#checked(`${base}${deadMark}`, name)
  }

  /** The topic that a queue, or a topic of SNS, stands for; undefined where it is none of this kind. */
  topicOf(name: string): string | undefined {
    if (name.endsWith(fifoMark) !== (this.#suffix !== '')) return undefined
    const base = name.slice(0, name.length - this.#suffix.length)
    return base.includes(groupMark) ? undefined : decodeName(base)
  }

  /** The group that a queue of this topic stands for. */
  groupOf(topic: string, name: string): string | undefined {
    const prefix = this.groupsOf(topic)
    if (!name.startsWith(prefix) || name.endsWith(fifoMark) !== (this.#suffix !== '')) return undefined
    const base = name.slice(prefix.length, name.length - this.#suffix.length)
    // Of the topic's own dead letters an underscore is left.
    return base.startsWith('_') || base.includes(groupMark) ? undefined : decodeName(base)
  }

  #checked(base: string, what: string): string {
    const name = `${base}${this.#suffix}`
    // The queue of its dead letters must have a name as well.
    const longest = base.endsWith(deadMark) ? name.length : name.length + deadMark.length
    if (longest <= maxLength && /^[\w-]+$/.test(base)) return name
    const detail = `SQS cannot call a queue after ${what}: its names have at most ${maxLength} letters, digits, hyphens and underscores. Give the topic a shorter one there (name).`
    throw new GatewayError('invalid_argument', detail)
  }
}

/** The last part of a queue's URL or of an ARN. */
export function lastName(address: string): string {
  return address.slice(Math.max(address.lastIndexOf('/'), address.lastIndexOf(':')) + 1)
}
