import { swap } from './suite.ts'

swap('queues')
