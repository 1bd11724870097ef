import { Command } from 'commander'

/** A command with examples at the end of its help. */
export function define(name: string, description: string, examples: readonly string[]): Command {
  const lines = examples.map((example) => `  $ ${example}`).join('\n')
  return settle(new Command(name).description(description).addHelpText('after', `\nExamples:\n${lines}`))
}

/** Ends by throwing, so that the program alone decides on the exit code. */
export function settle(command: Command): Command {
  return command.exitOverride().showHelpAfterError('(--help explains)').helpOption('-h, --help', 'show this help')
}

/** Where the gateway is, for commands that are its clients. */
export function clientOptions(command: Command): Command {
  return command
    .option('--url <url>', 'address of the gateway (SLUICE_URL; default http://127.0.0.1:8080)')
    .option('--json', 'JSON lines, as into a pipe')
    .addHelpText('after', '\nThe API key, where one is needed, comes from SLUICE_KEY.')
}

/** For an option that may be given several times. */
export function collect(value: string, previous: readonly string[] | undefined): string[] {
  return [...(previous ?? []), value]
}
