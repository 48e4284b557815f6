/**
 * Advice about a transaction of the wallet that a server refuses. It depends on the reason: a
 * higher fee is advised only where it helps.
 */
import { messageOf, PaychanError } from '../types/errors.js'
import { isFeeRefusal } from '../types/refusals.js'
import type { Txid } from '../types/bytes.js'
import type { Verdict } from '../engine/ports.js'

/**
 * EVID-7: true when a server has refused a transaction for its fee, even if another one says that
 * it has taken it, which costs nothing to say.
 *
 * @param answer - of `Chain.broadcast`: the verdict, or the error that it rejected with
 */
export function isUnderpaid(answer: Verdict | Error): boolean {
  if ('refusals' in answer) return answer.refusals.some(({ kind }) => isFeeRefusal(kind))
  return answer instanceof PaychanError && isFeeRefusal(kindOf(answer))
}

function kindOf({ facts: { kind } }: PaychanError): string | undefined {
  return typeof kind === 'string' ? kind : undefined
}

/**
 * A text with the reason, the note that the transaction is kept, and the next step.
 *
 * @param what - the transaction, as the beginning of a sentence
 * @param whenSent - more to say to whoever has just sent it
 */
export function refusedText(what: string, id: Txid, error: unknown, whenSent = ''): string {
  return `${what} (${messageOf(error)}). It is sent again with every block. ${whenSent}${adviceOn(error, id)}`
}

/**
 * The error for a T1 that no server has, and that no server takes with its child either.
 *
 * @param alone - why T1 alone was refused, which no child changes but for its fee
 */
export function packageRefused(
  funding: Txid,
  child: Txid,
  error: unknown,
  alone: unknown
): PaychanError {
  const isForItsFee = !(alone instanceof PaychanError) || isFeeRefusal(kindOf(alone))
  const advice = isForItsFee
    ? `Raise the fee further with \`paychan bumpfee ${funding}\`; where that does not help, add an Electrum server that takes packages, or wait until fees fall.`
    : `Alone it is refused as well (${alone.message}). ${adviceOn(alone, funding)}`
  return new PaychanError(
    'ERR_BROADCAST_REFUSED',
    `No server has the funding transaction ${funding} in its mempool, and none takes it together with the child ${child} that pays for it (${messageOf(error)}). Both are sent again with every block. ${advice}`,
    { txid: child, parent: funding },
    { cause: error }
  )
}

function adviceOn(error: unknown, id: Txid): string {
  const kind = error instanceof PaychanError ? kindOf(error) : undefined
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
