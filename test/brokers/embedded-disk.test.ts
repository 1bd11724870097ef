import { afterAll, describe, it } from 'vitest'
import { conformance } from '../conformance/index.ts'
import { diskTarget, temporaryFolder } from './embedded-target.ts'

const folder = temporaryFolder()
afterAll(() => folder.remove())

conformance(diskTarget(folder.path), { describe, it, concurrent: it.concurrent })
