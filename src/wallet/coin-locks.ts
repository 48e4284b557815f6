/**
 * Coins that their owner has locked: nothing chooses them, they are spent only when they are named.
 *
 *     wallet/locked/<txid>:<vout>
 *
 * A lock says nothing about the chain: a reorganisation that takes the coin away leaves the lock,
 * and it counts again when the coin comes back. Once a spend of the coin is buried the lock goes.
 */
import { z } from 'zod'
import { outPointFromText, outPointText, type OutPoint } from '../types/bytes.js'
import { decodeRecord, encodeRecord } from './record-format.js'
import { named } from './records.js'
import type { Change } from '../engine/ports.js'

export const LOCKED = 'wallet/locked/'

const lockRecord = z.object({})

export function lockChange(outPoint: OutPoint): Change {
  const key = LOCKED + outPointText(outPoint)
  return { key, value: encodeRecord(key, {}) }
}

export function lockRemoval(outPoint: OutPoint): Change {
  return { key: LOCKED + outPointText(outPoint), value: undefined }
}

/** The coin that a record locks. @throws PaychanError `ERR_STORE_VERSION`, `ERR_STORE_CORRUPT` */
export function readLock(key: string, value: Uint8Array): OutPoint {
  decodeRecord(key, value, lockRecord)
  return named(key, () => outPointFromText(key.slice(LOCKED.length)))
}

export class CoinLocks {
  private readonly locked = new Map<string, OutPoint>()

  add(outPoint: OutPoint): void {
    this.locked.set(outPointText(outPoint), outPoint)
  }

  remove(outPoint: OutPoint): void {
    this.locked.delete(outPointText(outPoint))
  }

  has(outPoint: OutPoint): boolean {
    return this.locked.has(outPointText(outPoint))
  }

  all(): OutPoint[] {
    return [...this.locked.values()]
  }
}
