/** The wallet's coins, and those set aside: locked by their owner, or kept for a T1. */
import { z } from 'zod'
import { NO_TXID } from '../bitcoin/transaction.js'
import type { ChainTransaction, Change } from '../engine/ports.js'
import {
  type ChannelId,
  type OutPoint,
  outPointFromText,
  outPointText,
  type Txid
} from '../types/bytes.js'
import { type BlockHeight, type Satoshi, sumShown } from '../types/units.js'
import type { AddressBook, OwnScript } from './addresses.js'
import type { HistoryView } from './history-view.js'
import type { OutgoingTransactions } from './outgoing.js'
import { parseRecord, recordChange } from '../types/records.js'
import { named, type Reservation } from './records.js'

/** A coin of the wallet: an output to a script of ours that nothing known to us spends. */
export interface Coin {
  readonly outPoint: OutPoint
  readonly value: Satoshi
  readonly own: OwnScript
  /** The height of its block; undefined in the mempool. */
  readonly height: BlockHeight | undefined
  /** True for a possible input of the next block: confirmed, and mature if it is a reward. */
  readonly confirmed: boolean
  /** The channel whose T1 will spend it. */
  readonly reservedFor: ChannelId | undefined
  /** Our transaction that spends the coin, and is not yet in the mempool that we see. */
  readonly spentBy: Txid | undefined
  /** True when the owner has locked the coin: it is never chosen, only spent when it is named. */
  readonly locked: boolean
}

/** The coins that are set aside. */
interface Locks {
  readonly reservations: Reservations
  readonly outgoing: OutgoingTransactions
  readonly locks: CoinLocks
}

/** `COINBASE_MATURITY` of Bitcoin Core's consensus/consensus.h. */
const COINBASE_MATURITY = 100

/** All coins, the largest first; of the same value, in the order of their outpoints. */
export function coinsOf(
  view: HistoryView,
  addresses: AddressBook,
  tip: BlockHeight | undefined,
  locks: Locks
): Coin[] {
  const coins: Coin[] = []
  for (const known of view.transactions()) {
    if (view.isReplaced(known)) continue
    const { txid, outputs } = known.transaction
    for (const vout of outputs.keys()) {
      const coin = coinAt(known, vout, addresses, tip, locks)
      if (coin !== undefined && view.spender({ txid, vout }) === undefined) coins.push(coin)
    }
  }
  return coins.sort((a, b) =>
    a.value === b.value ? compareText(a, b) : a.value > b.value ? -1 : 1
  )
}

/** An output of a transaction as a coin, whatever spends it; undefined when it is not ours. */
export function coinAt(
  known: ChainTransaction,
  vout: number,
  addresses: AddressBook,
  tip: BlockHeight | undefined,
  { reservations, outgoing, locks }: Locks
): Coin | undefined {
  const { transaction, height } = known
  const output = transaction.outputs[vout]
  const own = output === undefined ? undefined : addresses.find(output.script)
  if (output === undefined || own === undefined) return undefined
  const outPoint = { txid: transaction.txid, vout }
  return {
    outPoint,
    value: output.value,
    own,
    height,
    confirmed: isSpendable(known, tip),
    reservedFor: reservations.channelOf(outPoint),
    spentBy: outgoing.spending(outPoint)?.id,
    locked: locks.has(outPoint)
  }
}

/** True when a T1 or a send of ours spends the coin, whether or not the chain shows that yet. */
export function isReserved({
  reservedFor,
  spentBy
}: Pick<Coin, 'reservedFor' | 'spentBy'>): boolean {
  return reservedFor !== undefined || spentBy !== undefined
}

/** True for a coin that may be chosen: confirmed, set aside for nothing, and not locked. */
export function isFree(coin: Coin): boolean {
  return coin.confirmed && !isReserved(coin) && !coin.locked
}

/** The sum of values. A server may make up coins that are in no block. */
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

