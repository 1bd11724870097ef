import { describe, it } from 'vitest'
import { conformance } from '../conformance/index.ts'
import { fixtureTarget } from './fixture-target.ts'

conformance(fixtureTarget(), { describe, it, concurrent: it.concurrent })
