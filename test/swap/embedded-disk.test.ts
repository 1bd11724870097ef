import { swap } from './suite.ts'

swap('local')
