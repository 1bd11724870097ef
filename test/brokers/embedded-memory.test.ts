import { describe, it } from 'vitest'
import { conformance } from '../conformance/index.ts'
import { memoryTarget } from './embedded-target.ts'

conformance(memoryTarget(), { describe, it, concurrent: it.concurrent })
