import { test } from 'vitest'
import { follow } from './follow.ts'

test('every command of docs/kafka.md', { timeout: 180_000 }, () => follow('docs/kafka.md'))
