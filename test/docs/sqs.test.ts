import { test } from 'vitest'
import { follow } from './follow.ts'

test('every command of docs/sqs.md', { timeout: 180_000 }, () => follow('docs/sqs.md'))
