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
// V8 lets a heap grow fourfold and leaves buffers out of the account: under load most of what is resident would be
// garbage. While 100 endpoints are delivered to, 350 to 390 MB without these, 240 to 270 MB with them, and as many events
// a second (npm run bench -- fanout --quick --only hundred,rows). A Node that has dropped one of them ignores it.
const { setFlagsFromString } = await import('node:v8')
setFlagsFromString('--heap-growing-percent=50')
setFlagsFromString('--external-memory-accounted-in-global-limit')
const { run } = await import('./program.ts')
const code = await run(process.argv.slice(2))
const { flushed } = await import('./io.ts')
await flushed()
process.exit(code)
