import { swap } from './suite.ts'

swap('aws-in-order')
