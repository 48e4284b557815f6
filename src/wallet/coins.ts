/** The wallet's coins: outputs to scripts of ours that nothing known to us spends. */
import { outPointText, type ChannelId, type OutPoint, type Txid } from '../types/bytes.js'
import { sumShown, type BlockHeight, type Satoshi } from '../types/units.js'
import type { CoinLocks } from './coin-locks.js'
import type { OutgoingTransactions } from './outgoing.js'
import type { Reservations } from './reservations.js'
import type { AddressBook, OwnScript } from './addresses.js'
import type { ChainTransaction } from '../engine/ports.js'
import type { HistoryView } from './history-view.js'

export interface Coin {
  readonly outPoint: OutPoint
  readonly value: Satoshi
  readonly own: OwnScript
  /** The height of its block; undefined in the mempool. */
  readonly height: BlockHeight | undefined
  /**
   * Confirmed, and, if it is the reward of a block, mature: it can be an input of the next block.
   */
  readonly confirmed: boolean
  /** The channel whose T1 will spend it. */
  readonly reservedFor: ChannelId | undefined
  /** The transaction of ours, not yet in the mempool that we see, that spends it. */
  readonly spentBy: Txid | undefined
  /** Its owner has locked it: it is never chosen, only spent when it is named. */
  readonly locked: boolean
}

/** Which coins are spoken for. */
export interface Locks {
  readonly reservations: Reservations
  readonly outgoing: OutgoingTransactions
  readonly locks: CoinLocks
}

/** `COINBASE_MATURITY` of Bitcoin Core's consensus/consensus.h. */
const COINBASE_MATURITY = 100

const NO_TXID = '0'.repeat(64)

/** All coins, the largest first; of the same value, in the order of their outpoints. */
export function coinsOf(
  view: HistoryView,
  addresses: AddressBook,
  tip: BlockHeight | undefined,
  { reservations, outgoing, locks }: Locks
): Coin[] {
  const coins: Coin[] = []
  for (const known of view.transactions()) {
    if (view.isReplaced(known)) continue
    const { transaction, height } = known
    const confirmed = isSpendable(known, tip)
    transaction.outputs.forEach(({ script, value }, vout) => {
      const own = addresses.find(script)
      const outPoint = { txid: transaction.txid, vout }
      if (own === undefined || view.spender(outPoint) !== undefined) return
      coins.push({
        outPoint,
        value,
        own,
        height,
        confirmed,
        reservedFor: reservations.channelOf(outPoint),
        spentBy: outgoing.spending(outPoint)?.id,
        locked: locks.has(outPoint)
      })
    })
  }
  return coins.sort((a, b) =>
    a.value === b.value ? compareText(a, b) : a.value > b.value ? -1 : 1
  )
}

/** A T1 or a send of ours spends it, whether the chain shows that yet or not. */
export function isReserved({
  reservedFor,
  spentBy
}: Pick<Coin, 'reservedFor' | 'spentBy'>): boolean {
  return reservedFor !== undefined || spentBy !== undefined
}

/** Confirmed, spoken for by nobody, and not locked: what may be chosen. */
export function isFree(coin: Coin): boolean {
  return coin.confirmed && !isReserved(coin) && !coin.locked
}

/** The sum of values. What is in no block a server may make up. */
export function sumOf(coins: ReadonlyArray<{ readonly value: Satoshi }>): Satoshi {
  return sumShown(coins.map(({ value }) => value))
}

function isSpendable(
  { height, transaction: { inputs } }: ChainTransaction,
  tip: BlockHeight | undefined
): boolean {
  if (height === undefined) return false
  const isCoinbase = inputs.length === 1 && inputs[0]?.outPoint.txid === NO_TXID
  if (!isCoinbase) return true
  // Spendable in the block after the tip once that is 100 blocks above its own.
  return tip !== undefined && tip + 1 - height >= COINBASE_MATURITY
}

function compareText(a: Coin, b: Coin): number {
  return outPointText(a.outPoint) < outPointText(b.outPoint) ? -1 : 1
}
