import { describe, expect, test } from 'vitest'
import { parseOptions, UsageError } from '../../bench/options.ts'

describe('the options of bench', () => {
  test('a section alone, in the order of the report', () => {
    expect(parseOptions(['publish', '--only', 'start,closed'])).toMatchObject({
      command: 'publish',
      only: ['closed', 'start'],
      rounds: 5,
      token: undefined,
    })
  })

  test('the sections of kafka are its own', () => {
    expect(parseOptions(['kafka', '--only', 'three,closed', '--quick'])).toMatchObject({
      command: 'kafka',
      only: ['closed', 'three'],
      rounds: 2,
      quick: true,
    })
    expect(() => parseOptions(['kafka', '--only', 'start'])).toThrow(UsageError)
  })

  test('brokers are chosen, in the order of the report', () => {
    expect(parseOptions(['brokers', '--broker', 'kafka,rabbitmq', '--only', 'consume,full'])).toMatchObject({
      command: 'brokers',
      brokers: ['rabbitmq', 'kafka'],
      only: ['full', 'consume'],
    })
    expect(() => parseOptions(['brokers', '--broker', 'redis'])).toThrow(UsageError)
  })

  test('match takes rounds, and no sections', () => {
    expect(parseOptions(['match', '--rounds', '3'])).toMatchObject({ command: 'match', rounds: 3, quick: false })
  })

  test('fanout has sections of its own, a store and rows that wait in it', () => {
    expect(parseOptions(['fanout', '--only', 'rows,one', '--store', 'postgres', '--parked', '500'])).toMatchObject({
      command: 'fanout',
      only: ['one', 'rows'],
      store: 'postgres',
      parked: 500,
    })
    expect(parseOptions(['fanout'])).toMatchObject({ store: 'sqlite', parked: 1_000_000 })
    expect(() => parseOptions(['fanout', '--store', 'memory'])).toThrow(UsageError)
  })

  test('help is wanted, whatever else is', () => {
    expect(parseOptions(['publish', '--help'])).toBeUndefined()
  })

  test.each([
    [[]],
    [['nothing']],
    [['publish', 'memory']],
    [['publish', '--rounds', '0']],
    [['memory', '--server', 'x']],
  ])('refuses %j', (words) => {
    expect(() => parseOptions(words)).toThrow(UsageError)
  })

  test('refuses an option that is none', () => {
    expect(() => parseOptions(['publish', '--fast'])).toThrow(UsageError)
  })
})
