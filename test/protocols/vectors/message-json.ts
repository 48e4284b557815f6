/** Messages as messages.json writes them: bytes in hex, amounts as JSON numbers. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { Message } from '../../../protocols/paychan/1.0/index.js'
import { toHex } from '../../../src/types/bytes.js'
import { VECTORS_FOLDER } from './schema.js'

export const MESSAGES_FILE = join(VECTORS_FOLDER, 'messages.json')

const hex = z.string().regex(/^([0-9a-f]{2})*$/)
const rule = z.string().regex(/^[A-Z]+-[0-9]+$/)

const schema = z.strictObject({
  description: z.string(),
  accept: z.array(
    z.strictObject({ name: z.string(), message: z.looseObject({ type: z.string() }), bytes: hex })
  ),
  refuse: z.array(z.strictObject({ name: z.string(), rule, bytes: hex })),
  frames: z.strictObject({
    accept: z.array(z.strictObject({ name: z.string(), bytes: hex, messages: z.array(hex) })),
    refuse: z.array(z.strictObject({ name: z.string(), rule, bytes: hex }))
  })
})

export type MessageVectors = z.infer<typeof schema>

/** The file, checked against its shape. */
export function readMessages(): MessageVectors {
  return schema.parse(JSON.parse(readFileSync(join(process.cwd(), MESSAGES_FILE), 'utf8')))
}

/** A message as the file writes it. */
export function messageJson(message: Message): MessageVectors['accept'][number]['message'] {
  const text = JSON.stringify(message, (_name, value: unknown) => {
    if (value instanceof Uint8Array) return toHex(value)
    return typeof value === 'bigint' ? Number(value) : value
  })
  return z.looseObject({ type: z.string() }).parse(JSON.parse(text))
}
