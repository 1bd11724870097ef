#!/usr/bin/env -S node --max-semi-space-size=4
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const needed = 24

// An older Node fails on what is loaded below, and says nothing that helps.
if (Number.parseInt(process.versions.node, 10) < needed) {
  process.stderr.write(`Sluice needs Node ${needed} or newer; this is ${process.version}.\n`)
  process.exit(1)
}

// Before anything else is loaded, so that all the rest is found compiled the next time. Threads learn it from the
// environment: without it each would strip the types of its modules anew.
process.env.NODE_COMPILE_CACHE ??= join(tmpdir(), 'node-compile-cache')
const { enableCompileCache } = await import('node:module')
enableCompileCache()
const { run } = await import('./program.ts')
const code = await run(process.argv.slice(2))
const { flushed } = await import('./io.ts')
await flushed()
process.exit(code)
