import { moving } from './moving.ts'

moving([
  ['queues', 'main'],
  ['local', 'topics'],
])
