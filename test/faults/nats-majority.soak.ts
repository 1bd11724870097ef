import { majorityFaults } from './nats/majority.ts'

const cases = [
  ['the leader and another', 'none'],
  ['the leader and another', 'key'],
  ['both followers', 'none'],
  ['both followers', 'key'],
] as const

majorityFaults(cases, 4)
