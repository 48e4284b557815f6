/** The wallet's coins, those set aside (locked by their owner, kept for a T1), and their spends. */
import { z } from 'zod'
import { NO_TXID, type Transaction } from '../bitcoin/transaction.js'
import type { ChainTransaction, Change } from '../engine/ports.js'
import {
  type ChannelId,
  type OutPoint,
  outPointFromText,
  outPointText,
  toHex,
  type Txid,
  txid
} from '../types/bytes.js'
import { parseRecord, recordChange } from '../types/records.js'
import { type BlockHeight, type Satoshi, satoshi, sumShown } from '../types/units.js'
import type { AddressBook, OwnScript, Watches } from './addresses.js'
import type { Claims } from './claims.js'
import type { HistoryView } from './history-view.js'
import { amount, bytes, named, outPoint, type Reservation, transaction } from './records.js'

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

/*
 * Transactions that the wallet makes of its own coins: sends, and children that pay for a T1.
 * Each may have several versions, one for each fee; any of them may be the one that confirms.
 *
 * A coin in one of them is locked until a spend of it is buried, whatever mempools say meanwhile:
 * a version that was forgotten can come back, and a second payment beside it must not.
 *
 *     wallet/outgoing/<txid of the first version>
 */

/** A coin of ours, with everything needed to sign for it even when the chain no longer shows it. */
export interface OwnInput {
  readonly outPoint: OutPoint
  readonly value: Satoshi
  readonly script: Uint8Array
}

export interface Outgoing {
  /** The txid of the first version. */
  readonly id: Txid
  /**
   * `child`: spends the change of an unconfirmed T1, and is version 3 as its parent is (BIP431).
   */
  readonly kind: 'send' | 'child'
  /** The inputs of all versions. */
  readonly inputs: readonly OwnInput[]
  /** The scriptPubKey that it pays to. */
  readonly to: Uint8Array
  /** The amount; undefined: all that the fee leaves of the inputs. */
  readonly amount: Satoshi | undefined
  /** The scriptPubKey of the change, once a version had some. */
  readonly change: Uint8Array | undefined
  /** True when its coins were named: a version with a higher fee takes no others. */
  readonly exact: boolean
  /** The signed versions, from the lowest fee to the highest. Never empty. */
  readonly versions: readonly Transaction[]
}

export const OUTGOING = 'wallet/outgoing/'

const record = z.object({
  kind: z.enum(['send', 'child']),
  inputs: z.array(z.object({ outPoint, value: amount, script: bytes })).min(1),
  to: bytes,
  amount: amount.optional(),
  change: bytes.optional(),
  exact: z.boolean(),
  versions: z.array(transaction).min(1)
})

export function outgoingChange(outgoing: Outgoing): Change {
  const { id, kind, inputs, to, amount, change, exact, versions } = outgoing
  return recordChange(OUTGOING + id, {
    kind,
    inputs: inputs.map((input) => ({ ...input, outPoint: outPointText(input.outPoint) })),
    to,
    amount,
    change,
    exact,
    versions: versions.map(({ raw }) => raw)
  })
}

export function outgoingRemoval(id: Txid): Change {
  return { key: OUTGOING + id, value: undefined }
}

/** @throws PaychanError `ERR_STORE_VERSION`, `ERR_STORE_CORRUPT` */
export function readOutgoing(key: string, value: Uint8Array): Outgoing {
  const { amount, change, ...rest } = parseRecord(key, value, record)
  return { id: named(key, () => txid(key.slice(OUTGOING.length))), ...rest, amount, change }
}

/** The version with the highest fee. */
export function newestOf({ versions }: Outgoing): Transaction {
  const newest = versions.at(-1)
  if (newest === undefined) throw new Error('a transaction without a version')
  return newest
}

/**
 * The version that goes out again: the newest, unless a T1 spends an output of another one. A
 * reorganisation can take that version out of its block, and a version with a higher fee would make
 * the T1 void (FUND-5).
 */
export function versionToSend(
  outgoing: Outgoing,
  reservations: { readonly fundedBy: (id: Txid) => ChannelId | undefined }
): Transaction {
  return (
    outgoing.versions.find(({ txid }) => reservations.fundedBy(txid) !== undefined) ??
    newestOf(outgoing)
  )
}

/** The fee of a version. */
export function feeOf({ inputs }: Outgoing, version: Transaction): Satoshi {
  const spent = new Set(version.inputs.map(({ outPoint }) => outPointText(outPoint)))
  const total = inputs.reduce(
    (sum, { outPoint, value }) => (spent.has(outPointText(outPoint)) ? sum + value : sum),
    0n
  )
  return satoshi(total - version.paidTo())
}

export class OutgoingTransactions {
  readonly #byId = new Map<Txid, Outgoing>()
  readonly #byVersion = new Map<Txid, Outgoing>()
  readonly #byInput = new Map<string, Outgoing>()

  /** Stores a new transaction, or a new version of a known one. */
  set(outgoing: Outgoing): void {
    this.#byId.set(outgoing.id, outgoing)
    for (const { txid } of outgoing.versions) this.#byVersion.set(txid, outgoing)
    for (const { outPoint } of outgoing.inputs) this.#byInput.set(outPointText(outPoint), outgoing)
  }

  remove(id: Txid): void {
    const outgoing = this.#byId.get(id)
    if (outgoing === undefined) return
    this.#byId.delete(id)
    for (const { txid } of outgoing.versions) this.#byVersion.delete(txid)
    for (const { outPoint } of outgoing.inputs) this.#byInput.delete(outPointText(outPoint))
  }

  all(): Outgoing[] {
    return [...this.#byId.values()]
  }

  /** The outgoing transaction of which this is a version. */
  find(id: Txid): Outgoing | undefined {
    return this.#byVersion.get(id)
  }

  /** The outgoing transaction that spends a coin. */
  spending(outPoint: OutPoint): Outgoing | undefined {
    return this.#byInput.get(outPointText(outPoint))
  }
}

/**
 * OPEN-13: a change script that was drawn is free again when no block has paid it, and nothing that
 * this node keeps can pay it any more. What waits in no block is kept, so what servers show of that,
 * which costs them nothing, decides nothing here.
 */
export function freeChange({
  reservations,
  outgoing,
  claims,
  watches,
  view
}: {
  readonly reservations: Reservations
  readonly outgoing: OutgoingTransactions
  readonly claims: Claims
  readonly watches: Pick<Watches, 'heard'>
  readonly view: HistoryView
}): (own: OwnScript) => boolean {
  const indexes = new Set(reservations.all().map(({ change }) => change))
  const sweeps = claims.all().flatMap(({ record }) => record.sweep?.outputs ?? [])
  const scripts = new Set(
    [
      ...outgoing.all().flatMap(({ to, change }) => (change === undefined ? [to] : [to, change])),
      ...sweeps.map(({ script }) => script)
    ].map(toHex)
  )
  return ({ index, scriptPubKey }) =>
    !indexes.has(index) &&
    !scripts.has(toHex(scriptPubKey)) &&
    watches.heard(scriptPubKey) &&
    !view.isPaid(scriptPubKey)
}
