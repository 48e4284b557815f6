/**
 * Plans the inputs and outputs of a transaction of the wallet's own coins, before it is signed, those
 * of a version with a higher fee, and a child that pays for a T1.
 */
import { dustLimit } from '../bitcoin/sizes.js'
import { SAFE_RELAY_RATE } from '../bitcoin/relay.js'
import type { Transaction } from '../bitcoin/transaction.js'
import { type OutPoint, outPointText, sameOutPoint, type Txid } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import {
  feeFor,
  feeRate,
  type FeeRate,
  formatAmount,
  formatFeeRate,
  max,
  rateFor,
  satoshi,
  type Satoshi,
  satPerVByte,
  subSat,
  ZERO_SAT
} from '../types/units.js'
import { inputVsize, selectCoins, spendVsize } from '../bitcoin/coin-selection.js'
import {
  type Coin,
  feeOf,
  newestOf,
  type Outgoing,
  type OwnInput,
  type Reservations,
  sumOf
} from './coins.js'
import type { AddressBook } from './addresses.js'
import type { HistoryView } from './history-view.js'

/** `MAX_STANDARD_TX_WEIGHT` of Bitcoin Core's policy/policy.h, 400,000, in virtual bytes. */
const MAX_VSIZE = 100_000

/** Inputs = amount + change + fee; no change output when `change` is 0. */
export interface SendPlan {
  readonly inputs: readonly OwnInput[]
  readonly amount: Satoshi
  readonly change: Satoshi
  readonly fee: Satoshi
}

interface SendRequest {
  readonly coins: readonly Coin[]
  readonly to: Uint8Array
  readonly amount: Satoshi | 'all'
  readonly rate: FeeRate
  readonly changeScript: Uint8Array
  /** True when all of `coins` are spent, since they were named; otherwise as few as will do. */
  readonly exact: boolean
}

/** @throws PaychanError `ERR_INSUFFICIENT_FUNDS`, `ERR_TOO_MANY_COINS`, `ERR_INVALID_AMOUNT` */
export function planSend({ coins, to, amount, rate, changeScript, exact }: SendRequest): SendPlan {
  if (amount === 'all') return planAll(coins, to, rate, exact)
  const least = dustLimit(to)
  if (amount < least) {
    throw new PaychanError(
      'ERR_INVALID_AMOUNT',
      `${formatAmount(amount)} cannot be sent there: an output below ${formatAmount(least)} is dust, which no node relays.`,
      { amount, least }
    )
  }
  const { inputs, fee, change } = selectCoins({
    coins,
    scriptPubKey: to,
    amount,
    feeRate: rate,
    changeScript,
    maxVsize: MAX_VSIZE,
    exact
  })
  return { inputs: inputs.map(ownInput), amount, change, fee }
}

/** Spends every coin that is worth more than its own fee, or every named one. */
function planAll(coins: readonly Coin[], to: Uint8Array, rate: FeeRate, exact: boolean): SendPlan {
  const worth = exact ? coins : coins.filter(({ value }) => value > feeFor(rate, inputVsize()))
  const vsize = spendVsize(worth.length, [to])
  const [total, fee] = [sumOf(worth), feeFor(rate, vsize)]
  if (vsize > MAX_VSIZE) {
    throw new PaychanError(
      'ERR_TOO_MANY_COINS',
      `The wallet has ${worth.length} coins, more than fit into one transaction. Send some of it first, then \`all\` again.`,
      { coins: worth.length }
    )
  }
  if (worth.length === 0 || total < fee + dustLimit(to)) {
    const available = sumOf(coins)
    throw new PaychanError(
      'ERR_INSUFFICIENT_FUNDS',
      exact
        ? `The coins that were named have ${formatAmount(available)}, which leaves nothing after the fee of ${formatAmount(fee)}. Name others as well, or wait for lower fees.`
        : `${formatAmount(available)} of confirmed coins are free, which leaves nothing after the fee of ${formatAmount(fee)}. Wait for coins to confirm, or for lower fees.`,
      { available, fee }
    )
  }
  return { inputs: worth.map(ownInput), amount: subSat(total, fee), change: ZERO_SAT, fee }
}

/**
 * The next version of a transaction, by BIP125: a higher feerate, and a fee that is higher by the
 * cost of the replacement's own relay. First the change pays, then further coins; when everything
 * was sent, the amount pays.
 *
 * A coin that a reorganisation took away is left out. The other inputs must conflict with every
 * earlier version: should the coin come back, only one version can be paid.
 *
 * @param rate - its fee rate; the least that replaces the last version when undefined
 * @param isThere - true when the chain or the mempool has the coin
 * @param incremental - what a replacement pays for its own relay (BIP125, rule 4)
 * @throws PaychanError `ERR_FEERATE_TOO_LOW` (facts, in sat/vB: satPerVByte, least),
 *   `ERR_INSUFFICIENT_FUNDS`, `ERR_CANNOT_BUMP`
 */
