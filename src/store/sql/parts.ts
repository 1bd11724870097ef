import type { Clock } from '../../core/clock.ts'
import type { Store } from '../store.ts'
import { sqlBindings } from './bindings.ts'
import { sqlDeliveries } from './deliveries/open.ts'
import { sqlHeldGroups } from './held/open.ts'
import { sqlBegin } from './idempotency/begin.ts'
import { sqlFinish } from './idempotency/finish.ts'
import { sqlRelease } from './idempotency/release.ts'
import { sweepExpired } from './idempotency/sweep.ts'
import { sqlKeys } from './keys.ts'
import { sqlOperations } from './operations/open.ts'
import type { Sql } from './query.ts'
import { sqlRates } from './rates.ts'
import { sqlSecret } from './secret.ts'
import { sqlSubscriptions } from './subscriptions/open.ts'
import type { Vault } from './vault.ts'

type Parts = Omit<Store, 'health' | 'close'> & {
  /** Ends what runs by itself. */
  stop(): void
}

/** What a store consists of, over any database of SQL. `where` names it in messages. */
export function sqlParts(sql: Sql, vault: Vault, clock: Clock, where: string): Parts {
  return {
    bindings: sqlBindings(sql),
    keys: sqlKeys(sql),
    idempotency: { begin: sqlBegin(sql), finish: sqlFinish(sql, clock), release: sqlRelease(sql) },
    secret: sqlSecret(sql, clock),
    subscriptions: sqlSubscriptions(sql, vault, clock, where),
    deliveries: sqlDeliveries(sql),
    operations: sqlOperations(sql),
    rates: sqlRates(sql),
    heldGroups: sqlHeldGroups(sql),
    stop: sweepExpired(sql, clock),
  }
}
