import { z } from 'zod'
import { parseSize } from '../../src/core/index.ts'

const size = z
  .union([z.number(), z.string()])
  .transform((value) => parseSize(String(value)) ?? Number.NaN)
  .refine((bytes) => bytes >= 1 << 20, 'must be a size such as 512MiB or 20GB, at least 1MiB')

const shared = {
  type: z.literal('embedded'),
  /** Bytes that the broker's file, or its memory, may take. */
  maxBytes: size.optional(),
}

export const config = z
  .strictObject({
    ...shared,
    path: z.string().min(1).optional(),
    memory: z.literal(true).optional(),
    sync: z.enum(['full', 'normal']).optional(),
  })
  .refine(({ path, memory }) => (path === undefined) !== (memory === undefined), {
    message: 'exactly one of path and memory is needed',
  })
  .refine(({ sync, memory }) => memory === undefined || sync === undefined, {
    path: ['sync'],
    message: 'sync belongs to path: memory is never synchronised',
  })

export type Config = z.infer<typeof config>
