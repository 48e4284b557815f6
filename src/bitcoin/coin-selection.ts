/**
 * Selects the coins that pay for a T1 or a send, and computes the change. The choice is that of
 * `selectUTXO` of @scure/btc-signer, which encodes every coin twice to weigh it; all of ours weigh
 * the same.
 */
import { compactSizeLength, dustLimit, P2WPKH_WITNESS_BYTES, segwitVsize } from './sizes.js'
import type { OutPoint } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import {
  formatAmount,
  addSat,
  feeFor,
  max,
  subSat,
  ZERO_SAT,
  type FeeRate,
  type Satoshi
} from '../types/units.js'

/** BIP431: a version 3 transaction has at most 10,000 virtual bytes. */
export const MAX_TRUC_VSIZE = 10_000

/** A coin with the fields that selection needs. */
export interface Selectable {
  readonly outPoint: OutPoint
  readonly value: Satoshi
  readonly own: { readonly scriptPubKey: Uint8Array }
}

export interface SelectionRequest<C extends Selectable> {
  readonly coins: readonly C[]
  readonly scriptPubKey: Uint8Array
  readonly amount: Satoshi
  readonly feeRate: FeeRate
  readonly changeScript: Uint8Array
  /** The largest allowed transaction, in virtual bytes; the limit of version 3 when left out. */
  readonly maxVsize?: number
  /** All of `coins` are inputs, since they were named; otherwise as few as possible. */
  readonly exact?: boolean
}

/** `sum of inputs = amount + change + fee`; no change output when `change` is 0. */
export interface Selection<C extends Selectable> {
  readonly inputs: readonly C[]
  readonly fee: Satoshi
  readonly change: Satoshi
}

/** In thousandths of a satoshi, a fee by a rate in sat/kvB is a whole number. */
const MILLI = 1000n

/**
 * Chooses inputs: few and large ones, without change where a combination fits.
 *
 * @throws PaychanError `ERR_INSUFFICIENT_FUNDS` (facts: asked, available, fee),
 *   `ERR_TOO_MANY_COINS` when the payment needs more inputs than a version 3 transaction may have.
 */
export function selectCoins<C extends Selectable>(request: SelectionRequest<C>): Selection<C> {
  const { coins, amount, feeRate, maxVsize = MAX_TRUC_VSIZE, exact = false } = request
  if (exact) return withChange(request, sufficient(request, maxVsize))
  const biggest = coins.toSorted((a, b) => (a.value === b.value ? 0 : a.value > b.value ? -1 : 1))
  let fewest: readonly C[] | undefined
  for (const isFit of [true, false]) {
    fewest = accumulate(request, biggest, isFit) ?? fewest
    if (fewest !== undefined && vsizeOf(request, fewest.length, true) <= maxVsize) {
      return withChange(request, fewest)
    }
  }
  if (fewest === undefined) {
    const worth = coins.filter(({ value }) => value > feeFor(feeRate, inputVsize()))
    const fee = feeFor(feeRate, vsizeOf(request, max(worth.length, 1), false))
    const available = coins.reduce((sum, { value }) => addSat(sum, value), ZERO_SAT)
    throw insufficientFunds(amount, available, fee)
  }
  throw tooManyCoins(amount, fewest.length, maxVsize)
}

export function insufficientFunds(amount: Satoshi, available: Satoshi, fee: Satoshi): PaychanError {
  return new PaychanError(
    'ERR_INSUFFICIENT_FUNDS',
    `Asked for ${formatAmount(amount)}, which takes ${formatAmount(amount + fee)} with the fee, but ${formatAmount(available)} of confirmed coins are free. Send coins to an address from \`paychan address\`.`,
    { asked: amount, available, fee }
  )
}

export function tooManyCoins(amount: Satoshi, coins: number, maxVsize: number): PaychanError {
  return new PaychanError(
    'ERR_TOO_MANY_COINS',
    `Paying ${formatAmount(amount)} would take ${coins} small coins, more than fit into a transaction of ${maxVsize} vB. Gather coins by sending some of them to an address from \`paychan address\`, or take a smaller amount.`,
    { asked: amount, coins }
  )
}

