import { moving } from './moving.ts'

moving([
  ['jobs', 'main'],
  ['local', 'jobs'],
])
