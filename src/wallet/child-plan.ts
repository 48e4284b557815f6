/**
 * A child that pays for a T1 (BIP431: version 3, one unconfirmed parent, at most 1,000 vB; this one
 * has 110). T1 itself is never replaced: another txid would make the refund T2 void (FUND-5).
 */
import { dustLimit } from '../bitcoin/sizes.js'
import { SAFE_RELAY_RATE } from '../bitcoin/relay.js'
import type { Transaction } from '../bitcoin/transaction.js'
import { outPointText, sameOutPoint, type Txid } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import {
  feeFor,
  feeRate,
  formatAmount,
  formatFeeRate,
  max,
  rateFor,
  satoshi,
  ZERO_SAT,
  type FeeRate,
  type Satoshi
} from '../types/units.js'
import { spendVsize } from '../bitcoin/coin-selection.js'
import { feeOf, newestOf, type Outgoing, type OwnInput } from './outgoing.js'
import type { SendPlan } from './send-plan.js'
import type { AddressBook } from './addresses.js'
import type { HistoryView } from './history-view.js'
import type { Reservations } from './coins.js'

/** A T1 of ours that is in no block. */
interface UnconfirmedFunding {
  readonly txid: Txid
  readonly vsize: number
  readonly fee: Satoshi
  readonly change: OwnInput
}

export interface ChildPlan extends SendPlan {
  /** The fee rate of parent and child together. */
  readonly packageRate: FeeRate
}

/**
 * @param kept - T1 as its channel keeps it; undefined: as it is shown
 * @throws PaychanError `ERR_CANNOT_BUMP` when it is not a T1 of ours, `ERR_NO_CHANGE`
 */
export function unconfirmedFunding(
  view: HistoryView,
  reservations: Reservations,
  addresses: AddressBook,
  id: Txid,
  kept: Transaction | undefined
): UnconfirmedFunding {
  const funding = kept ?? view.transaction(id)?.transaction
  if (
    funding === undefined ||
    funding.inputs.some(({ outPoint }) => reservations.channelOf(outPoint) === undefined)
  ) {
    throw new PaychanError(
      'ERR_CANNOT_BUMP',
      `The fee of ${id} cannot be raised: it is not a send or a funding transaction of this wallet that waits for a block. See \`paychan transactions\`.`,
      { txid: id }
    )
  }
  const vout = funding.outputs.findIndex(({ script }) => addresses.find(script) !== undefined)
  const output = funding.outputs[vout]
  if (output === undefined) {
    throw new PaychanError(
      'ERR_NO_CHANGE',
      `The funding transaction ${id} has no change, so nothing can pay for it. It is never replaced, since that would make the refund void; it is sent again with every block.`,
      { txid: id }
    )
  }
  const spent = funding.inputs.reduce((sum, { outPoint }) => {
    const source = view.transaction(outPoint.txid)?.transaction.outputs[outPoint.vout]
    if (source === undefined) {
      throw new PaychanError(
        'ERR_CHAIN_UNAVAILABLE',
        `The server has not told yet what ${outPointText(outPoint)} was worth. Try again when it is back.`
      )
    }
    return sum + source.value
  }, 0n)
  return {
    txid: id,
    vsize: funding.vsize,
    fee: satoshi(spent - funding.paidTo()),
    change: { outPoint: { txid: id, vout }, value: output.value, script: output.script }
  }
}

/** The fee and size of T1 and its present child together. */
function paidNow({ fee, vsize }: UnconfirmedFunding, before: Outgoing | undefined): Paid {
  const childFee = before === undefined ? ZERO_SAT : feeOf(before, newestOf(before))
  const size = before === undefined ? vsize : vsize + newestOf(before).vsize
  return { childFee, rate: feeRate(((fee + childFee) * 1000n) / BigInt(size)) }
}

interface Paid {
  readonly childFee: Satoshi
  readonly rate: FeeRate
}

/**
 * EVID-7: the fee rate of both together after servers refused them for their fee: a quarter more,
 * at least what every node relays, and what another child has to pay.
 */
export function raisedRate(
  funding: UnconfirmedFunding,
  before: Outgoing | undefined,
  to: Uint8Array,
  incremental: FeeRate
): FeeRate {
  const vsize = spendVsize(1, [to])
  const { childFee, rate } = paidNow(funding, before)
  const least = funding.fee + childFee + feeFor(incremental, vsize)
  return max(
    max(feeRate((rate * 5n + 3n) / 4n), SAFE_RELAY_RATE),
    rateFor(least, funding.vsize + vsize)
  )
}

/**
 * Plans the child with which both pay `rate`.
 *
 * @param before - the child that there is already, which this one replaces
 * @param most - the largest fee of the child; undefined: what the change has
 * @param incremental - what it pays for its own relay
 * @throws PaychanError `ERR_FEERATE_TOO_LOW`, `ERR_INSUFFICIENT_FUNDS`
 */
export function planChild(
  funding: UnconfirmedFunding,
  before: Outgoing | undefined,
  to: Uint8Array,
  rate: FeeRate,
  most: bigint | undefined,
  incremental: FeeRate
): ChildPlan {
  if (
    before !== undefined &&
    !before.inputs.some(({ outPoint }) => sameOutPoint(outPoint, funding.change.outPoint))
  ) {
    throw new Error('this is the child of another transaction')
  }
  const vsize = spendVsize(1, [to])
  const size = funding.vsize + vsize
  const { childFee: paidBefore, rate: pays } = paidNow(funding, before)
  // The first child pays for its own relay at least; another one, by BIP125, for its own beyond
  // that.
  const least = satoshi(paidBefore + feeFor(incremental, vsize))
  const wanted = feeFor(rate, size) - funding.fee
  if (rate <= pays || wanted < least) {
    throw new PaychanError(
      'ERR_FEERATE_TOO_LOW',
      `The funding transaction ${funding.txid} pays ${formatFeeRate(pays)} already, and ${formatFeeRate(rate)} were asked for: ask for more.`,
      { asked: rate, paid: pays }
    )
  }
  const there = funding.change.value - dustLimit(to)
  const fee = most !== undefined ? smallest(wanted, most, there) : wanted
  if (fee < least || fee > there) {
    throw new PaychanError(
      'ERR_INSUFFICIENT_FUNDS',
      `The child would cost ${formatAmount(wanted)}, and the change of the funding transaction is ${formatAmount(funding.change.value)}, of which ${formatAmount(dustLimit(to))} have to be left. Take a lower feerate.`,
      { asked: wanted, available: funding.change.value }
    )
  }
  return {
    inputs: [funding.change],
    amount: satoshi(funding.change.value - fee),
    change: ZERO_SAT,
    fee: satoshi(fee),
    packageRate: feeRate(((funding.fee + fee) * 1000n) / BigInt(size))
  }
}

function smallest(...values: bigint[]): bigint {
  return values.reduce((a, b) => (a < b ? a : b))
}
