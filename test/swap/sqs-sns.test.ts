import { swap } from './suite.ts'

swap('aws')
