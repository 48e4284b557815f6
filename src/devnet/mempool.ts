/**
 * The transactions that wait for a block, and their dependencies. acceptance.ts decides about
 * admission; this is the record.
 */
import { outPointText, type Txid } from '../types/bytes.js'
import { type BlockHeight, feeRate, type FeeRate, max, type Satoshi } from '../types/units.js'
import type { MempoolEntry, ScriptHash } from './backend.js'
import { type Coin, type CoinView, createdCoins } from './coins.js'
import { isUnspendable, scriptHashOf, type Tx } from './transaction.js'
import { DEFAULT_RELEASE, type MempoolRules, RELEASES } from './rules.js'

export interface PoolEntry {
  readonly tx: Tx
  readonly fee: Satoshi
  /** The coins that it spends, in the order of its inputs. */
  readonly spent: readonly Coin[]
  /** The order of arrival, which breaks ties. */
  readonly arrival: number
  /** The scripts that it pays to or spends from. */
  readonly scripts: ReadonlySet<ScriptHash>
}

export class Mempool {
  readonly #entries = new Map<string, PoolEntry>()
  readonly #spenders = new Map<string, PoolEntry>()
  readonly #byScript = new Map<ScriptHash, Set<PoolEntry>>()
  #arrivals = 0
  #vsize = 0

  /** The fee rate that a transaction must pay to come in. */
  readonly floor: FeeFloor

  constructor(readonly rules: MempoolRules = RELEASES[DEFAULT_RELEASE]) {
    this.floor = new FeeFloor(rules)
  }

  /** The virtual bytes of all entries. */
  get vsize(): number {
    return this.#vsize
  }

  get size(): number {
    return this.#entries.size
  }

  get(txid: string): PoolEntry | undefined {
    return this.#entries.get(txid)
  }

