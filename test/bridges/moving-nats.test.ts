import { moving } from './moving.ts'

moving([
  ['fast', 'main'],
  ['local', 'fast'],
])
