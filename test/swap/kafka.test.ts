import { swap } from './suite.ts'

swap('main')
