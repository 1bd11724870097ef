import { swap } from './suite.ts'

swap('weak')
