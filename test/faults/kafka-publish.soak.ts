import { publishFaults } from './kafka/publish-faults.ts'

publishFaults({ rounds: 3, burst: 5000, pauseMs: 30_000, resets: 30, timeout: 900_000 })
