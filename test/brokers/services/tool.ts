import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './run.ts'

interface Tool {
  readonly name: string
  /** The program to call, where a fitting one is installed. */
  find(): Promise<string | undefined>
  /** Any of these packages of Debian brings it. */
  readonly packages: readonly string[]
  readonly brew: string
}

const leastJava = 17
const found = new Map<Tool, Promise<string>>()

async function answers(program: string, word: string): Promise<string | undefined> {
  const output = await run(program, [word]).catch(() => undefined)
  return output === undefined ? undefined : program
}

async function findJava(): Promise<string | undefined> {
  const home = process.env.JAVA_HOME
  for (const program of home ? [join(home, 'bin', 'java'), 'java'] : ['java']) {
    const output = await run(program, ['-version']).catch(() => '')
    if (Number(/version "(\d+)/.exec(output)?.[1] ?? 0) >= leastJava) return program
  }
  return undefined
}

const java: Tool = {
  name: `Java ${leastJava} or newer`,
  find: findJava,
  packages: ['openjdk-17-jre-headless', 'openjdk-21-jre-headless', 'openjdk-25-jre-headless'],
  brew: 'openjdk',
}
const maven: Tool = { name: 'Maven', find: () => answers('mvn', '-v'), packages: ['maven'], brew: 'maven' }
const openssl: Tool = {
  name: 'openssl',
  find: () => answers('openssl', 'version'),
  packages: ['openssl'],
  brew: 'openssl',
}
const javac: Tool = {
  name: `A Java compiler, ${leastJava} or newer`,
  find: () => answers('javac', '-version'),
  packages: ['openjdk-17-jdk-headless', 'openjdk-21-jdk-headless', 'openjdk-25-jdk-headless'],
  brew: 'openjdk',
}
const python: Tool = {
  name: 'Python 3',
  find: () => answers('python3', '--version'),
  packages: ['python3'],
  brew: 'python',
}
const go: Tool = { name: 'Go', find: () => answers('go', 'version'), packages: ['golang-go'], brew: 'go' }
const php: Tool = { name: 'PHP', find: () => answers('php', '--version'), packages: ['php-cli'], brew: 'php' }
/** Debian's own Python: a package of Debian is for that one. */
const pika: Tool = {
  name: 'pika, a client of RabbitMQ for Python',
  async find() {
    for (const program of ['/usr/bin/python3', 'python3']) {
      if ((await run(program, ['-c', 'import pika']).catch(() => undefined)) !== undefined) return program
    }
    return undefined
  },
  packages: ['python3-pika'],
  brew: 'python && pip3 install pika',
}
const mmdebstrap: Tool = {
  name: 'mmdebstrap',
  find: () => answers('mmdebstrap', '--version'),
  packages: ['mmdebstrap'],
  brew: 'mmdebstrap',
}
const kcat: Tool = { name: 'kcat', find: () => answers('kcat', '-V'), packages: ['kcat'], brew: 'kcat' }

/** Debian keeps the server's programs out of the path, a folder for each version. */
async function findPostgres(): Promise<string | undefined> {
  const root = '/usr/lib/postgresql'
  const versions = existsSync(root) ? readdirSync(root).sort((one, other) => Number(other) - Number(one)) : []
  const programs = [...versions.map((version) => join(root, version, 'bin', 'postgres')), 'postgres']
  for (const program of programs) if ((await answers(program, '--version')) !== undefined) return program
  return undefined
}

const postgres: Tool = { name: 'Postgres', find: findPostgres, packages: ['postgresql'], brew: 'postgresql' }

async function install(tool: Tool): Promise<string> {
  const installed = await tool.find()
  if (installed) return installed
  const commands = `apt-get install -y ${tool.packages[0]} (Debian, Ubuntu) or brew install ${tool.brew} (macOS)`
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) {
    throw new Error(`${tool.name} is missing. Install it: ${commands}`)
  }
  await run('apt-get', ['update']).catch(() => undefined)
  for (const name of tool.packages) {
    await run('apt-get', ['install', '-y', '--no-install-recommends', name]).catch(() => undefined)
    const program = await tool.find()
    if (program) return program
  }
  throw new Error(`${tool.name} is missing and could not be installed. Try: ${commands}`)
}

function need(tool: Tool): Promise<string> {
  const program = found.get(tool) ?? install(tool)
  found.set(tool, program)
  return program
}

/** The programs to call; on Debian, root gets a missing one installed, elsewhere an Error names the command. */
export const needJava = (): Promise<string> => need(java)
export const needMaven = (): Promise<string> => need(maven)
export const needOpenssl = (): Promise<string> => need(openssl)
export const needJavac = (): Promise<string> => need(javac)
export const needPython = (): Promise<string> => need(python)
export const needGo = (): Promise<string> => need(go)
export const needPhp = (): Promise<string> => need(php)
export const needKcat = (): Promise<string> => need(kcat)
export const needPika = (): Promise<string> => need(pika)
export const needMmdebstrap = (): Promise<string> => need(mmdebstrap)
/** `initdb` lies beside it. */
export const needPostgres = (): Promise<string> => need(postgres)
