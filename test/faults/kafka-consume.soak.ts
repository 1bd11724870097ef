import { consumeFaults } from './kafka/consume-faults.ts'

consumeFaults({ churnMs: 120_000, kills: 10, coordinators: 4, zombies: 3, timeout: 900_000 })
