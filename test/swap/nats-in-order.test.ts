import { swap } from './suite.ts'

swap('fast-in-order')
