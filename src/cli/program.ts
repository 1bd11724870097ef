import { Command, CommanderError } from 'commander'
import { GatewayError } from '../core/errors.ts'
import { settle } from './define.ts'
import { CliError, exitCode } from './exit.ts'
import { note } from './io.ts'

export interface CommandEntry {
  readonly summary: string
  readonly load: () => Promise<Command>
}

/** Every command, loaded when it is the one. */
export const commands: Readonly<Record<string, CommandEntry>> = {
  dev: {
    summary: 'run a gateway for development, with nothing to set up',
    load: async () => (await import('./commands/dev.ts')).dev,
  },
  serve: {
    summary: 'run the gateway of a configuration',
    load: async () => (await import('./commands/serve.ts')).serve,
  },
  check: {
    summary: 'check a configuration and what it connects to; changes nothing',
    load: async () => (await import('./commands/check.ts')).check,
  },
  topics: {
    summary: 'make the topics of a configuration',
    load: async () => (await import('./commands/topics.ts')).topics,
  },
  publish: {
    summary: 'publish an event, or a stream of them',
    load: async () => (await import('./commands/publish.ts')).publish,
  },
  tail: { summary: 'follow the events of a topic', load: async () => (await import('./commands/tail.ts')).tail },
  subscribe: {
    summary: 'subscribe an endpoint to a topic',
    load: async () => (await import('./commands/subscribe.ts')).subscribe,
  },
  subscriptions: {
    summary: 'show, change, pause, resume, test and delete subscriptions',
    load: async () => (await import('./commands/subscriptions.ts')).subscriptions,
  },
  listen: {
    summary: 'deliver the events of a topic to this machine',
    load: async () => (await import('./commands/listen.ts')).listen,
  },
  deliveries: {
    summary: 'show what was not delivered at once, and why; try it again',
    load: async () => (await import('./commands/deliveries.ts')).deliveries,
  },
  replay: {
    summary: 'send a part of a log to a subscription again',
    load: async () => (await import('./commands/replay.ts')).replay,
  },
  operations: {
    summary: 'follow, pause, resume and cancel redrives and replays',
    load: async () => (await import('./commands/operations.ts')).operations,
  },
  keys: { summary: 'create, list and revoke keys', load: async () => (await import('./commands/keys.ts')).keys },
  completion: {
    summary: 'print completions for a shell',
    load: async () => (await import('./commands/completion.ts')).completionOf(commands),
  },
}

/** Runs one command line and answers the exit code. */
export async function run(words: readonly string[]): Promise<number> {
  // Whoever reads our output may have seen enough.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exitCode.done)
    throw error
  })
  try {
    const program = await programFor(words)
    await program.parseAsync(words, { from: 'user' })
    return exitCode.done
  } catch (error) {
    return report(error)
  }
}

async function programFor(words: readonly string[]): Promise<Command> {
  const program = settle(new Command('sluice'))
    .description('One HTTP gate in front of any event broker.')
    .version(await version(words), '--version', 'show the version')
    .helpCommand(false)
    .addHelpText(
      'after',
      '\nExamples:\n  $ sluice dev\n  $ sluice publish orders --data \'{"id":1}\'\n  $ sluice tail orders',
    )
  for (const [name, { summary, load }] of Object.entries(commands)) {
    if (words.includes(name)) program.addCommand((await load()).summary(summary))
    else program.command(name).summary(summary)
  }
  return program
}

async function version(words: readonly string[]): Promise<string> {
  if (!words.includes('--version')) return ''
  const { packageVersion } = await import('./version.ts')
  return packageVersion()
}

function report(error: unknown): number {
  if (error instanceof CommanderError) {
    const wanted = error.code === 'commander.helpDisplayed' || error.code === 'commander.version'
    return wanted ? exitCode.done : exitCode.wrongUse
  }
  if (error instanceof CliError) {
    note(`sluice: ${error.message}`)
    return error.code
  }
  if (error instanceof GatewayError) {
    note(`sluice: ${error.message}`)
    if (error.code === 'internal' && error.cause instanceof Error) note(error.cause.stack ?? error.cause.message)
    return exitCode.failed
  }
  note(error instanceof Error ? (error.stack ?? error.message) : String(error))
  return exitCode.failed
}
