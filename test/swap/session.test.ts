import { swap } from './suite.ts'

swap('session')
