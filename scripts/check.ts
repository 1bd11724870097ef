// Runs every `check:*` script of package.json, two at a time, and prints the output of those that fail.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'

const manifest: { scripts: Record<string, string> } = JSON.parse(readFileSync('package.json', 'utf8'))
const waiting = Object.entries(manifest.scripts).filter(([name]) => name.startsWith('check:'))
let failures = 0

function run(command: string): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn('sh', ['-c', `{ ${command}; } 2>&1`], { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output }))
  })
}

async function lane(): Promise<void> {
  for (let next = waiting.shift(); next; next = waiting.shift()) {
    const [name, command] = next
    const started = performance.now()
    const { code, output } = await run(command)
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    if (code !== 0) failures += 1
    console.log(code === 0 ? `ok    ${name} (${seconds} s)` : `FAIL  ${name} (${seconds} s)\n${output}`)
  }
}

await Promise.all([lane(), lane()])
process.exitCode = failures > 0 ? 1 : 0
