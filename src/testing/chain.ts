/**
 * The chain of a world: blocks, a mempool and the coins between them, found by outpoint and by
 * script, so that a step costs what it changes and not what there is. It judges what channels
 * depend on: missing and spent inputs, absolute and relative locks, replacement (BIP125), version 3
 * (BIP431), fees, dust, and that both sides have signed the spend of a funding output.
 */
import { sha256OfText } from '../bitcoin/hashes.js'
import { makeTransaction, type Transaction } from '../bitcoin/transaction.js'
import { broadcastRefused } from '../chain/broadcasting.js'
import { toHex, txidFromHash, type OutPoint, type Txid } from '../types/bytes.js'
import { blockHeight, type Satoshi } from '../types/units.js'
import type { Tip } from '../engine/ports.js'
import {
  blockTemplate,
  type ChainFacts,
  faultOf,
  keysOf,
  rateOf,
  readSimTransaction,
  type SimTransaction
} from './mempool.js'

interface SimBlock {
  readonly hash: string
  readonly time: number
  readonly transactions: readonly SimTransaction[]
}

/**
 * Told after every change: the scripts that have another history now. `blocks`: the connected
 * blocks of a new best chain.
 */
type ChainListener = (change: {
  readonly scripts: ReadonlySet<string>
  readonly tip: boolean
}) => void

export interface SimChainOptions {
  /** The height of the first block, 0 when left out. */
  readonly start?: number
  /** Milliseconds of virtual time. */
  readonly now?: () => number
  /** Virtual bytes of a block; a million when left out. */
  readonly blockVsize?: number
  /** The rate that gets into the block of a height, in sat/vB; nothing when left out. */
  readonly rateAt?: (height: number) => number
  /** The least rate of mempools, in sat/vB; 1 when left out. */
  readonly relayRate?: number
  /**
   * False when mempools replace only what says that it can be replaced (BIP125, rule 1), as Bitcoin
   * Core did before version 28; true when left out.
   */
  readonly fullRbf?: boolean
  /**
   * Gives the fault of the first input that spends a funding output without two good signatures
   * (`fundingJudge`). Left out, everything is taken as signed.
   */
  readonly judge?: (
    transaction: SimTransaction,
    spent: (outPoint: string) => { readonly script: string; readonly value: number } | undefined
  ) => string | undefined
}

/**
 * A spend of a funding output in the mempools: from the tip at which it came to the tip at which it
 * was gone.
 */
export interface Contest {
  readonly transaction: SimTransaction
  readonly from: number
  to: number
}

interface Reorganisation {
  /** Number of new blocks; one more than were undone, when left out. */
  readonly length?: number
  /**
   * True when blocks after the first take waiting transactions, as miners do; otherwise all are
   * empty. True when left out.
   */
  readonly refills?: boolean
  /** Transactions that are gone with their descendants, as if a conflict had been mined. */
  readonly drops?: readonly Txid[]
  /**
   * True when mempools keep what has become too early for them, as Bitcoin Core does until the other
   * branch is there; false when left out.
   */
  readonly keepsEarly?: boolean
}

/** An output that nothing spends; `height` is undefined in the mempool. */
export interface Unspent {
  readonly outPoint: OutPoint
  readonly value: number
  readonly height: number | undefined
}

/** Told what a block did to the coins, for keeping accounts. */
export interface CoinListener {
  readonly connected: (transaction: SimTransaction, height: number) => void
  readonly disconnected: (transaction: SimTransaction, height: number) => void
}

export class SimChain {
  readonly #blocks: SimBlock[] = []
  readonly #transactions = new Map<Txid, SimTransaction>()
  readonly #mempool = new Map<Txid, SimTransaction>()
  /** By outpoint: the transaction that spends it, in a block or in the mempool. */
  readonly #spenders = new Map<string, SimTransaction>()
  /** By script: the transactions that pay to it or spend from it. */
  readonly #histories = new Map<string, Set<SimTransaction>>()
  readonly #listeners: ChainListener[] = []
  readonly #books: CoinListener[] = []
  /**
   * The rate that got into each block after the first, in sat/vB, the newest last; Infinity for the
   * empty block that a reorganisation begins with.
   */
  readonly thresholds: number[] = []
  /** Transactions that were handed to a miner, and that no mempool has seen. */
  readonly #submitted = new Map<Txid, SimTransaction>()
  /** By outpoint of a funding output: every spend that mempools have taken, the newest last. */
  readonly #contests = new Map<string, Contest[]>()
  /**
   * Heights of blocks that a reorganisation brought together with its last block, so that nobody
   * could bid for them.
   */
  readonly #atOnce = new Set<number>()
  #order = 0
  #reorgs = 0
  #tip: Tip = { height: blockHeight(0), hash: '' }

