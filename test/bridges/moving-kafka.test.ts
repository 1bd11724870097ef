import { moving } from './moving.ts'

moving([
  ['local', 'main'],
  ['main', 'local'],
  ['local', 'other'],
  ['main', 'main'],
])
