import { majorityFaults } from './nats/majority.ts'

majorityFaults([['both followers', 'key']], 1)