/** @throws PaychanError `ERR_FEE_TOO_HIGH` (facts: fee, amount) when T1 would cost more */
export function requireFee(fee: Satoshi, most: Satoshi | undefined): void {
  if (most === undefined || fee <= most) return
  throw new PaychanError(
    'ERR_FEE_TOO_HIGH',
    `The fee of the funding transaction would be ${formatAmount(fee)}, more than the ${formatAmount(most)} that it may cost. Wait for lower fees; or, if that is meant, say so: \`--yes\`, or \`highFee: true\` or a higher \`mostFee\` over the API.`,
    { fee, amount: most }
  )
}

/** Returns the coins that were named, if they pay for it all. */
function sufficient<C extends Selectable>(
  request: SelectionRequest<C>,
  maxVsize: number
): readonly C[] {
  const { coins, amount, feeRate } = request
  if (vsizeOf(request, coins.length, true) > maxVsize) {
    throw new PaychanError(
      'ERR_TOO_MANY_COINS',
      `${coins.length} coins are named, more than fit into a transaction of ${maxVsize} vB. Name fewer.`,
      { asked: amount, coins: coins.length }
    )
  }
  const fee = feeFor(feeRate, vsizeOf(request, coins.length, false))
  const available = coins.reduce((sum, { value }) => addSat(sum, value), ZERO_SAT)
  if (available < amount + fee) {
    throw new PaychanError(
      'ERR_INSUFFICIENT_FUNDS',
      `Asked for ${formatAmount(amount)}, which takes ${formatAmount(amount + fee)} with the fee, but the coins that were named have ${formatAmount(available)}. Name others as well, or take a smaller amount.`,
      { asked: amount, available, fee }
    )
  }
  return coins
}

/**
 * The virtual size of a transaction with a number of P2WPKH inputs, signatures at their longest.
 */
export function spendVsize(inputs: number, outputScripts: readonly Uint8Array[]): number {
  return segwitVsize(
    Array.from({ length: inputs }, () => P2WPKH_WITNESS_BYTES),
    outputScripts
  )
}

function vsizeOf(
  { scriptPubKey, changeScript }: Omit<SelectionRequest<Selectable>, 'coins'>,
  inputs: number,
  change: boolean
): number {
  return spendVsize(inputs, change ? [scriptPubKey, changeScript] : [scriptPubKey])
}

/** The size that an input adds: (41 x 4 + 108) / 4 = 68 vB. */
export function inputVsize(): number {
  return 41 + P2WPKH_WITNESS_BYTES / 4
}

function withChange<C extends Selectable>(
  request: SelectionRequest<C>,
  inputs: readonly C[]
): Selection<C> {
  const left = subSat(
    inputs.reduce((sum, { value }) => addSat(sum, value), ZERO_SAT),
    request.amount
  )
  const feeWithChange = feeFor(request.feeRate, vsizeOf(request, inputs.length, true))
  if (left >= feeWithChange + dustLimit(request.changeScript)) {
    return { inputs, fee: feeWithChange, change: subSat(left, feeWithChange) }
  }
  // Change that would be dust, or worth less than its output costs, goes to the miner.
  return { inputs, fee: left, change: ZERO_SAT }
}

/** More inputs than this cost more than the change output that they spare. */
const MOST_COMBINED = 64

/**
 * Takes coins, the biggest first, until they pay for it all without change; undefined when they
 * never do. `isFit`: leaves out each with which there would be something left that is worth a change
 * output.
 */
function accumulate<C extends Selectable>(
  request: SelectionRequest<C>,
  biggest: readonly C[],
  isFit: boolean
): readonly C[] | undefined {
  const { amount, feeRate, changeScript } = request
  const perInput = feeRate * BigInt(inputVsize())
  const withOne = vsizeOf(request, 1, false)
  const most = MILLI * (amount + dustLimit(changeScript))
  const taken: C[] = []
  let sum = 0n
  for (const coin of biggest) {
    const value = MILLI * coin.value
    if (value <= perInput) break
    const inputs = taken.length + 1
    const vsize = withOne + (inputs - 1) * inputVsize() + compactSizeLength(inputs) - 1
    const fee = feeRate * BigInt(vsize)
    if (isFit && sum + value > most + fee) continue
    if (isFit && inputs > MOST_COMBINED) break
    taken.push(coin)
    sum += value
    if (sum >= MILLI * amount + fee) return taken
  }
  return undefined
}
