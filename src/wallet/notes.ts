/**
 * Notes that the wallet keeps beside the chain:
 *
 *     wallet/label/<txid or address>   what a person calls it
 *     wallet/made/<txid>               what a transaction of ours was for, and its fee
 *
 * The second outlives the records of the work itself, so that the history stays the same.
 */
import { z } from 'zod'
import { txid, type Txid } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import type { Satoshi } from '../types/units.js'
import { parseRecord, recordChange } from '../types/records.js'
import { amount, named } from './records.js'
import type { Change } from '../engine/ports.js'

/** The purpose of a transaction of the wallet; a `bump` is a child that pays for its parent. */
export type MadeKind = 'send' | 'sweep' | 'bump'

export interface Made {
  readonly kind: MadeKind
  readonly fee: Satoshi
}

export const LABELS = 'wallet/label/'
export const MADE = 'wallet/made/'
const MAX_LABEL_LENGTH = 128

const labelRecord = z.object({ text: z.string() })
const madeRecord = z.object({ kind: z.enum(['send', 'sweep', 'bump']), fee: amount })

/** The change that remembers the purpose of a transaction. */
export function madeChange(id: Txid, { kind, fee }: Made): Change {
  return recordChange(MADE + id, { kind, fee })
}

/** @throws PaychanError `ERR_INVALID_LABEL` */
export function checkLabel(text: string): string {
  const trimmed = text.trim()
  if (trimmed.length > MAX_LABEL_LENGTH || /\p{Cc}/u.test(trimmed)) {
    throw new PaychanError(
      'ERR_INVALID_LABEL',
      `A label has at most ${MAX_LABEL_LENGTH} characters, on one line.`,
      { length: trimmed.length, most: MAX_LABEL_LENGTH }
    )
  }
  return trimmed
}

/** The change that gives a transaction or an address a label; an empty one takes it away. */
export function labelChange(of: string, text: string): Change {
  const key = LABELS + of
  return text === '' ? { key, value: undefined } : recordChange(key, { text })
}

/** The text of a label. @throws PaychanError `ERR_STORE_VERSION`, `ERR_STORE_CORRUPT` */
export function readLabel(key: string, value: Uint8Array): string {
  return parseRecord(key, value, labelRecord).text
}

/** The purpose of a transaction. @throws PaychanError `ERR_STORE_VERSION`, `ERR_STORE_CORRUPT` */
export function readMade(key: string, value: Uint8Array): [id: Txid, made: Made] {
  return [named(key, () => txid(key.slice(MADE.length))), parseRecord(key, value, madeRecord)]
}

export class Notes {
  readonly #labels = new Map<string, string>()
  readonly #mades = new Map<Txid, Made>()

  setLabel(of: string, text: string): void {
    if (text === '') this.#labels.delete(of)
    else this.#labels.set(of, text)
  }

  setMade(id: Txid, made: Made): void {
    this.#mades.set(id, made)
  }

  label(of: string): string | undefined {
    return this.#labels.get(of)
  }

  made(id: Txid): Made | undefined {
    return this.#mades.get(id)
  }
}
