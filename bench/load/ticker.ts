import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

interface Plan {
  readonly intervalMs: number
  readonly count: number
}

/**
 * Calls `tick` with the number of requests that are due by now, at the times of an even schedule. A timer of the event
 * loop is late by up to two milliseconds, and spinning would take the core that the server needs; a thread that sleeps
 * on a futex is late by some 0.1 ms and costs nothing.
 */
export function startTicker(plan: Plan, tick: (due: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: plan })
    worker.on('message', tick)
    worker.on('error', reject)
    worker.on('exit', () => resolve())
  })
}

function run({ intervalMs, count }: Plan): void {
  const never = new Int32Array(new SharedArrayBuffer(4))
  const began = performance.now()
  parentPort?.postMessage(0)
  for (let due = 1; due < count; ) {
    const wait = began + due * intervalMs - performance.now()
    if (wait > 0) Atomics.wait(never, 0, 0, wait)
    due = Math.min(count, Math.floor((performance.now() - began) / intervalMs) + 1)
    parentPort?.postMessage(due)
  }
}

if (!isMainThread) run(workerData as Plan)
