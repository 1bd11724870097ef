import { majorityFaults } from './nats/majority.ts'

// By key the order does not hold yet, see docs/nats.md: that case is in the soak, and fails there.
majorityFaults([['both followers', 'none']], 1)
