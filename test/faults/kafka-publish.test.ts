import { publishFaults } from './kafka/publish-faults.ts'

publishFaults({ rounds: 1, burst: 1000, pauseMs: 8000, resets: 5, timeout: 180_000 })
