/** Why a mempool does not take a transaction. */

export type RefusalKind =
  'non-final' | 'missing-inputs' | 'fee-too-low' | 'insufficient-fee' | 'dust' | 'other'

/** Whether a higher fee may help: too little for the mempool, or for what it would replace. */
export function isFeeRefusal(kind: string | undefined): boolean {
  return kind === 'fee-too-low' || kind === 'insufficient-fee'
}
