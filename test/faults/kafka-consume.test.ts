import { consumeFaults } from './kafka/consume-faults.ts'

consumeFaults({ churnMs: 12_000, kills: 1, coordinators: 1, zombies: 1, timeout: 180_000 })
