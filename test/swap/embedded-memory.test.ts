import { swap } from './suite.ts'

swap('memory')
