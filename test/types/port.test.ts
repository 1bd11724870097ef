import { dirname, join, resolve } from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'
import type { embedded } from '../../adapters/embedded/index.ts'
import type {
  Broker,
  Capabilities,
  Delivery,
  Outcome,
  PublishResult,
  SettleResult,
  Start,
} from '../../src/core/index.ts'

const repository = resolve(import.meta.dirname, '../..')

function errorsOf(file: string): string[] {
  const path = join(repository, 'tsconfig.json')
  const { config } = ts.readConfigFile(path, ts.sys.readFile)
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: [file] }, ts.sys, dirname(path))
  const program = ts.createProgram([file], options)
  return ts.getPreEmitDiagnostics(program).map(({ file: at, start, messageText }) => {
    const line = at === undefined || start === undefined ? 0 : at.getLineAndCharacterOfPosition(start).line + 1
    return `${at?.fileName.slice(repository.length + 1)}:${line} ${ts.flattenDiagnosticMessageText(messageText, ' ')}`
  })
}

test('the compiler accepts and refuses what the port says', { timeout: 60_000 }, () => {
  expect(errorsOf(import.meta.filename)).toEqual([])
})

// What the compiler must accept and refuse of the port's public types: this file is compiled by the test above. Every
// line below a `@ts-expect-error` must be an error, and no other may be.

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function holds<_T extends true>(): void {}
function accepts<T>(_value: T): void {}

holds<Same<PublishResult['status'], 'stored' | 'failed' | 'unknown'>>()
holds<Same<Outcome['kind'], 'ack' | 'nack' | 'reject' | 'extend'>>()
holds<Same<Awaited<ReturnType<typeof embedded.open>>, Broker>>()

accepts<(published: PublishResult, settled: SettleResult) => unknown>((published, settled) => {
  // @ts-expect-error an error is there only where the event was not stored
  published.error
  // @ts-expect-error a position is there only where the event was stored
  published.position
  // @ts-expect-error a renewed receipt is there only where the settlement succeeded
  settled.renewed
  if (published.status === 'stored') return published.position
  if (settled.status === 'ok') return settled.renewed
  return `${published.error.code} ${settled.error.detail}`
})

accepts<(broker: Broker, delivery: Delivery) => Promise<void>>(async (broker, delivery) => {
  // @ts-expect-error a broker without history has no log
  broker.log.get('topic', '1')
  // @ts-expect-error nor can every broker move a group
  await broker.groups.seek('topic', 'group', 'latest')
  // @ts-expect-error what was delivered is not to be changed
  delivery.attempt = 2
  // @ts-expect-error capabilities are fixed by opening
  broker.capabilities.replay = true
})

accepts<Outcome>({ kind: 'ack' })
accepts<Outcome>({ kind: 'nack', delayMs: 5 })
// @ts-expect-error a reject has a reason
accepts<Outcome>({ kind: 'reject' })
// @ts-expect-error an ack has no delay
accepts<Outcome>({ kind: 'ack', delayMs: 5 })

accepts<Start>('earliest')
accepts<Start>(new Date())
accepts<Start>({ cursor: 'c' })
// @ts-expect-error a cursor is wrapped, so that none is mistaken for a word
accepts<Start>('cursor')

// @ts-expect-error every capability is declared, none is left to a default
accepts<Capabilities>({ replay: true })
