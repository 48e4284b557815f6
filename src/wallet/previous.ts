/**
 * The transactions that inputs spend from: they show a signer of another input of the same
 * transaction that all inputs are SegWit.
 */
import { MAX_PREVIOUS_BYTES } from '../../protocols/paychan/1.0/index.js'
import type { Transaction } from '../bitcoin/transaction.js'
import type { OutPoint, Txid } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'

/**
 * Each transaction once, without witnesses, which do not count for a txid.
 *
 * @throws PaychanError `ERR_COINS_TOO_LARGE` when they do not fit into a message
 */
export function previousOf(
  inputs: ReadonlyArray<{ readonly outPoint: OutPoint }>,
  find: (id: Txid) => Transaction | undefined
): Uint8Array[] {
  const previous = [...new Set(inputs.map(({ outPoint }) => outPoint.txid))].map(
    (id) => (find(id) ?? missing(id)).withWitnesses().raw
  )
  const size = previous.reduce((sum, { length }) => sum + length, 0)
  if (size <= MAX_PREVIOUS_BYTES) return previous
  throw new PaychanError(
    'ERR_COINS_TOO_LARGE',
    `The coins come from transactions of ${size} bytes, and the peer has to be shown them: at most ${MAX_PREVIOUS_BYTES} bytes. Send the amount to an address from \`paychan address\` first, then top the channel up with that coin.`,
    { size, most: MAX_PREVIOUS_BYTES }
  )
}

function missing(id: Txid): never {
  throw new Error(`the wallet has a coin of transaction ${id}, which it does not know`)
}
