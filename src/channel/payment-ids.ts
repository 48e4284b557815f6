/** Payment ids, 16 bytes each (UPD-14). */
import type { Payment } from '../../protocols/paychan/1.0/index.js'
import { toHex } from '../types/bytes.js'

/**
 * Whether no two payments have the same id. Looks at whole ids only when their first 4 bytes do not
 * settle it.
 */
export function allDifferent(payments: readonly Payment[]): boolean {
  const heads = new Set<number>()
  for (const { id } of payments) heads.add(headOf(id))
  return (
    heads.size === payments.length ||
    new Set(payments.map(({ id }) => toHex(id))).size === payments.length
  )
}

function headOf(id: Uint8Array): number {
  return (id[0] ?? 0) | ((id[1] ?? 0) << 8) | ((id[2] ?? 0) << 16) | ((id[3] ?? 0) << 24)
}
