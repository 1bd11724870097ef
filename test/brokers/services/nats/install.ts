import { chmod, mkdir, readdir, rm } from 'node:fs/promises'
import { arch } from 'node:os'
import { join } from 'node:path'
import { cached } from '../cache.ts'
import { run } from '../run.ts'
import { needGo } from '../tool.ts'

const version = '2.15.2'
/** What it is built with, where the installed Go is older: since 1.21 a Go fetches a newer one by itself. */
const toolchain = '1.26.10'
const fetchesItself = 21

/** The path of nats-server, built once per version. */
export async function natsServer(progress: (line: string) => void): Promise<string> {
  const folder = await cached(`nats-server-${version}`, async (target) => {
    progress(`building nats-server ${version} (about a minute)`)
    const work = join(target, 'work')
    // Files that can be deleted again; nothing of C.
    const settings = [`GOBIN=${target}`, 'GOFLAGS=-modcacherw', 'CGO_ENABLED=0']
    const name = `github.com/nats-io/nats-server/v2@v${version}`
    await run('env', [...settings, ...(await goOf(work)), 'install', name])
    await rm(work, { recursive: true, force: true })
  })
  return join(folder, 'nats-server')
}

/** The words that call a Go that is new enough: an old one downloads it as the module that it is. */
async function goOf(work: string): Promise<string[]> {
  const go = await needGo()
  const minor = Number(/go1\.(\d+)/.exec(await run(go, ['version']))?.[1] ?? 0)
  if (minor >= fetchesItself) {
    const [, newest] = toolchain.split('.')
    return minor >= Number(newest) ? [go] : ['GOTOOLCHAIN=auto', go]
  }
  await mkdir(work)
  const architecture = arch() === 'x64' ? 'amd64' : arch()
  const module = `golang.org/toolchain@v0.0.1-go${toolchain}.${process.platform}-${architecture}`
  await run('env', [`GOPATH=${work}`, 'GOFLAGS=-modcacherw', go, 'mod', 'download', module], work)
  const root = join(work, 'pkg', 'mod', ...module.split('/'))
  const tools = join(root, 'pkg', 'tool')
  // Modules have no programs, as far as an old Go knows.
  for (const folder of [join(root, 'bin'), ...(await readdir(tools)).map((name) => join(tools, name))]) {
    for (const file of await readdir(folder)) await chmod(join(folder, file), 0o755)
  }
  return [`GOPATH=${work}`, 'GOTOOLCHAIN=local', join(root, 'bin', 'go')]
}
