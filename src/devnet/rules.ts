/**
 * The numbers of the development chain's rules, those that differ between releases of Bitcoin Core,
 * and the wording of refusals.
 */
import { Rejected } from './backend.js'
import {
  blockHeight,
  type BlockHeight,
  LOCKTIME_THRESHOLD,
  MAX_MONEY,
  satoshi,
  type Satoshi
} from '../types/units.js'
import type { Coin, CoinView } from './coins.js'
import type { Tx } from './transaction.js'

/* The numbers of the development chain's rules, each with its source. */

/**
 * `nBits` of every regtest block: the target is 7fffff followed by zeros, met by every second hash.
 */
export const REGTEST_BITS = 0x207fffff

/** Bitcoin Core, chainparams.cpp: `nSubsidyHalvingInterval` of regtest. */
export const HALVING_INTERVAL = 150

/** 50 bitcoin, the subsidy before the first halving. */
export const INITIAL_SUBSIDY = 5_000_000_000n

/**
 * Bitcoin Core, consensus/consensus.h: a coinbase output can be spent by the 100th block after its
 * own.
 */
export const COINBASE_MATURITY = 100

/** BIP141: weight of a block. */
export const MAX_BLOCK_WEIGHT = 4_000_000

/** Weight that the miner keeps free for the header, the count of transactions and the coinbase. */
export const RESERVED_BLOCK_WEIGHT = 4_000

/** BIP113: the median is taken over this many blocks. */
export const MEDIAN_TIME_SPAN = 11

/**
 * BIP68: bit 31 switches the relative lock off, bit 22 makes it count units of 512 s, 16 bits
 * count.
 */
const SEQUENCE_LOCK_DISABLED = 0x80000000
const SEQUENCE_LOCK_TIME = 0x00400000
const SEQUENCE_LOCK_MASK = 0x0000ffff
const SEQUENCE_LOCK_GRANULARITY = 9

/** An input with this sequence is final; when all are, `nLockTime` is ignored. */
const SEQUENCE_FINAL = 0xffffffff

/**
 * Bitcoin Core, policy.h: `MAX_STANDARD_TX_WEIGHT`, `MIN_STANDARD_TX_NONWITNESS_SIZE`,
 * `MAX_STANDARD_SCRIPTSIG_SIZE`.
 */
export const MAX_STANDARD_WEIGHT = 400_000
export const MIN_STANDARD_STRIPPED_SIZE = 65
export const MAX_STANDARD_SCRIPTSIG_SIZE = 1_650

/** Bitcoin Core before 30, policy.h: one OP_RETURN output of at most 83 bytes. */
export const MAX_DATA_CARRIER_SIZE = 83

/** Bitcoin Core, policy.h: limits on the witness of P2WSH. */
export const MAX_STANDARD_P2WSH_ITEMS = 100
export const MAX_STANDARD_P2WSH_ITEM_SIZE = 80
export const MAX_STANDARD_P2WSH_SCRIPT_SIZE = 3_600

/**
 * BIP431: version, virtual size of such a transaction, and of one that has an unconfirmed parent.
 */
export const TRUC_VERSION = 3
export const TRUC_MAX_VSIZE = 10_000
export const TRUC_CHILD_MAX_VSIZE = 1_000

/**
 * Bitcoin Core before 31, policy.h: `DEFAULT_ANCESTOR_LIMIT`, `DEFAULT_DESCENDANT_LIMIT`, both with
 * the transaction itself.
 */
export const ANCESTOR_LIMIT = 25
export const DESCENDANT_LIMIT = 25

/** Bitcoin Core before 31, policy.h: `EXTRA_DESCENDANT_TX_SIZE_LIMIT`. */
export const CARVE_OUT_MAX_VSIZE = 10_000

/** Bitcoin Core 31, policy.h: `DEFAULT_CLUSTER_LIMIT` and `DEFAULT_CLUSTER_SIZE_LIMIT_KVB`. */
export const CLUSTER_LIMIT = 64
export const CLUSTER_VSIZE_LIMIT = 101_000

/**
 * BIP125 rule 5: how many transactions one replacement may evict; from Bitcoin Core 31 on, how many
 * clusters it may conflict with.
 */
export const MAX_REPLACED = 100

/**
 * Bitcoin Core, policy.h: `DEFAULT_MAX_MEMPOOL_SIZE_MB`, 300. Core counts memory; here virtual
 * bytes are counted, which do not depend on data structures.
 */
export const MAX_MEMPOOL_VSIZE = 300_000_000

/**
 * The mempool rules that differ between releases of Bitcoin Core. The devnet follows the chosen
 * release.
 */
export interface MempoolRules {
  /** `-minrelaytxfee`, in sat/kvB. */
  readonly relay: bigint
  /** `-incrementalrelayfee`, in sat/kvB. */
  readonly incremental: bigint
  /**
   * `chains`: 25 ancestors and 25 descendants, with a carve-out, and BIP125. `clusters`: 64
   * connected transactions of 101 kvB in all, and a replacement has to improve the feerate diagram.
   */
  readonly limits: 'chains' | 'clusters'
}

export const RELEASES = {
  28: { relay: 1_000n, incremental: 1_000n, limits: 'chains' },
  30: { relay: 100n, incremental: 100n, limits: 'chains' },
  31: { relay: 100n, incremental: 100n, limits: 'clusters' }
} as const satisfies Readonly<Record<number, MempoolRules>>

/** The first releases of 29 behave as 28, those from 29.1 on as 30. */
export type CoreRelease = keyof typeof RELEASES

/** The release that most nodes of the network still run. */
export const DEFAULT_RELEASE: CoreRelease = 28

/* The rules that a transaction must keep to be in a block; scripts apart. */

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
