/** How a channel has ended on the chain, and who has what of it. */
import { turnOfLock, payeeOf, payerOf } from '../../channel/schedule.js'
import { payoutWitnessScript, p2wsh } from '../../bitcoin/scripts.js'
import { partyOf } from '../../channel/terms.js'
import type { Established } from '../../channel/state.js'
import type { Role } from '../../bitcoin/keys.js'
import { toHex } from '../../types/bytes.js'
import type { SimTransaction } from '../../testing/transactions.js'
import type { ChannelResult } from '../results.js'

export interface Ending {
  readonly end: Exclude<ChannelResult['end'], 'open' | 'abandoned' | 'unfunded'>
  /** Of a settlement or refund. */
  readonly turn: number | undefined
  /**
   * What it gives the server before fees, in satoshis; undefined when that is for the next channel
   * to say.
   */
  readonly server: number | undefined
  readonly payer: Role
  /** What the payer of the fee has paid of it; the rest was dust of the other side's. */
  readonly fee: number
}

/** @param states - of both sides, as far as there are any */
export function endingOf(
  spend: SimTransaction,
  states: readonly Established[]
): Ending | undefined {
  const [state] = states
  if (state === undefined) return undefined
  const close = states.flatMap(({ closes }) => closes).find(({ txid }) => txid === spend.txid)
  if (close?.renewedAs !== undefined) {
    return { end: 'renewal', turn: undefined, server: undefined, payer: 'client', fee: spend.fee }
  }
  if (close !== undefined) return closeOf(spend, state, close.asker)
  const { terms, outPoint } = state
  const turn = turnOfLock(terms, spend.lockTime)
  if (turn === undefined) return undefined
  const index = spend.inputs.findIndex(
    (input) => input.outPoint === `${outPoint.txid}:${outPoint.vout}`
  )
  const payer = payerOf(turn)
  const script = toHex(p2wsh(payoutWitnessScript(partyOf(terms, payer).payoutKey)))
  const output = spend.outputs[index]
  const payersOwn = output?.script === script ? output.value : 0
  const server = payer === 'server' ? payersOwn : Number(terms.capacity) - payersOwn
  return {
    end: turn === -1 ? 'refund' : 'settlement',
    turn,
    server,
    payer: payeeOf(turn),
    fee: spend.fee
  }
}

function closeOf(spend: SimTransaction, { terms }: Established, asker: Role): Ending {
  const other = asker === 'client' ? 'server' : 'client'
  const script = toHex(partyOf(terms, other).closeScript)
  const others = spend.outputs.find((output) => output.script === script)?.value ?? 0
  const server = other === 'server' ? others : Number(terms.capacity) - others
  return { end: 'close', turn: undefined, server, payer: asker, fee: spend.fee }
}
