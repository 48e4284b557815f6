/**
 * A chain in memory, for tests and simulations: blocks, a mempool, no proof of work and no
 * judgement of scripts or signatures. It does judge what channels depend on: missing and spent
 * inputs, absolute and relative locks, replacement by a higher fee, the relay fee.
 */
import { crypto, Transaction } from 'bitcoinjs-lib'
import { outPointText, sameBytes, toHex, txid, txidFromHash, type Txid } from '../types/bytes.js'
import { LOCKTIME_THRESHOLD, type Satoshi } from '../types/units.js'
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
  readonly #blocks: Block[] = [
    { hash: toHex(crypto.sha256(new Uint8Array([0]))), transactions: [] }
  ]
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
    const transaction = new Transaction()
    transaction.version = 2
    // An outpoint that exists nowhere: the one thing that `broadcast` would refuse.
    const nowhere = new Uint8Array(32)
    new DataView(nowhere.buffer).setUint32(0, ++this.#minted)
    nowhere[31] = 0xff
    transaction.addInput(nowhere, 0)
    transaction.addOutput(scriptPubKey, amount)
    const id = txid(transaction.getId())
    this.#mempool.set(id, transaction)
    this.#changed(false)
    return id
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
      const id = txid(transaction.getId())
      if (!drop.includes(id)) this.#mempool.set(id, transaction)
    }
    for (let n = 0; n < length; n++) this.#append([])
    this.#changed(true)
  }

  /**
   * Takes a transaction into the mempool, and what it replaces out of it.
   *
   * @throws PaychanError `ERR_BROADCAST_REFUSED`, worded as Bitcoin Core words it
   */
  broadcast(raw: Uint8Array): Txid {
    const transaction = Transaction.fromBuffer(raw)
    const id = txid(transaction.getId())
    const all = this.#all()
    if (all.has(id)) return id
    if (
      transaction.locktime > this.height &&
      transaction.locktime < LOCKTIME_THRESHOLD &&
      transaction.ins.some((input) => input.sequence !== 0xffffffff)
    ) {
      throw broadcastRefused(id, 'non-final')
    }
    let funds = 0n
    for (const input of transaction.ins) {
      const parent = all.get(txidFromHash(input.hash))
      const spent = parent?.transaction.outs[input.index]
      if (
        parent === undefined ||
        spent === undefined ||
        this.#spender(input, this.#confirmed()) !== undefined
      ) {
        throw broadcastRefused(id, 'bad-txns-inputs-missingorspent')
      }
      if (transaction.version >= 2 && !this.#relativeLockMet(input.sequence, parent.height)) {
        throw broadcastRefused(id, 'non-BIP68-final')
      }
      funds += spent.value
    }
    const fee = funds - transaction.outs.reduce((sum, { value }) => sum + value, 0n)
    if (fee < 0n) throw broadcastRefused(id, 'bad-txns-in-belowout')
    // 1 sat/vB
    if (fee < BigInt(transaction.virtualSize())) {
      throw broadcastRefused(id, `min relay fee not met, ${fee} < ${transaction.virtualSize()}`)
    }
    this.#replaceConflicts(transaction, id, fee)
    this.#mempool.set(id, transaction)
    this.#changed(false)
    return id
  }

  /** Everything that pays to a script or spends from it, in the order of the chain. */
  historyOf(
    scriptPubKey: Uint8Array
  ): Array<{ txid: Txid; raw: Uint8Array; height: number | undefined }> {
    const outputs = new Set<string>()
    const history: Array<{ txid: Txid; raw: Uint8Array; height: number | undefined }> = []
    for (const [id, { transaction, height }] of this.#all()) {
      let touches = transaction.ins.some((input) =>
        outputs.has(outPointText({ txid: txidFromHash(input.hash), vout: input.index }))
      )
      transaction.outs.forEach((output, vout) => {
        if (!sameBytes(output.script, scriptPubKey)) return
        touches = true
        outputs.add(outPointText({ txid: id, vout }))
      })
      if (touches) history.push({ txid: id, raw: Uint8Array.from(transaction.toBuffer()), height })
    }
    return history
  }

  /** All transactions by id; parents stand before children. */
  #all(): Map<Txid, { transaction: Transaction; height: number | undefined }> {
    const all = new Map<Txid, { transaction: Transaction; height: number | undefined }>()
    this.#blocks.forEach(({ transactions }, height) => {
      for (const transaction of transactions) {
        all.set(txid(transaction.getId()), { transaction, height })
      }
    })
    for (const [id, transaction] of this.#mempool) all.set(id, { transaction, height: undefined })
    return all
  }

  #confirmed(): Transaction[] {
    return this.#blocks.flatMap(({ transactions }) => [...transactions])
  }

  #spender(
    input: { hash: Uint8Array; index: number },
    among: Iterable<Transaction>
  ): Transaction | undefined {
    for (const transaction of among) {
      if (
        transaction.ins.some(
          (other) => other.index === input.index && sameBytes(other.hash, input.hash)
        )
      ) {
        return transaction
      }
    }
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
  #replaceConflicts(transaction: Transaction, id: Txid, fee: bigint): void {
    const replaced = new Set<Txid>()
    for (const input of transaction.ins) {
      const other = this.#spender(input, this.#mempool.values())
      if (other !== undefined) this.#withDescendants(txid(other.getId()), replaced)
    }
    if (replaced.size === 0) return
    const before = [...replaced].reduce((sum, other) => sum + this.#feeOf(other), 0n)
    if (fee < before + BigInt(transaction.virtualSize())) {
      throw broadcastRefused(id, `insufficient fee, rejecting replacement ${id}`)
    }
    for (const other of replaced) this.#mempool.delete(other)
  }

  #withDescendants(id: Txid, found: Set<Txid>): void {
    found.add(id)
    for (const [child, transaction] of this.#mempool) {
      if (!found.has(child) && transaction.ins.some((input) => txidFromHash(input.hash) === id)) {
        this.#withDescendants(child, found)
      }
    }
  }

  #feeOf(id: Txid): bigint {
    const all = this.#all()
    const transaction = all.get(id)?.transaction
    if (transaction === undefined) return 0n
    const funds = transaction.ins.reduce(
      (sum, input) =>
        sum + (all.get(txidFromHash(input.hash))?.transaction.outs[input.index]?.value ?? 0n),
      0n
    )
    return funds - transaction.outs.reduce((sum, { value }) => sum + value, 0n)
  }

  #append(transactions: readonly Transaction[]): void {
    // Counted, so that a block that replaces another has another hash.
    const seed = new TextEncoder().encode(`${this.tipHash} ${++this.#minted}`)
    this.#blocks.push({ hash: toHex(crypto.sha256(seed)), transactions })
  }

  #changed(tip: boolean): void {
    for (const listener of [...this.#listeners]) listener({ tip })
  }
}
