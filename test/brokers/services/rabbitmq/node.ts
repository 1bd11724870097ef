import { chmod, chown, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Jvm } from '../kafka/jvm.ts'
import type { Keys } from '../kafka/tls.ts'
import { run } from '../run.ts'

/** Against hanging: a start takes seconds. */
const startMs = 60_000
const stopMs = 30_000
/** It need not run as root, and does not. */
const nobody = 65_534

// In a mount namespace of its own, which ends with the program: nothing is left to be unmounted, however it ends.
const inside = `mount --rbind /dev "$1/dev" && mount --rbind /proc "$1/proc" && mount --bind "$2" "$1/data" || exit 1
root=$1; shift 2; exec chroot --userspec=${nobody}:${nobody} "$root" "$@"`

export interface Ports {
  readonly amqp: number
  readonly amqps: number
  readonly distribution: number
  readonly epmd: number
}

/** One node: a process that can be ended and started again on its data and ports, and the register of names that it needs. */
export class RabbitNode {
  readonly #root: string
  readonly #ports: Ports
  readonly #folder: string
  #register: Jvm | undefined
  #server: Jvm | undefined

  private constructor(root: string, ports: Ports, folder: string) {
    this.#root = root
    this.#ports = ports
    this.#folder = folder
  }

  static async create(root: string, ports: Ports, keys: Keys, settings: readonly string[]): Promise<RabbitNode> {
    const base = await mkdtemp(join(tmpdir(), 'sluice-rabbitmq-'))
    const folder = join(base, 'data')
    for (const name of ['', 'home', 'mnesia', 'log']) await mkdir(join(folder, name))
    for (const [name, from] of [
      ['ca.pem', keys.ca],
      ['broker.pem', keys.broker],
    ] as const) {
      await copyFile(from, join(folder, name))
    }
    await writeFile(join(folder, 'home/.erlang.cookie'), 'testbed', { mode: 0o400 })
    await writeFile(join(folder, 'enabled_plugins'), '[].')
    await writeFile(join(folder, 'empty.env'), '')
    await writeFile(join(folder, 'rabbitmq.conf'), configuration(ports, settings))
    await chmod(base, 0o755)
    for (const name of ['', 'home', 'home/.erlang.cookie', 'mnesia', 'log', 'enabled_plugins', 'broker.pem']) {
      await chown(join(folder, name), nobody, nobody)
    }
    return new RabbitNode(root, ports, folder)
  }

  get running(): boolean {
    return this.#server?.running ?? false
  }

  get pid(): number | undefined {
    return this.#server?.pid
  }

  /** The end of what the process has written. */
  get output(): string {
    return this.#server?.output ?? ''
  }

  /** Resolves when clients can connect. */
  async start(): Promise<void> {
    if (this.running) throw new Error('RabbitMQ runs already')
    if (this.#register?.running !== true) await this.#startRegister()
    this.#server = new Jvm(this.#folder, this.#command(['/usr/lib/rabbitmq/bin/rabbitmq-server']))
    await this.#server.line('Server startup complete', startMs)
  }

  /** Erlang's own would go on as a daemon, on all addresses. */
  async #startRegister(): Promise<void> {
    const words = ['epmd', '-d', '-d', '-port', String(this.#ports.epmd), '-address', '127.0.0.1']
    const command = this.#command(words)
    this.#register = new Jvm(this.#folder, ['sh', '-c', 'exec "$@" 2>&1', 'sh', ...command])
    await this.#register.line('entering the main select', startMs)
  }

  /** Ends the process by a signal that it cannot answer. */
  async kill(): Promise<void> {
    await this.#server?.end('SIGKILL', stopMs)
  }

  /** Ends the process as an operator would. */
  async stop(): Promise<void> {
    await this.#server?.end('SIGTERM', stopMs)
  }

  /** The process stands still, and its connections stay open. */
  async pause(): Promise<void> {
    await this.#server?.pause()
  }

  async resume(): Promise<void> {
    this.#server?.resume()
  }

  /** Runs `rabbitmqctl`, and gives what it says. */
  async ctl(...words: readonly string[]): Promise<string> {
    const [program, ...rest] = this.#command(['/usr/lib/rabbitmq/bin/rabbitmqctl', '--quiet', ...words])
    return run(program!, rest)
  }

  /** Ends everything and removes the data. */
  async remove(): Promise<void> {
    await this.kill()
    await this.#register?.end('SIGKILL', stopMs)
    await rm(join(this.#folder, '..'), { recursive: true, force: true })
  }

  /** A command line that runs these words in the root, as nobody, with the node's surroundings and no others. */
  #command(words: readonly string[]): readonly string[] {
    const { epmd, distribution } = this.#ports
    const surroundings = {
      PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
      LANG: 'C.UTF-8',
      HOME: '/data/home',
      ERL_EPMD_PORT: epmd,
      ERL_EPMD_ADDRESS: '127.0.0.1',
      // So that the server's script becomes the server, and signals reach it.
      RUNNING_UNDER_SYSTEMD: 'true',
      RABBITMQ_NODENAME: 'rabbit@localhost',
      RABBITMQ_DIST_PORT: distribution,
      RABBITMQ_CONF_ENV_FILE: '/data/empty.env',
      RABBITMQ_CONFIG_FILE: '/data/rabbitmq.conf',
      RABBITMQ_ADVANCED_CONFIG_FILE: '/data/none.config',
      RABBITMQ_ENABLED_PLUGINS_FILE: '/data/enabled_plugins',
      RABBITMQ_MNESIA_BASE: '/data/mnesia',
      RABBITMQ_LOG_BASE: '/data/log',
      RABBITMQ_PID_FILE: '/data/pid',
      RABBITMQ_GENERATED_CONFIG_DIR: '/data/generated',
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none',
    }
    const assigned = Object.entries(surroundings).map(([name, value]) => `${name}=${value}`)
    const mounted = ['unshare', '--mount', 'sh', '-c', inside, 'sh', this.#root, this.#folder]
    return ['env', '-i', ...assigned, ...mounted, ...words]
  }
}

function configuration(ports: Ports, settings: readonly string[]): string {
  const lines = [
    `listeners.tcp.1 = 127.0.0.1:${ports.amqp}`,
    `listeners.ssl.1 = 127.0.0.1:${ports.amqps}`,
    'ssl_options.cacertfile = /data/ca.pem',
    'ssl_options.certfile = /data/broker.pem',
    'ssl_options.keyfile = /data/broker.pem',
    'ssl_options.verify = verify_peer',
    'ssl_options.fail_if_no_peer_cert = false',
    'log.console = true',
    'log.console.level = info',
    'log.file = false',
    'disk_free_limit.absolute = 50MB',
    'vm_memory_high_watermark.absolute = 1GiB',
    ...settings,
  ]
  return lines.map((line) => `${line}\n`).join('')
}
