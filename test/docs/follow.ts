import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { blocksOf, matches, Reader, root } from './page.ts'

/** Against hanging. */
const soonMs = 30_000

/** Does what a page says, block by block, and expects what it promises. */
export async function follow(page: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-docs-'))
  const reader = new Reader(folder)
  try {
    const blocks = blocksOf(join(root, page))
    let ran = 0
    for (const [index, block] of blocks.entries()) {
      const at = `${page}:${block.line}`
      const file = /file=(\S+)/.exec(block.note)?.[1]
      if (file !== undefined) await reader.writeFile(file, block.text)
      if (block.language !== 'sh') continue
      ran++
      if (block.note === 'server') {
        await reader.serve(block.text)
        continue
      }
      if (block.note === 'broker') {
        await reader.startBroker(block.text)
        continue
      }
      if (block.note === 'beside') {
        await reader.runBeside(block.text)
        continue
      }
      const next = blocks[index + 1]
      const expected = next?.note.startsWith('output') ? next.text : undefined
      let { code, output } = await reader.run(block.text)
      // What is delivered comes when it comes: a reader looks again.
      const until = next?.note === 'output soon' ? Date.now() + soonMs : 0
      while (!matches(expected ?? '', output) && Date.now() < until) ({ code, output } = await reader.run(block.text))
      expect(code === 0, `${at} ended with ${code} and printed:\n${output}`).toBe(block.note !== 'fails')
      if (expected !== undefined) {
        expect(matches(expected, output), `${at} should print:\n${expected}\nand printed:\n${output}`).toBe(true)
      }
    }
    expect(ran, `${page} has commands`).toBeGreaterThan(0)
  } finally {
    await reader.stop()
    await rm(folder, { recursive: true, force: true })
  }
}
