import { test } from 'vitest'
import { follow } from './follow.ts'

test('every command of docs/nats.md', { timeout: 180_000 }, () => follow('docs/nats.md'))
