import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { blocksOf, matches, Reader } from './page.ts'

const root = join(import.meta.dirname, '../..')
const docs = (await readdir(join(root, 'docs'))).filter((name) => name.endsWith('.md') && name !== 'decisions.md')
const pages = ['README.md', ...docs.map((name) => `docs/${name}`)]

describe('every command of the documentation', () => {
  let reader: Reader | undefined
  let folder: string | undefined

  afterEach(async () => {
    await reader?.stop()
    if (folder !== undefined) await rm(folder, { recursive: true, force: true })
  })

  test.each(pages)('%s', { timeout: 120_000 }, async (page) => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-docs-'))
    reader = new Reader(folder)
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
      const { code, output } = await reader.run(block.text)
      const next = blocks[index + 1]
      const expected = next?.note === 'output' ? next.text : undefined
      expect(code === 0, `${at} ended with ${code} and printed:\n${output}`).toBe(block.note !== 'fails')
      if (expected !== undefined) {
        expect(matches(expected, output), `${at} should print:\n${expected}\nand printed:\n${output}`).toBe(true)
      }
    }
    expect(ran, `${page} has commands`).toBeGreaterThan(0)
  })

  test('a page that promises something else is caught', () => {
    expect(matches('{"id":"…","status":"stored"}', '{"id":"a","status":"stored"}\n')).toBe(true)
    expect(matches('{"id":"…","status":"stored"}', '{"id":"a","status":"failed"}\n')).toBe(false)
    expect(matches('stored', 'stored twice')).toBe(false)
  })
})
