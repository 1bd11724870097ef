import { setTimeout as sleep } from 'node:timers/promises'
import type { OperationState } from '../store/operations.ts'
import type { Client } from './client.ts'
import { CliError, exitCode } from './exit.ts'
import { colours, note, print } from './io.ts'
import { Patience } from './patience.ts'
import { type Progress, TerminalLine } from './progress.ts'
import { untilSignal } from './signals.ts'

export interface Operation extends Progress {
  readonly id: string
  readonly kind: 'redrive' | 'replay'
  readonly state: OperationState
  readonly dryRun?: true
  readonly error?: string
}

const everyMs = 250

export function operationPath(id: string): string {
  return `/v1/operations/${encodeURIComponent(id)}`
}

/** What became of a request that starts an operation: that it runs, or, where the user waits, how it ends. */
export async function started(client: Client, answer: string, wait: boolean, json: boolean): Promise<void> {
  const operation = JSON.parse(answer) as Operation
  if (wait) return followOperation(client, operation.id, json)
  if (json) print(answer.trim())
  else {
    print(lineOf(operation))
    note(colours.dim(`sluice operations show ${operation.id} --wait follows it.`))
  }
}

/**
 * Shows how far the operation is until it ends: a bar for people, else a JSON line for each change. Throws where it did not
 * succeed, or not with every delivery; and at a signal, which leaves it running.
 */
export async function followOperation(client: Client, id: string, json: boolean): Promise<void> {
  const signal = untilSignal()
  const line = json ? undefined : new TerminalLine()
  const patience = new Patience((text) => {
    line?.end()
    note(colours.dim(text))
  })
  let last = ''
  try {
    for (;;) {
      const answer = await patience.keep(() => client.read(operationPath(id), { signal }), signal)
      const operation = JSON.parse(answer) as Operation
      if (json && answer !== last) print(answer.trim())
      line?.progress(operation, operation.state)
      last = answer
      if (operation.state !== 'running' && operation.state !== 'paused') {
        line?.end()
        conclude(operation, json)
        return
      }
      await sleep(everyMs, undefined, { signal })
    }
  } catch (error) {
    line?.end()
    if (!signal.aborted) throw error
    throw new CliError(exitCode.failed, `It goes on in the gateway; sluice operations cancel ${id} ends it.`)
  }
}

export function lineOf(operation: Operation): string {
  const { id, kind, state, dryRun, matched, done, failed, error } = operation
  const colour = state === 'succeeded' ? colours.green : state === 'running' ? colours.cyan : colours.red
  const of = matched === undefined ? '' : ` of ${matched}`
  const told = dryRun === true ? `${matched ?? 0} would be sent` : `${done}${of} done, ${failed} failed`
  const why = error === undefined ? '' : colours.red(` ${error}`)
  return `${id} ${dryRun === true ? 'dry run of a ' : ''}${kind} ${colour(state)}: ${told}${why}`
}

function conclude(operation: Operation, json: boolean): void {
  const { state, failed } = operation
  if (!json) print(lineOf(operation))
  if (state !== 'succeeded') throw new CliError(exitCode.failed, `The operation ${operation.id} is ${state}.`)
  if (failed > 0) throw new CliError(exitCode.failed, `${failed} deliveries failed; sluice deliveries list shows them.`)
}
