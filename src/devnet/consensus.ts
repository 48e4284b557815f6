/** The rules that a transaction must keep to be in a block; scripts apart. */
import {
  blockHeight,
  MAX_MONEY,
  LOCKTIME_THRESHOLD,
  satoshi,
  type BlockHeight,
  type Satoshi
} from '../types/units.js'
import type { Coin, CoinView } from './coins.js'
import {
  COINBASE_MATURITY,
  MAX_BLOCK_WEIGHT,
  Rejected,
  SEQUENCE_FINAL,
  SEQUENCE_LOCK_DISABLED,
  SEQUENCE_LOCK_GRANULARITY,
  SEQUENCE_LOCK_MASK,
  SEQUENCE_LOCK_TIME
} from './rules.js'
import type { Tx } from './transaction.js'

/** The block that a transaction is judged for. */
export interface BlockContext {
  readonly height: BlockHeight
  /** The median time past of the block before it, which BIP113 compares locks with. */
  readonly medianTimePast: number
  /** The median time past of the block at a height. */
  readonly medianTimePastAt: (height: BlockHeight) => number
}

/**
 * The rules that need no other transaction (`CheckTransaction` of Bitcoin Core). @throws Rejected
 */
export function checkTransaction(tx: Tx): void {
  if (tx.inputs.length === 0) throw new Rejected('bad-txns-vin-empty')
  if (tx.outputs.length === 0) throw new Rejected('bad-txns-vout-empty')
  if (tx.strippedSize * 4 > MAX_BLOCK_WEIGHT) throw new Rejected('bad-txns-oversize')
  let total = 0n
  for (const { value } of tx.outputs) {
    if (value < 0n) throw new Rejected('bad-txns-vout-negative')
    if (value > MAX_MONEY) throw new Rejected('bad-txns-vout-toolarge')
    total += value
    if (total > MAX_MONEY) throw new Rejected('bad-txns-txouttotal-toolarge')
  }
  if (new Set(tx.inputs.map((input) => input.spends)).size !== tx.inputs.length) {
    throw new Rejected('bad-txns-inputs-duplicate')
  }
  if (tx.coinbase) {
    const length = tx.inputs[0]?.scriptSig.length ?? 0
    if (length < 2 || length > 100) throw new Rejected('bad-cb-length')
  } else if (
    tx.inputs.some(({ outPoint }) => outPoint.vout === 0xffffffff && /^0*$/.test(outPoint.txid))
  ) {
    throw new Rejected('bad-txns-prevout-null')
  }
}

/**
 * True when `nLockTime` allows the transaction in this block (BIP113: a time is compared with the
 * median time past).
 */
export function isFinal(tx: Tx, { height, medianTimePast }: BlockContext): boolean {
  const limit = tx.locktime < LOCKTIME_THRESHOLD ? height : medianTimePast
  return tx.locktime < limit || tx.inputs.every((input) => input.sequence === SEQUENCE_FINAL)
}

/** True when the relative locks of the inputs (BIP68) allow the transaction in this block. */
export function areSequenceLocksMet(
  tx: Tx,
  spent: readonly Coin[],
  context: BlockContext
): boolean {
  if (tx.version < 2) return true
  return tx.inputs.every(({ sequence }, i) => {
    const coin = spent[i]
    // Bit operators are signed: the disable flag is bit 31.
    if (coin === undefined || (sequence & SEQUENCE_LOCK_DISABLED) !== 0) return true
    const count = sequence & SEQUENCE_LOCK_MASK
    if ((sequence & SEQUENCE_LOCK_TIME) === 0) return coin.height + count <= context.height
    const since = context.medianTimePastAt(blockHeight(Math.max(coin.height - 1, 0)))
    return since + count * 2 ** SEQUENCE_LOCK_GRANULARITY <= context.medianTimePast
  })
}

/**
 * The coins that a transaction spends, in the order of its inputs.
 *
 * @throws Rejected when one is missing.
 */
export function coinsOf(tx: Tx, view: CoinView): Coin[] {
  return tx.inputs.map(({ spends }) => {
    const coin = view.coin(spends)
    if (coin === undefined) throw new Rejected('bad-txns-inputs-missingorspent')
    return coin
  })
}

/**
 * Maturity and values of the coins spent (`Consensus::CheckTxInputs`). Returns the fee.
 *
 * @throws Rejected
 */
export function checkValues(tx: Tx, spent: readonly Coin[], height: BlockHeight): Satoshi {
  let paidIn = 0n
  for (const coin of spent) {
    const depth = height - coin.height
    if (coin.coinbase && depth < COINBASE_MATURITY) {
      throw new Rejected(
        'bad-txns-premature-spend-of-coinbase',
        `tried to spend coinbase at depth ${depth}`
      )
    }
    paidIn += coin.value
  }
  if (paidIn > MAX_MONEY) throw new Rejected('bad-txns-inputvalues-outofrange')
  const paidOut = tx.outputs.reduce((sum, output) => sum + output.value, 0n)
  if (paidIn < paidOut) {
    throw new Rejected(
      'bad-txns-in-belowout',
      `value in (${btc(paidIn)}) < value out (${btc(paidOut)})`
    )
  }
  return satoshi(paidIn - paidOut)
}

/**
 * An amount as Bitcoin Core writes it (`FormatMoney`): in bitcoin, without the zeros at the end but
 * for two digits.
 */
export function btc(sat: bigint): string {
  return `${sat / 100_000_000n}.${(sat % 100_000_000n)
    .toString()
    .padStart(8, '0')
    .replace(/0{1,6}$/, '')}`
}
