import { swap } from './suite.ts'

swap('jobs-in-order')
