#!/usr/bin/env node
import { enableCompileCache } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

// Before anything else is loaded, so that all the rest is found compiled the next time. Threads learn it from the
// environment: without it each would strip the types of its modules anew.
process.env.NODE_COMPILE_CACHE ??= join(tmpdir(), 'node-compile-cache')
enableCompileCache()
const { run } = await import('./program.ts')
const code = await run(process.argv.slice(2))
const { flushed } = await import('./io.ts')
await flushed()
process.exit(code)
