import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { isScope, scopeForm } from '../../config/scope.ts'
import { createKey } from '../../runtime/key-text.ts'
import type { Store } from '../../store/store.ts'
import { collect, define } from '../define.ts'
import { CliError, exitCode, wrongUse } from '../exit.ts'
import { colours, note, print, printJson, userDirectory, userPath, wantsJson } from '../io.ts'

interface StoreOptions {
  readonly config?: string
  readonly data: string
  readonly json?: boolean
}

interface CreateOptions extends StoreOptions {
  readonly name: string
  readonly scope: string[]
  readonly rate?: string
  readonly store?: boolean
}

const create = withStore(
  define('create', 'Make a key. Its text is shown once; the gateway keeps only a hash of it.', [
    'sluice keys create --name ci --scope publish',
    'sluice keys create --name shop --scope publish:orders.* --scope consume:orders.* --rate 100',
    'sluice keys create --name ci --scope publish -c sluice.yaml --store',
  ]),
)
  .requiredOption('--name <name>', 'who it is for')
  .requiredOption('--scope <scope>', `${scopeForm}; several times for several`, collect)
  .option('--rate <number>', 'requests a second that it may make')
  .option('--store', "put it into the gateway's store, where it works at once, instead of printing lines to paste")
  .action(async (options: CreateOptions) => {
    const wrong = options.scope.find((scope) => !isScope(scope))
    if (wrong !== undefined) throw wrongUse(`--scope must be ${scopeForm}; ${wrong} is not.`)
    const rate = options.rate === undefined ? undefined : Number(options.rate)
    if (rate !== undefined && !(rate > 0)) throw wrongUse('--rate must be a number above 0.')
    const { id, text, hash } = createKey()
    const { name, scope: scopes } = options
    const key = { id, name, hash, scopes, ...(rate !== undefined && { ratePerSecond: rate }) }
    if (options.store === true) {
      await inStore(options, (store) => store.keys.put({ ...key, createdAt: Date.now() }))
    }
    if (wantsJson(options)) printJson({ ...key, key: text, stored: options.store === true })
    else print(text)
    note(colours.dim('This is the only time that the key is shown.'))
    if (options.store !== true) note(`Under keys: in the configuration:\n${yamlLines(key)}`)
  })

const list = withStore(
  define('list', 'List the keys of the configuration and of the store.', ['sluice keys list -c sluice.yaml']),
).action(async (options: StoreOptions) => {
  const stored = await inStore(options, (store) => store.keys.list())
  const configured = (await configOf(options))?.config.keys ?? []
  const rows = [
    ...configured.map((key) => ({ id: null, in: 'configuration', ...key })),
    ...stored.map(({ createdAt, ...key }) => ({ in: 'store', ...key, createdAt: new Date(createdAt).toISOString() })),
  ]
  for (const row of rows) {
    if (wantsJson(options)) printJson(row)
    else print(`${(row.id ?? '-').padEnd(14)}${row.name.padEnd(20)} ${row.scopes.join(' ')} ${colours.dim(row.in)}`)
  }
})

const revoke = withStore(
  define('revoke', 'Revoke a key of the store: within 5 s it works nowhere.', ['sluice keys revoke 1f2e3d4c5b6a']),
)
  .argument('<id>', 'as keys list shows it; it is also the part between slk_ and the next _')
  .action(async (id: string, options: StoreOptions) => {
    const removed = await inStore(options, (store) => store.keys.delete(id))
    if (!removed) {
      const hint = 'A key of the configuration is revoked by removing its lines there.'
      throw new CliError(exitCode.failed, `The store has no key ${id}. ${hint}`)
    }
    if (wantsJson(options)) printJson({ id, revoked: true })
    else print(`Revoked ${id}.`)
  })

export const keys = define('keys', 'Create, list and revoke keys.', ['sluice keys create --name ci --scope publish'])
  .addCommand(create)
  .addCommand(list)
  .addCommand(revoke)

function withStore(command: ReturnType<typeof define>) {
  return command
    .option('-c, --config <file>', 'the configuration; sluice.yaml, where there is one')
    .option('--data <folder>', 'where dev keeps its state, where there is no configuration', '.sluice')
    .option('--json', 'JSON lines, as into a pipe')
}

async function configOf({ config }: StoreOptions) {
  const usual = join(userDirectory(), 'sluice.yaml')
  const file = config === undefined ? (existsSync(usual) ? usual : undefined) : userPath(config)
  if (file === undefined) return undefined
  const { loadConfig } = await import('../../config/load.ts')
  return loadConfig(file, process.env, config === undefined ? {} : { shown: config })
}

async function inStore<T>(options: StoreOptions, use: (store: Store) => Promise<T>): Promise<T> {
  const [loaded, { openDefaultStore, openStore }, { systemClock }] = await Promise.all([
    configOf(options),
    import('../../runtime/store.ts'),
    import('../../core/clock.ts'),
  ])
  const store = await (loaded === undefined
    ? openDefaultStore(join(userPath(options.data), 'store.db'))
    : openStore(loaded, systemClock))
  try {
    return await use(store)
  } finally {
    await store.close()
  }
}

function yamlLines(key: { name: string; hash: string; scopes: readonly string[]; ratePerSecond?: number }): string {
  const rate = key.ratePerSecond === undefined ? '' : `\n    ratePerSecond: ${key.ratePerSecond}`
  return `  - name: ${JSON.stringify(key.name)}\n    hash: ${key.hash}\n    scopes: ${JSON.stringify(key.scopes)}${rate}`
}
