/**
 * Plans the inputs and outputs of a transaction of the wallet's own coins, before it is signed; and
 * those of a version with a higher fee.
 */
import { dustLimit } from '../bitcoin/sizes.js'
import type { Transaction } from '../bitcoin/transaction.js'
import { outPointText, type OutPoint } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import {
  feeFor,
  feeRate,
  formatAmount,
  formatFeeRate,
  satoshi,
  satPerVByte,
  subSat,
  ZERO_SAT,
  type FeeRate,
  type Satoshi
} from '../types/units.js'
import { inputVsize, selectCoins, spendVsize } from '../bitcoin/coin-selection.js'
import { sumOf, type Coin } from './coins.js'
import { feeOf, newestOf, type Outgoing, type OwnInput } from './outgoing.js'

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