/*
 * Coins that their owner has locked: nothing chooses them, they are spent only when they are named.
 *
 *     wallet/locked/<txid>:<vout>
 *
 * A lock says nothing about the chain: a reorganisation that takes the coin away leaves the lock,
 * and it counts again when the coin comes back. Once a spend of the coin is buried the lock goes.
 */

export const LOCKED = 'wallet/locked/'

const lockRecord = z.object({})

export function lockChange(outPoint: OutPoint): Change {
  return recordChange(LOCKED + outPointText(outPoint), {})
}

export function lockRemoval(outPoint: OutPoint): Change {
  return { key: LOCKED + outPointText(outPoint), value: undefined }
}

/** The coin that a record locks. @throws PaychanError `ERR_STORE_VERSION`, `ERR_STORE_CORRUPT` */
export function readLock(key: string, value: Uint8Array): OutPoint {
  parseRecord(key, value, lockRecord)
  return named(key, () => outPointFromText(key.slice(LOCKED.length)))
}

export class CoinLocks {
  readonly #locked = new Map<string, OutPoint>()

  add(outPoint: OutPoint): void {
    this.#locked.set(outPointText(outPoint), outPoint)
  }

  remove(outPoint: OutPoint): void {
    this.#locked.delete(outPointText(outPoint))
  }

  has(outPoint: OutPoint): boolean {
    return this.#locked.has(outPointText(outPoint))
  }

  all(): OutPoint[] {
    return [...this.#locked.values()]
  }
}

/**
 * Coins set aside for channels whose T1 is built. A coin stays set aside until its T1 is given up,
 * or until a spend of it is buried: before that a reorg could bring it back, and a second T1
 * with the same coin would conflict with the first, which may come back as well.
 */
export class Reservations {
  readonly #byChannel = new Map<ChannelId, Reservation>()
  readonly #byOutPoint = new Map<string, ChannelId>()

  /** Takes over a reservation from the disk. */
  add(reservation: Reservation): void {
    this.#byChannel.set(reservation.channel, reservation)
    for (const input of reservation.inputs) {
      this.#byOutPoint.set(outPointText(input), reservation.channel)
    }
  }

  remove(channel: ChannelId): void {
    for (const input of this.#byChannel.get(channel)?.inputs ?? []) {
      this.#byOutPoint.delete(outPointText(input))
    }
    this.#byChannel.delete(channel)
  }

  channelOf(outPoint: OutPoint): ChannelId | undefined {
    return this.#byOutPoint.get(outPointText(outPoint))
  }

  /** The channel whose T1 spends an output of a transaction. */
  fundedBy(id: Txid): ChannelId | undefined {
    return [...this.#byChannel.values()].find(({ inputs }) =>
      inputs.some(({ txid }) => txid === id)
    )?.channel
  }

  /** The reservation for a T1. */
  ofFunding(id: Txid): Reservation | undefined {
    return this.all().find(({ funding }) => funding === id)
  }

  has(channel: ChannelId): boolean {
    return this.#byChannel.has(channel)
  }

  get(channel: ChannelId): Reservation | undefined {
    return this.#byChannel.get(channel)
  }

  all(): Reservation[] {
    return [...this.#byChannel.values()]
  }

  channels(): ChannelId[] {
    return [...this.#byChannel.keys()]
  }

  /**
   * The channels one of whose coins is spent for good. If T1 spent it, all their coins are spent;
   * if something else did, T1 can never be in a block any more, and the other coins are free, once
   * the channel has heard of it. A reservation of an earlier version does not name its T1.
   */
  settled(
    spentForGoodBy: (outPoint: OutPoint) => Txid | undefined,
    hasHeard: (channel: ChannelId) => boolean
  ): ChannelId[] {
    return [...this.#byChannel.values()]
      .filter(({ channel, inputs, funding }) =>
        inputs.some((input) => {
          const by = spentForGoodBy(input)
          return by !== undefined && (funding === undefined || by === funding || hasHeard(channel))
        })
      )
      .map(({ channel }) => channel)
  }
}
