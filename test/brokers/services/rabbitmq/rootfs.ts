import { existsSync } from 'node:fs'
import { appendFile, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cached } from '../cache.ts'
import { run } from '../run.ts'
import { needMmdebstrap } from '../tool.ts'

/** The release of Debian whose RabbitMQ is 4.0; older ones have 3. */
const release = 'trixie'
const packages = ['rabbitmq-server', 'dash', 'coreutils', 'libc-bin', 'sed', 'grep', 'mawk', 'util-linux']

/**
 * A folder with RabbitMQ 4.0, Erlang and what they need, to be used as a root: Debian's packages, unpacked and not
 * installed, so that nothing of this machine changes. Downloaded once.
 */
export async function rabbitRoot(begins: () => void): Promise<string> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    throw new Error(
      'RabbitMQ 4 runs here in a root of its own, which only root may enter. Run the command again as root on Debian: sudo env "PATH=$PATH" npm test',
    )
  }
  return cached('rabbitmq-4.0-1', async (folder) => {
    begins()
    const mmdebstrap = await needMmdebstrap()
    const options = ['--variant=extract', `--include=${packages.join()}`, '--aptopt=APT::Sandbox::User "root"']
    // It mounts what it needs of this machine there: in a namespace of its own, nothing stays mounted where it is killed.
    await run('unshare', ['--mount', mmdebstrap, ...options, release, folder])
    await complete(folder)
  })
}

/** What the packages' own scripts would have made. */
async function complete(root: string): Promise<void> {
  for (const name of ['lib', 'lib64', 'bin', 'sbin']) {
    if (!existsSync(join(root, name))) await symlink(`usr/${name}`, join(root, name))
  }
  if (!existsSync(join(root, 'usr/bin/awk'))) await symlink('mawk', join(root, 'usr/bin/awk'))
  for (const name of ['dev', 'proc', 'tmp', 'etc', 'data']) await mkdir(join(root, name), { recursive: true })
  await writeFile(join(root, 'etc/passwd'), 'root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/data:/bin/sh\n')
  await writeFile(join(root, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n')
  await appendFile(join(root, 'etc/hosts'), '127.0.0.1 localhost\n')
}
