import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'

type Locked = { version?: string; integrity?: string; resolved?: string; optionalDependencies?: Record<string, string> }

const { packages } = JSON.parse(await readFile('package-lock.json', 'utf8')) as { packages: Record<string, Locked> }
const entries = Object.entries(packages)

// npm drops an optional package that it cannot find from the lockfile without a word, and `npm ci` then refuses it.
test('the lockfile holds the packages of every platform', () => {
  const wanted = new Set(entries.flatMap(([, { optionalDependencies = {} }]) => Object.keys(optionalDependencies)))
  const missing = [...wanted].filter((name) => !entries.some(([path]) => path.endsWith(`node_modules/${name}`)))
  expect(wanted.size).toBeGreaterThan(0)
  expect(missing).toEqual([])
})

test('the lockfile pins contents and names no registry', () => {
  const installed = entries.filter(([path]) => path !== '')
  expect(installed.filter(([, { version, integrity }]) => !version || !integrity)).toEqual([])
  expect(installed.filter(([, { resolved }]) => resolved !== undefined)).toEqual([])
})