  /** All entries in the order of their arrival. */
  entries(): PoolEntry[] {
    return [...this.#entries.values()]
  }

  /** The entry that spends the output `txid:vout`. */
  spender(key: string): PoolEntry | undefined {
    return this.#spenders.get(key)
  }

  /**
   * The coins of the chain and, over them, those that entries create; the latter as if in the next
   * block.
   */
  view(coins: CoinView, nextHeight: BlockHeight): CoinView {
    return {
      coin: (key) => {
        const at = key.indexOf(':')
        const entry = this.#entries.get(key.slice(0, at))
        if (entry === undefined) return coins.coin(key)
        const coin = createdCoins(entry.tx, { height: nextHeight })[Number(key.slice(at + 1))]
        return coin === undefined || isUnspendable(coin.script) ? undefined : coin
      }
    }
  }

  /** The entries whose outputs a transaction spends. */
  parents(tx: Tx): Set<PoolEntry> {
    const parents = new Set<PoolEntry>()
    for (const { outPoint } of tx.inputs) {
      const parent = this.#entries.get(outPoint.txid)
      if (parent !== undefined) parents.add(parent)
    }
    return parents
  }

  /** The entries that spend outputs of a transaction. */
  children(tx: Tx): Set<PoolEntry> {
    const children = new Set<PoolEntry>()
    tx.outputs.forEach((_, vout) => {
      const child = this.#spenders.get(outPointText({ txid: tx.txid, vout }))
      if (child !== undefined) children.add(child)
    })
    return children
  }

  /** Parents, their parents and so on; without the transaction itself. */
  ancestors(tx: Tx): Set<PoolEntry> {
    return closure(tx, (each) => this.parents(each))
  }

  /** Children, their children and so on; without the transaction itself. */
  descendants(tx: Tx): Set<PoolEntry> {
    return closure(tx, (each) => this.children(each))
  }

  /** All entries connected with some entries, these included, as if others were not there. */
  cluster(
    entries: Iterable<PoolEntry>,
    without: ReadonlySet<PoolEntry> = new Set()
  ): Set<PoolEntry> {
    const found = new Set<PoolEntry>()
    const waiting = [...entries]
    for (let entry = waiting.pop(); entry !== undefined; entry = waiting.pop()) {
      if (found.has(entry) || without.has(entry)) continue
      found.add(entry)
      waiting.push(...this.parents(entry.tx), ...this.children(entry.tx))
    }
    return found
  }

  add(tx: Tx, fee: Satoshi, spent: readonly Coin[]): PoolEntry {
    const scripts = new Set(
      [...spent, ...tx.outputs]
        .filter(({ script }) => !isUnspendable(script))
        .map(({ script }) => scriptHashOf(script))
    )
    const entry: PoolEntry = { tx, fee, spent, arrival: this.#arrivals++, scripts }
    this.#entries.set(tx.txid, entry)
    this.#vsize += tx.vsize
    for (const { spends } of tx.inputs) this.#spenders.set(spends, entry)
    for (const script of scripts) {
      const sameScript = this.#byScript.get(script)
      if (sameScript === undefined) this.#byScript.set(script, new Set([entry]))
      else sameScript.add(entry)
    }
    return entry
  }

  remove(entry: PoolEntry): void {
    this.#entries.delete(entry.tx.txid)
    this.#vsize -= entry.tx.vsize
    for (const { spends } of entry.tx.inputs) this.#spenders.delete(spends)
    for (const script of entry.scripts) {
      const sameScript = this.#byScript.get(script)
      sameScript?.delete(entry)
      if (sameScript?.size === 0) this.#byScript.delete(script)
    }
  }

  /** The entries that pay to a script or spend from it. */
  ofScript(script: ScriptHash): PoolEntry[] {
    return [...(this.#byScript.get(script) ?? [])]
  }

  /**
   * The same as the Electrum protocol lists them: without unconfirmed parents first, then by txid.
   */
  history(script: ScriptHash): MempoolEntry[] {
    const entries = this.ofScript(script).map(({ tx, fee }) => ({
      txid: tx.txid,
      fee,
      unconfirmedParents: this.parents(tx).size > 0
    }))
    entries.sort((a, b) => compareText(a.txid, b.txid))
    return [
      ...entries.filter((entry) => !entry.unconfirmedParents),
      ...entries.filter((entry) => entry.unconfirmedParents)
    ]
  }
}

function closure(start: Tx, next: (tx: Tx) => Set<PoolEntry>): Set<PoolEntry> {
  const found = new Set<PoolEntry>()
  const waiting = [...next(start)]
  for (let entry = waiting.pop(); entry !== undefined; entry = waiting.pop()) {
    if (found.has(entry)) continue
    found.add(entry)
    waiting.push(...next(entry.tx))
  }
  return found
}

function compareText(a: Txid, b: Txid): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/*
 * The rate that a full mempool asks for (`CTxMemPool::GetMinFee`, `trackPackageRemoved` of Bitcoin
 * Core): the evicted rate, plus the incremental relay fee; then it decays. Core halves it in 12
 * hours, twice as fast when less than half of the mempool is in use, four times when less than a
 * quarter; here in the 72 blocks of 12 hours, since this chain's time is its height.
 */

const HALF_LIFE_BLOCKS = 72

export class FeeFloor {
  #rate = 0
  readonly #rules: Pick<MempoolRules, 'relay' | 'incremental'>

  constructor(rules: Pick<MempoolRules, 'relay' | 'incremental'>) {
    this.#rules = rules
  }

  /** The least feerate for entering, in sat/kvB. */
  get rate(): FeeRate {
    return feeRate(max(this.#rules.relay, BigInt(Math.ceil(this.#rate))))
  }

  /** True when the mempool asks for more than usual. */
  get isRaised(): boolean {
    return this.rate > this.#rules.relay
  }

  /** Raises the rate after an eviction at this one. */
  raise(evicted: bigint): void {
    this.#rate = Math.max(this.#rate, Number(evicted + this.#rules.incremental))
  }

  /** Lowers the rate after a block; `used` is the part of the mempool's room in use, 0 to 1. */
  decay(used: number): void {
    const halfLife = HALF_LIFE_BLOCKS / (used < 0.25 ? 4 : used < 0.5 ? 2 : 1)
    this.#rate /= 2 ** (1 / halfLife)
    // Below half of the incremental fee it becomes 0 (Core does the same).
    if (this.#rate < Number(this.#rules.incremental) / 2) this.#rate = 0
  }
}
