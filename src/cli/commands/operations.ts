import { Client, type ClientOptions } from '../client.ts'
import { clientOptions, define } from '../define.ts'
import { print, wantsJson } from '../io.ts'
import { followOperation, lineOf, type Operation, operationPath } from '../operation.ts'

interface OperationOptions extends ClientOptions {
  readonly json?: boolean
}

const show = clientOptions(
  define('show', 'Show how far a redrive or a replay is.', [
    'sluice operations show op_…',
    'sluice operations show op_… --wait',
  ]),
)
  .argument('<id>', 'as redrive and replay answer it')
  .option('--wait', 'follow it until it ends')
  .action(async (id: string, options: OperationOptions & { wait?: boolean }) => {
    const client = new Client(options)
    if (options.wait === true) await followOperation(client, id, wantsJson(options))
    else shown(await client.read(operationPath(id)), options)
  })

const change = (action: string, description: string) =>
  clientOptions(define(action, description, [`sluice operations ${action} op_…`]))
    .argument('<id>', 'as redrive and replay answer it')
    .action(async (id: string, options: OperationOptions) => {
      shown(await new Client(options).read(`${operationPath(id)}/${action}`, { method: 'POST' }), options)
    })

export const operations = define('operations', 'Follow, pause, resume and cancel redrives and replays.', [
  'sluice operations show op_… --wait',
  'sluice operations cancel op_…',
])
  .addCommand(show)
  .addCommand(change('pause', 'Pause an operation; what is sent already stays sent.'))
  .addCommand(change('resume', 'Resume an operation that is paused.'))
  .addCommand(change('cancel', 'Cancel an operation for good.'))

function shown(answer: string, options: OperationOptions): void {
  print(wantsJson(options) ? answer.trim() : lineOf(JSON.parse(answer) as Operation))
}
