/**
 * Transactions that the wallet makes of its own coins: sends, and children that pay for a T1.
 * Each may have several versions, one for each fee; any of them may be the one that confirms.
 *
 * A coin in one of them is locked until a spend of it is buried, whatever mempools say meanwhile:
 * a version that was forgotten can come back, and a second payment beside it must not.
 *
 *     wallet/outgoing/<txid of the first version>
 */
import { z } from 'zod'
import type { Transaction } from '../bitcoin/transaction.js'
import { outPointText, txid, type ChannelId, type OutPoint, type Txid } from '../types/bytes.js'
import { satoshi, type Satoshi } from '../types/units.js'
import { parseRecord, recordChange } from '../types/records.js'
import { amount, bytes, named, outPoint, transaction } from './records.js'
import type { Change } from '../engine/ports.js'

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
