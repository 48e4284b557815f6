/**
 * A chain in memory, for tests and simulations: blocks, a mempool, no proof of work and no
 * judgement of scripts or signatures. It does judge what channels depend on: missing and spent
 * inputs, absolute and relative locks, replacement by a higher fee, the relay fee.
 */
import { sha256, sha256OfText } from '../bitcoin/hashes.js'
import { makeTransaction, type Transaction } from '../bitcoin/transaction.js'
import type { ChainTransaction } from '../engine/ports.js'
import {
  outPointText,
  sameBytes,
  toHex,
  txidFromHash,
  type OutPoint,
  type Txid
} from '../types/bytes.js'
import { blockHeight, LOCKTIME_THRESHOLD, type Satoshi } from '../types/units.js'
import { broadcastRefused } from './broadcast-errors.js'

/** A block: which transactions, and a hash that no other block has. */
interface Block {
  readonly hash: string
  readonly transactions: readonly Transaction[]
}

/**
 * Who wants to know: called after every change; `tip` says whether the best block is another one.
 */
export type WorldListener = (change: { readonly tip: boolean }) => void

/**
 * What BIP68 reads from nSequence: the disable flag, the type flag (set: time), the number of
 * blocks.
 */
const SEQUENCE_DISABLE = 0x80000000
const SEQUENCE_TYPE = 0x400000
const SEQUENCE_VALUE = 0xffff

export class MemoryWorld {
  readonly #blocks: Block[] = [{ hash: toHex(sha256(new Uint8Array([0]))), transactions: [] }]
  readonly #mempool = new Map<Txid, Transaction>()
  readonly #listeners = new Set<WorldListener>()
  #minted = 0

  /** The height of the newest block. A new world has block 0. */
  get height(): number {
    return this.#blocks.length - 1
  }

  get tipHash(): string {
    return this.#blocks.at(-1)?.hash ?? ''
  }

  get mempool(): readonly Txid[] {
    return [...this.#mempool.keys()]
  }

  onChange(listener: WorldListener): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  /** Pays new money to a script, from nowhere; it is in the mempool until a block is mined. */
  fund(scriptPubKey: Uint8Array, amount: Satoshi): Txid {
    // An outpoint that exists nowhere: the one thing that `broadcast` would refuse.
    const nowhere = new Uint8Array(32)
    new DataView(nowhere.buffer).setUint32(0, ++this.#minted)
    nowhere[31] = 0xff
    const transaction = makeTransaction({
      version: 2,
      inputs: [{ outPoint: { txid: txidFromHash(nowhere), vout: 0 }, sequence: 0xffffffff }],
      outputs: [{ script: scriptPubKey, value: amount }]
    })
    this.#mempool.set(transaction.txid, transaction)
    this.#changed(false)
    return transaction.txid
  }

  /** Mines blocks; the first takes everything that waits in the mempool. */
  mine(count = 1): void {
    for (let n = 0; n < count; n++) {
      this.#append([...this.#mempool.values()])
      this.#mempool.clear()
    }
    if (count > 0) this.#changed(true)
  }

  /** Mines one block with just these transactions of the mempool. */
  confirm(...ids: Txid[]): void {
    const chosen = ids.flatMap((id) => this.#mempool.get(id) ?? [])
    for (const id of ids) this.#mempool.delete(id)
    this.#append(chosen)
    this.#changed(true)
  }

  /**
   * Replaces the newest `depth` blocks by `length` empty ones. Their transactions go back to the
   * mempool, except those named in `drop`, which are gone as if a conflict had been mined.
   */
  reorg(depth: number, length = depth + 1, drop: readonly Txid[] = []): void {
    const removed = this.#blocks.splice(Math.max(1, this.#blocks.length - depth))
    const waiting = [...this.#mempool.values()]
    this.#mempool.clear()
    for (const transaction of [...removed.flatMap((block) => block.transactions), ...waiting]) {
      if (!drop.includes(transaction.txid)) this.#mempool.set(transaction.txid, transaction)
    }
    for (let n = 0; n < length; n++) this.#append([])
    this.#changed(true)
  }

  /**
   * Takes a transaction into the mempool, and what it replaces out of it.
   *
   * @throws PaychanError `ERR_BROADCAST_REFUSED`, worded as Bitcoin Core words it
   */
  broadcast(transaction: Transaction): Txid {
    const { txid: id, lockTime, inputs, vsize } = transaction
    const all = this.#all()
    if (all.has(id)) return id
    if (
      lockTime > this.height &&
      lockTime < LOCKTIME_THRESHOLD &&
      inputs.some(({ sequence }) => sequence !== 0xffffffff)
    ) {
      throw broadcastRefused(id, 'non-final')
    }
    let funds = 0n
    for (const { outPoint, sequence } of inputs) {
      const parent = all.get(outPoint.txid)
      const spent = parent?.transaction.outputs[outPoint.vout]
      if (
        parent === undefined ||
        spent === undefined ||
        this.#spender(outPoint, this.#confirmed()) !== undefined
      ) {
        throw broadcastRefused(id, 'bad-txns-inputs-missingorspent')
      }
      if (transaction.version >= 2 && !this.#relativeLockMet(sequence, parent.height)) {
        throw broadcastRefused(id, 'non-BIP68-final')
      }
      funds += spent.value
    }
    const fee = funds - transaction.paidTo()
    if (fee < 0n) throw broadcastRefused(id, 'bad-txns-in-belowout')
    // 1 sat/vB
    if (fee < BigInt(vsize)) {
      throw broadcastRefused(id, `min relay fee not met, ${fee} < ${vsize}`)
    }
    this.#replaceConflicts(transaction, fee)
    this.#mempool.set(id, transaction)
    this.#changed(false)
    return id
  }

  /** Everything that pays to a script or spends from it, in the order of the chain. */
  historyOf(scriptPubKey: Uint8Array): ChainTransaction[] {
    const outputs = new Set<string>()
    const history: ChainTransaction[] = []
    for (const [id, { transaction, height }] of this.#all()) {
      let touches = transaction.inputs.some(({ outPoint }) => outputs.has(outPointText(outPoint)))
      transaction.outputs.forEach((output, vout) => {
        if (!sameBytes(output.script, scriptPubKey)) return
        touches = true
        outputs.add(outPointText({ txid: id, vout }))
      })
      if (!touches) continue
      history.push({ transaction, height: height === undefined ? undefined : blockHeight(height) })
    }
    return history
  }

  /** All transactions by id; parents stand before children. */
  #all(): Map<Txid, { transaction: Transaction; height: number | undefined }> {
    const all = new Map<Txid, { transaction: Transaction; height: number | undefined }>()
    this.#blocks.forEach(({ transactions }, height) => {
      for (const transaction of transactions) {
        all.set(transaction.txid, { transaction, height })
      }
    })
    for (const [id, transaction] of this.#mempool) all.set(id, { transaction, height: undefined })
    return all
  }

  #confirmed(): Transaction[] {
    return this.#blocks.flatMap(({ transactions }) => [...transactions])
  }

  #spender(outPoint: OutPoint, among: Iterable<Transaction>): Transaction | undefined {
    for (const transaction of among) if (transaction.spends(outPoint)) return transaction
    return undefined
  }