  readonly #options: Required<SimChainOptions>

  constructor(options: SimChainOptions = {}) {
    this.#options = {
      start: 0,
      now: () => 0,
      blockVsize: 1_000_000,
      rateAt: () => 0,
      relayRate: 1,
      fullRbf: true,
      judge: () => undefined,
      ...options
    }
    this.#append([])
  }

  get height(): number {
    return this.#options.start + this.#blocks.length - 1
  }
  get tipHash(): string {
    return this.#blocks[this.#blocks.length - 1]?.hash ?? ''
  }
  /** Height and hash of the newest block: the same object until there is another. */
  get tip(): Tip {
    const [height, hash] = [this.height, this.tipHash]
    if (this.#tip.height !== height || this.#tip.hash !== hash) {
      this.#tip = { height: blockHeight(height), hash }
    }
    return this.#tip
  }
  get reorgs(): number {
    return this.#reorgs
  }
  get waiting(): ReadonlyMap<Txid, SimTransaction> {
    return this.#mempool
  }
  /** The waiting transactions of the mempool, in the order in which they came. */
  get mempool(): readonly Txid[] {
    return [...this.#mempool.keys()]
  }

  /** The rate that got into the block of a height, in sat/vB. */
  thresholdAt(height: number): number {
    return this.thresholds[height - this.#options.start - 1] ?? Infinity
  }

  /** True when the block of a height came together with others: nobody could bid for it. */
  cameAtOnce(height: number): boolean {
    return this.#atOnce.has(height)
  }

  /**
   * The thresholds of the newest blocks that took anything: an empty block tells nothing of fees.
   */
  newestThresholds(count: number): number[] {
    const found: number[] = []
    for (let at = this.thresholds.length - 1; at >= 0 && found.length < count; at--) {
      const threshold = this.thresholds[at] ?? Infinity
      if (threshold < Infinity) found.unshift(threshold)
    }
    return found
  }

  /** The rate for the next block. */
  get nextRate(): number {
    return this.#options.rateAt(this.height + 1)
  }

  onChange(listener: ChainListener): void {
    this.#listeners.push(listener)
  }
  keepBooks(listener: CoinListener): void {
    this.#books.push(listener)
  }

  transaction(id: Txid): SimTransaction | undefined {
    return this.#transactions.get(id)
  }
  spenderOf(outPoint: string): SimTransaction | undefined {
    return this.#spenders.get(outPoint)
  }

  /** Every spend of a funding output that mempools have taken, replaced ones included. */
  contestsOf(outPoint: string): readonly Contest[] {
    return this.#contests.get(outPoint) ?? []
  }

  output(outPoint: string): { readonly script: string; readonly value: number } | undefined {
    const at = outPoint.lastIndexOf(':')
    return this.#transactions.get(outPoint.slice(0, at) as Txid)?.outputs[
      Number(outPoint.slice(at + 1))
    ]
  }

  /** The transactions that pay to a script or spend from it: blocks first, then the mempool. */
  historyOf(script: string): SimTransaction[] {
    return [...(this.#histories.get(script) ?? [])].sort((a, b) =>
      a.height === b.height ? a.order - b.order : (a.height ?? Infinity) - (b.height ?? Infinity)
    )
  }

  /** The outputs of a script that nothing spends, in blocks and in the mempool. */
  unspent(script: string): Unspent[] {
    return this.historyOf(script).flatMap(({ txid, height, outputs }) =>
      outputs.flatMap((output, vout) =>
        output.script === script && !this.#spenders.has(`${txid}:${vout}`)
          ? [{ outPoint: { txid, vout }, value: output.value, height }]
          : []
      )
    )
  }

  /**
   * Mints new money, in the newest block at once: a world begins with it.
   *
   * @param at - where it can be spent; a place of its own when left out
   */
  mint(script: string, value: number, at?: OutPoint): Txid {
    const id = at?.txid ?? txidFromHash(sha256OfText(`minted ${this.#order}`))
    const before = Array.from({ length: at?.vout ?? 0 }, () => ({ script, value: 0 }))
    const transaction: SimTransaction = {
      txid: id,
      transaction: undefined,
      version: 2,
      lockTime: 0,
      inputs: [],
      outputs: [...before, { script, value }],
      vsize: 100,
      fee: 0,
      height: this.height,
      order: this.#order++,
      hasDust: false
    }
    this.#add(transaction, new Set())
    for (const books of this.#books) books.connected(transaction, this.height)
    return id
  }

  /** Pays new money to a script, from nowhere and at any fee: it waits for a block. */
  fund(scriptPubKey: Uint8Array, amount: Satoshi): Txid {
    return this.insert(paymentFromNowhere(scriptPubKey, amount, this.#order))
  }

  /**
   * Takes a transaction into the mempool without judging it: a payment from elsewhere, whose inputs
   * this chain does not know, pays enough for any block.
   *
   * @throws PaychanError `ERR_BROADCAST_REFUSED` when a block spends one of its inputs otherwise
   */
  insert(sent: Transaction): Txid {
    if (this.#transactions.has(sent.txid)) return sent.txid
    const read = this.#read(sent)
    const inputs = read.inputs.filter(({ outPoint }) => this.output(outPoint) !== undefined)
    if (inputs.some(({ outPoint }) => this.#spenders.get(outPoint)?.height !== undefined)) {
      throw broadcastRefused(sent.txid, 'bad-txns-inputs-missingorspent')
    }
    const isFromElsewhere = inputs.length < read.inputs.length
    return this.#accept({
      ...read,
      inputs,
      fee: isFromElsewhere ? read.vsize * ANY_RATE : read.fee
    })
  }

  /**
   * Takes a transaction into the mempool, and drops the ones that it replaces.
   *
   * @throws PaychanError `ERR_BROADCAST_REFUSED`, worded as Bitcoin Core words it
   */
  broadcast(sent: Transaction): Txid {
    const { txid: id } = sent
    if (this.#transactions.has(id)) return id
    const transaction = this.#read(sent)
    const judged =
      faultOf(transaction, this.#facts()) ??
      this.#options.judge(transaction, (outPoint) => this.output(outPoint))
    if (judged !== undefined) throw broadcastRefused(id, judged)
    return this.#accept(transaction)
  }

  /** Drops waiting transactions and their descendants, as mempools do when they are full. */
  drop(...ids: Txid[]): void {
    const touched = new Set<string>()
    this.#evict(ids, touched)
    this.#changed(touched, false)
  }

  /**
   * Hands a transaction to a miner, past all mempools: nobody sees it before it is in a block. Each
   * miner drops a transaction that can never be mined.
   */
  submit(sent: Transaction): Txid {
    const transaction = this.#read(sent)
    if (this.#options.judge(transaction, (outPoint) => this.output(outPoint)) === undefined) {
      this.#submitted.set(transaction.txid, transaction)
    }
    return transaction.txid
  }

  /** Mines the next blocks, out of the mempool, or empty ones. */
  mine(blocks = 1, { empty = false }: { readonly empty?: boolean } = {}): void {
    for (let n = 0; n < blocks; n++) {
      const touched = new Set<string>()
      if (empty) this.#take([], 0, touched)
      else this.#mineInto(touched)
      this.#changed(touched, true)
    }
  }

  /** Mines one block with just these transactions of the mempool. */
  confirm(...ids: Txid[]): void {
    const touched = new Set<string>()
    this.#take(
      ids.flatMap((id) => this.#mempool.get(id) ?? []),
      0,
      touched
    )
    this.#changed(touched, true)
  }

  /**
   * Replaces the newest `depth` blocks by another branch; its first block is empty, and the undone
   * transactions wait again.
   */
  reorg(depth: number, reorganisation: Reorganisation = {}): void {
    const { length, refills = true, drops = [], keepsEarly = false } = reorganisation
    const undone = Math.min(depth, this.#blocks.length - 1)
    if (undone < 1) return
    this.#reorgs += 1
    const touched = new Set<string>()
    for (let n = 0; n < undone; n++) this.#disconnect(touched)
    this.#evict(drops, touched)
    if (!keepsEarly) this.#evictImmature(touched)
    for (let n = 0; n < (length ?? undone + 1); n++) {
      if (n > 0 && refills) this.#mineInto(touched)
      else {
        this.#append([])
        this.thresholds.push(Infinity)
      }
      this.#atOnce.add(this.height)
    }
    this.#changed(touched, true)
  }

  #accept(transaction: SimTransaction): Txid {
    const touched = new Set<string>()
    this.#remove(this.#conflictsOf(transaction), touched)
    transaction.order = this.#order++
    this.#mempool.set(transaction.txid, transaction)
    this.#contest(transaction, true)
    this.#add(transaction, touched)
    this.#changed(touched, false)
    return transaction.txid
  }

  #evict(ids: readonly Txid[], touched: Set<string>): void {
    const dropped = ids.flatMap((id) => this.#mempool.get(id) ?? [])
    this.#remove(this.#withDescendants(dropped), touched)
  }

  #mineInto(touched: Set<string>): void {
    const offered = this.#offered()
    const { transactions, threshold } = blockTemplate(
      offered.values(),
      this.nextRate,
      this.#options.blockVsize,
      (parent) => this.#childOf(parent),
      (child) => this.#hasParent(child)
    )
    this.#take(transactions, threshold, touched)
  }

  #take(transactions: readonly SimTransaction[], threshold: number, touched: Set<string>): void {
    const height = this.height + 1
    for (const transaction of transactions) {
      if (this.#submitted.delete(transaction.txid)) {
        this.#remove(this.#conflictsOf(transaction), touched)
        this.#add(transaction, touched)
      }
      this.#mempool.delete(transaction.txid)
      this.#contest(transaction, false)
      transaction.height = height
      this.#touch(transaction, touched)
    }
    this.#append(transactions)
    this.thresholds.push(threshold)
    for (const transaction of transactions) {
      for (const books of this.#books) books.connected(transaction, height)
    }
  }

  /**
   * The mempool, with better-paying transactions of the miner in place of the ones they conflict
   * with.
   */
  #offered(): ReadonlyMap<Txid, SimTransaction> {
    if (this.#submitted.size === 0) return this.#mempool
    const offered = new Map(this.#mempool)
    const spent = new Set<string>()
    for (const [id, transaction] of [...this.#submitted].sort(
      ([, a], [, b]) => rateOf([b]) - rateOf([a])
    )) {
      const replaced = this.#conflictsOf(transaction)
      // A miner does not ask for the extra fee of a replacement in a mempool.
      const fault = faultOf(transaction, { ...this.#facts(), conflictsOf: () => [] })
      if (fault === 'bad-txns-inputs-missingorspent') this.#submitted.delete(id)
      if (
        fault !== undefined ||
        transaction.inputs.some(({ outPoint }) => spent.has(outPoint)) ||
        (replaced.length > 0 && rateOf(replaced) >= rateOf([transaction]))
      ) {
        continue
      }
      for (const { txid } of replaced) offered.delete(txid)
      for (const { outPoint } of transaction.inputs) spent.add(outPoint)
      offered.set(id, transaction)
    }
    return offered
  }

  #read(sent: Transaction): SimTransaction {
    const transaction = readSimTransaction(sent)
    const spent = transaction.inputs.reduce(
      (sum, { outPoint }) => sum + (this.output(outPoint)?.value ?? 0),
      0
    )
    transaction.fee = spent - transaction.outputs.reduce((sum, { value }) => sum + value, 0)
    return transaction
  }

  /** Notes that a spend of a funding output has come to the mempools, or has left them. */
  #contest(transaction: SimTransaction, isThere: boolean): void {
    for (const { outPoint, witness } of transaction.inputs) {
      if (keysOf(witness.at(-1)) === undefined) continue
      const contests = this.#contests.get(outPoint) ?? []
      this.#contests.set(outPoint, contests)
      const contest = contests.findLast(
        (each) => each.transaction === transaction && each.to === Infinity
      )
      if (isThere && contest === undefined) {
        contests.push({ transaction, from: this.height, to: Infinity })
      }
      if (!isThere && contest !== undefined) contest.to = this.height
    }
  }

  #disconnect(touched: Set<string>): void {
    this.#atOnce.delete(this.height)
    const block = this.#blocks.pop()
    this.thresholds.pop()
    for (const transaction of [...(block?.transactions ?? [])].reverse()) {
      for (const books of this.#books) books.disconnected(transaction, transaction.height ?? 0)
      transaction.height = undefined
      this.#mempool.set(transaction.txid, transaction)
      this.#contest(transaction, true)
      this.#touch(transaction, touched)
    }
  }

  /** Drops transactions that a reorganisation has made too early, as Bitcoin Core does. */
  #evictImmature(touched: Set<string>): void {
    for (const transaction of [...this.#mempool.values()].sort((a, b) => a.order - b.order)) {
      if (!this.#mempool.has(transaction.txid)) continue
      const fault = faultOf(transaction, { ...this.#facts(), conflictsOf: () => [] })
      if (fault === 'non-final' || fault === 'non-BIP68-final') {
        this.#remove(this.#withDescendants([transaction]), touched)
      }
    }
  }

  #facts(): ChainFacts {
    return {
      relayRate: this.#options.relayRate,
      fullRbf: this.#options.fullRbf,
      height: this.height,
      parent: (id) => this.#transactions.get(id),
      confirmedSpender: (outPoint) => {
        const spender = this.#spenders.get(outPoint)
        return spender?.height === undefined ? undefined : spender
      },
      conflictsOf: (transaction) => this.#conflictsOf(transaction),
      childOf: (parent) => this.#childOf(parent)
    }
  }

  #conflictsOf(transaction: SimTransaction): SimTransaction[] {
    return this.#withDescendants(
      transaction.inputs.flatMap(({ outPoint }) => {
        const other = this.#spenders.get(outPoint)
        return other === undefined || other === transaction || other.height !== undefined
          ? []
          : [other]
      })
    )
  }

  #withDescendants(transactions: readonly SimTransaction[]): SimTransaction[] {
    const found = new Set(transactions)
    for (const transaction of found) {
      transaction.outputs.forEach((_, vout) => {
        const child = this.#spenders.get(`${transaction.txid}:${vout}`)
        if (child !== undefined) found.add(child)
      })
    }
    return [...found]
  }

  #childOf(parent: SimTransaction): SimTransaction | undefined {
    for (let vout = 0; vout < parent.outputs.length; vout++) {
      const child = this.#spenders.get(`${parent.txid}:${vout}`)
      if (child !== undefined && child.height === undefined) return child
    }
    return undefined
  }

  #hasParent(child: SimTransaction): boolean {
    return child.inputs.some(({ parent }) => this.#mempool.has(parent))
  }

  #add(transaction: SimTransaction, touched: Set<string>): void {
    this.#transactions.set(transaction.txid, transaction)
    for (const { outPoint } of transaction.inputs) this.#spenders.set(outPoint, transaction)
    for (const script of this.#scriptsOf(transaction)) {
      const history = this.#histories.get(script)
      if (history === undefined) this.#histories.set(script, new Set([transaction]))
      else history.add(transaction)
      touched.add(script)
    }
  }

  #remove(gone: readonly SimTransaction[], touched: Set<string>): void {
    // Those of a child are known as long as its parent is.
    const scripts = gone.map((transaction) => this.#scriptsOf(transaction))
    for (const [n, transaction] of gone.entries()) {
      for (const script of scripts[n] ?? []) {
        this.#histories.get(script)?.delete(transaction)
        touched.add(script)
      }
      for (const { outPoint } of transaction.inputs) {
        if (this.#spenders.get(outPoint) === transaction) this.#spenders.delete(outPoint)
      }
      this.#mempool.delete(transaction.txid)
      this.#contest(transaction, false)
      this.#transactions.delete(transaction.txid)
    }
  }

  #touch(transaction: SimTransaction, touched: Set<string>): void {
    for (const script of this.#scriptsOf(transaction)) touched.add(script)
  }

  #scriptsOf(transaction: SimTransaction): Set<string> {
    const scripts = new Set(transaction.outputs.map(({ script }) => script))
    for (const { outPoint } of transaction.inputs) {
      const output = this.output(outPoint)
      if (output !== undefined) scripts.add(output.script)
    }
    return scripts
  }

  #append(transactions: readonly SimTransaction[]): void {
    const hash = toHex(sha256OfText(`${this.tipHash} ${this.#order++}`))
    this.#blocks.push({ hash, time: this.#options.now(), transactions })
  }

  #changed(scripts: ReadonlySet<string>, tip: boolean): void {
    for (const listener of this.#listeners) listener({ scripts, tip })
  }
}

/** In sat/vB: enough for any block. */
const ANY_RATE = 1_000

/**
 * Makes a payment that spends an outpoint that exists nowhere: only this would make `broadcast`
 * refuse it.
 */
function paymentFromNowhere(script: Uint8Array, value: Satoshi, number: number): Transaction {
  const nowhere = new Uint8Array(32)
  new DataView(nowhere.buffer).setUint32(0, number)
  nowhere[31] = 0xff
  return makeTransaction({
    version: 2,
    inputs: [{ outPoint: { txid: txidFromHash(nowhere), vout: 0 }, sequence: 0xffffffff }],
    outputs: [{ script, value }]
  })
}
