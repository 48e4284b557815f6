/**
 * What to do about a transaction of the wallet that a server refuses. It depends on why: a fee is
 * raised where that helps, and only there.
 */
import { messageOf, PaychanError } from '../types/errors.js'
import { isFeeRefusal } from '../types/refusals.js'
import type { Txid } from '../types/bytes.js'

/**
 * The reason, that the transaction is kept, and what to do next.
 *
 * @param what - the transaction, as the beginning of a sentence
 * @param whenSent - more to say to whoever has just sent it
 */
export function refusedText(what: string, id: Txid, error: unknown, whenSent = ''): string {
  return `${what} (${messageOf(error)}). It is sent again with every block. ${whenSent}${adviceOn(error, id)}`
}

function adviceOn(error: unknown, id: Txid): string {
  const kind =
    error instanceof PaychanError && typeof error.facts.kind === 'string'
      ? error.facts.kind
      : undefined
  if (isFeeRefusal(kind)) return `Raise its fee with \`paychan bumpfee ${id}\`.`
  switch (kind) {
    case 'missing-inputs':
      return 'A coin that it spends is not on the chain just now, where a reorganisation may bring it back; a higher fee does not. `paychan coins` shows which coins there are.'
    case 'non-final':
      return 'There is nothing to do but to wait for more blocks.'
    default:
      return 'A higher fee does not help against that; if it goes on, add another Electrum server.'
  }
}
