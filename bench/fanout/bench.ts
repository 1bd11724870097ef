import type { Lab } from '../measure/lab.ts'
import type { Opened, Receiver } from './receiving.ts'

/** What a section measures with. */
export interface Bench {
  readonly lab: Lab
  readonly receiver: Receiver
  readonly opened: Opened
  /** An empty database for a gateway, where the store is not SQLite. */
  readonly database: (() => Promise<string>) | undefined
  readonly parkedRows: number
}
