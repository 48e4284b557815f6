/** The reasons for which a mempool refuses a transaction. */

export type RefusalKind =
  'non-final' | 'missing-inputs' | 'fee-too-low' | 'insufficient-fee' | 'dust' | 'other'

/** True when a higher fee may help: it is too low for the mempool, or for what it would replace. */
export function isFeeRefusal(kind: string | undefined): boolean {
  return kind === 'fee-too-low' || kind === 'insufficient-fee'
}