  /**
   * BIP68: with n as the lock, the coin needs n confirmations in the block that would come next.
   */
  #relativeLockMet(sequence: number, coinHeight: number | undefined): boolean {
    if (sequence >= SEQUENCE_DISABLE || (sequence & SEQUENCE_TYPE) !== 0) return true
    return (coinHeight ?? this.height + 1) + (sequence & SEQUENCE_VALUE) <= this.height + 1
  }

  /**
   * BIP125, rules 3 and 4: a replacement pays more than all it replaces, by 1 sat/vB of its own
   * size.
   */
  #replaceConflicts({ txid: id, inputs, vsize }: Transaction, fee: bigint): void {
    const replaced = new Set<Txid>()
    for (const { outPoint } of inputs) {
      const other = this.#spender(outPoint, this.#mempool.values())
      if (other !== undefined) this.#withDescendants(other.txid, replaced)
    }
    if (replaced.size === 0) return
    const before = [...replaced].reduce((sum, other) => sum + this.#feeOf(other), 0n)
    if (fee < before + BigInt(vsize)) {
      throw broadcastRefused(id, `insufficient fee, rejecting replacement ${id}`)
    }
    for (const other of replaced) this.#mempool.delete(other)
  }

  #withDescendants(id: Txid, found: Set<Txid>): void {
    found.add(id)
    for (const [child, transaction] of this.#mempool) {
      if (!found.has(child) && transaction.inputs.some(({ outPoint }) => outPoint.txid === id)) {
        this.#withDescendants(child, found)
      }
    }
  }

  #feeOf(id: Txid): bigint {
    const all = this.#all()
    const transaction = all.get(id)?.transaction
    if (transaction === undefined) return 0n
    const funds = transaction.inputs.reduce<bigint>(
      (sum, { outPoint: { txid, vout } }) =>
        sum + (all.get(txid)?.transaction.outputs[vout]?.value ?? 0n),
      0n
    )
    return funds - transaction.paidTo()
  }

  #append(transactions: readonly Transaction[]): void {
    // Counted, so that a block that replaces another has another hash.
    const hash = toHex(sha256OfText(`${this.tipHash} ${++this.#minted}`))
    this.#blocks.push({ hash, transactions })
  }

  #changed(tip: boolean): void {
    for (const listener of [...this.#listeners]) listener({ tip })
  }
}
