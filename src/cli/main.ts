#!/usr/bin/env node
import { enableCompileCache } from 'node:module'

// Before anything else is loaded, so that everything else is found compiled the next time.
enableCompileCache()
const { run } = await import('./program.ts')
process.exit(await run(process.argv.slice(2)))