export function planBump(
  outgoing: Outgoing,
  rate: FeeRate | undefined,
  coins: readonly Coin[],
  changeScript: Uint8Array,
  isThere: (outPoint: OutPoint) => boolean,
  incremental: FeeRate
): SendPlan {
  const before = newestOf(outgoing)
  const paid = feeOf(outgoing, before)
  const isInput = inputsOf(before)
  const inputs = outgoing.inputs.filter(
    ({ outPoint }) => isInput.has(outPointText(outPoint)) && isThere(outPoint)
  )
  if (
    !outgoing.versions.every((version) =>
      inputs.some(({ outPoint }) => inputsOf(version).has(outPointText(outPoint)))
    )
  ) {
    throw new PaychanError(
      'ERR_CANNOT_BUMP',
      `The fee of ${outgoing.id} cannot be raised: the coins that it spends have vanished from the chain in a reorganisation. It is sent again with every block, in case they come back.`,
      { txid: outgoing.id }
    )
  }
  const atLeast = (vsize: number): Satoshi => satoshi(paid + feeFor(incremental, vsize))
  const vsizeNow = spendVsize(
    inputs.length,
    outgoing.change === undefined ? [outgoing.to] : [outgoing.to, outgoing.change]
  )
  // Rounded up, so that the fee at this rate is never below the least one.
  const least = feeRate((atLeast(vsizeNow) * 1000n + BigInt(vsizeNow) - 1n) / BigInt(vsizeNow))
  if (rate !== undefined && rate < least) {
    throw new PaychanError(
      'ERR_FEERATE_TOO_LOW',
      `A replacement has to pay at least ${formatFeeRate(least)} here, and ${formatFeeRate(rate)} were asked for.`,
      { satPerVByte: satPerVByte(rate), least: satPerVByte(least) }
    )
  }
  const feeAt = (vsize: number): Satoshi => {
    const [asked, needed] = [feeFor(rate ?? least, vsize), atLeast(vsize)]
    return asked > needed ? asked : needed
  }
  if (outgoing.amount === undefined) return bumpAll(outgoing, inputs, feeAt)
  return bumpFixed(outgoing, outgoing.amount, inputs, feeAt, coins, changeScript)
}

function inputsOf({ inputs }: Transaction): Set<string> {
  return new Set(inputs.map(({ outPoint }) => outPointText(outPoint)))
}

function bumpAll(
  { to }: Outgoing,
  inputs: readonly OwnInput[],
  feeAt: (vsize: number) => Satoshi
): SendPlan {
  const fee = feeAt(spendVsize(inputs.length, [to]))
  const total = sumOf(inputs)
  if (total < fee + dustLimit(to)) throw tooPoor(fee, total)
  return { inputs, amount: subSat(total, fee), change: ZERO_SAT, fee }
}

function bumpFixed(
  outgoing: Outgoing,
  amount: Satoshi,
  first: readonly OwnInput[],
  feeAt: (vsize: number) => Satoshi,
  coins: readonly Coin[],
  changeScript: Uint8Array
): SendPlan {
  const { to, change = changeScript } = outgoing
  let inputs = first
  for (let more = 0; ; more++) {
    const left = sumOf(inputs) - amount
    const withChange = feeAt(spendVsize(inputs.length, [to, change]))
    if (left >= withChange + dustLimit(change)) {
      return { inputs, amount, change: satoshi(left - withChange), fee: withChange }
    }
    // What would be a dust output goes to the miner.
    if (left >= feeAt(spendVsize(inputs.length, [to]))) {
      return { inputs, amount, change: ZERO_SAT, fee: satoshi(left) }
    }
    const coin = coins[more]
    if (coin === undefined) {
      throw tooPoor(feeAt(spendVsize(inputs.length, [to])), left < 0n ? ZERO_SAT : satoshi(left))
    }
    inputs = [...inputs, ownInput(coin)]
  }
}

function tooPoor(fee: Satoshi, available: Satoshi): PaychanError {
  return new PaychanError(
    'ERR_INSUFFICIENT_FUNDS',
    `A fee of ${formatAmount(fee)} is needed, and ${formatAmount(available)} are there for it. Wait for other coins to confirm, or take a lower feerate.`,
    { fee, available }
  )
}

function ownInput({ outPoint, value, own }: Coin): OwnInput {
  return { outPoint, value, script: own.scriptPubKey }
}

/*
 * A child that pays for a T1 (BIP431: version 3, one unconfirmed parent, at most 1,000 vB; this one
 * has 110). T1 itself is never replaced: another txid would make the refund T2 void (FUND-5).
 */

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
  const reservation = reservations.ofFunding(id)
  // Older reservations do not name their T1.
  const isOurs =
    reservation !== undefined ||
    funding?.inputs.every(({ outPoint }) => reservations.channelOf(outPoint) !== undefined) === true
  if (funding === undefined || !isOurs) {
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
  if (funding.inputs.some(({ witness }) => witness.length === 0)) {
    throw new PaychanError(
      'ERR_CANNOT_BUMP',
      `The fee of ${id} cannot be raised: the peer has not completed this funding transaction, so no server can take it.`,
      { txid: id }
    )
  }
  return {
    txid: id,
    vsize: funding.vsize,
    fee: reservation?.fee ?? feeBySources(view, funding),
    change: { outPoint: { txid: id, vout }, value: output.value, script: output.script }
  }
}

/** The fee of a T1 of an older reservation. */
function feeBySources(view: HistoryView, funding: Transaction): Satoshi {
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
  return satoshi(spent - funding.paidTo())
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
