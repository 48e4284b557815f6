/**
 * One node's view of the simulated chain: the port `Chain`. Blocks and transactions reach it a
 * moment later. It can be down, and its server can hide things. A node is woken for a block only if
 * something in the block is the node's, or the node says that it is due; its `tip` is always right.
 */
import type {
  Chain,
  ChainStatus,
  ChainTransaction,
  RelayRates,
  ScriptWatch,
  ScriptWatcher,
  Tip,
  Unsubscribe,
  Verdict
} from '../engine/ports.js'
import type { Transaction } from '../bitcoin/transaction.js'
import type { SimChain } from './chain.js'
import { type Calendar, type Life, never } from './calendar.js'
import { toHex } from '../types/bytes.js'
import type { BlockDelta, FeeRate } from '../types/units.js'
import type { Servers } from './servers.js'

/** The part of the chain that a server hides. */
type Hiding = 'nothing' | 'mempool' | 'all'

/**
 * `isTold`: true when the history was told since the server answers. A server that hides things
 * does not say so.
 */
interface Watch {
  readonly script: string
  readonly watcher: ScriptWatcher
  readonly ready: () => void
  isTold: boolean
}

/** All views of a chain, and the views that watch each script. */
export class Watchers {
  readonly #byScript = new Map<string, Set<SimView>>()
  readonly views = new Set<SimView>()

  /**
   * Tells every view of all that happens on a chain from now on. A caller with many nodes tells
   * only those that a block concerns, by `changed` and `newTip`.
   */
  follow(chain: SimChain): void {
    let before = chain.tip
    chain.onChange(({ scripts, tip }) => {
      // Nodes hear of a block in the order in which they have begun to look.
      if (tip) for (const view of this.views) view.newTip()
      for (const script of scripts) {
        for (const view of this.of(script)) view.changed(script, before)
      }
      before = chain.tip
    })
  }

  add(script: string, view: SimView): void {
    const views = this.#byScript.get(script)
    if (views === undefined) this.#byScript.set(script, new Set([view]))
    else views.add(view)
  }

  remove(script: string, view: SimView): void {
    this.#byScript.get(script)?.delete(view)
  }

  of(script: string): Iterable<SimView> {
    return this.#byScript.get(script) ?? []
  }
}

export interface ViewParts {
  readonly chain: SimChain
  readonly watchers: Watchers
  readonly servers: Servers
  /**
   * True when the tip is told again with every history: a node that is not told of each block then
   * looks at everything. False when left out.
   */
  readonly repeatsTips?: boolean
  /** The calendar and delay by which news arrives; after a microtask, when left out. */
  readonly takes?: { readonly calendar: Calendar; readonly ms: number }
}

export class SimView implements Chain {
  status: ChainStatus = 'synced'
  /** A feerate to estimate instead of the one that blocks take. */
  feeRate: FeeRate | undefined
  readonly #watches = new Map<string, Set<Watch>>()
  readonly #news = new Set<string>()
  readonly #tips = new Set<(tip: Tip) => void>()
  readonly #statuses = new Set<(status: ChainStatus) => void>()
  #waiting: Array<() => void> = []
  readonly #untilServed: Array<() => void> = []
  /** The known tip while news of a newer tip is on its way: histories come first. */
  #held: Tip | undefined
  #isTipNews = false
  /** The hash of the tip that listeners know. */
  #told: string
  #isServing = false
  #hiding: Hiding = 'nothing'
  readonly #parts: ViewParts
  readonly #life: Life

  constructor(parts: ViewParts, life: Life) {
    this.#parts = parts
    this.#life = life
    this.#told = parts.chain.tipHash
    parts.watchers.views.add(this)
    life.onEnd(() => {
      parts.watchers.views.delete(this)
      for (const script of this.#watches.keys()) parts.watchers.remove(script, this)
    })
  }

  get tip(): Tip | undefined {
    return this.status === 'connecting' ? undefined : this.seen
  }

  /** The newest block that the view knows of. */
  get seen(): Tip {
    return this.#held ?? this.#parts.chain.tip
  }

  get hiding(): Hiding {
    return this.#hiding
  }

  /** The scripts that the node watches, in hex: one for each watch. */
  get watched(): readonly string[] {
    return [...this.#watches.values()].flatMap((watches) =>
      [...watches].map(({ script }) => script)
    )
  }

  onTip(listener: (tip: Tip) => void): Unsubscribe {
    this.#tips.add(listener)
    if (this.status === 'synced') listener(this.seen)
    return () => {
      this.#tips.delete(listener)
    }
  }

  onStatus(listener: (status: ChainStatus) => void): Unsubscribe {
    this.#statuses.add(listener)
    return () => {
      this.#statuses.delete(listener)
    }
  }

  watchScript(scriptPubKey: Uint8Array, watcher: ScriptWatcher): ScriptWatch {
    const script = toHex(scriptPubKey)
    let resolveReady = (): void => {}
    const ready = new Promise<void>((resolve) => {
      resolveReady = resolve
    })
    const watch: Watch = { script, watcher, ready: resolveReady, isTold: false }
    const watches = this.#watches.get(script) ?? new Set()
    this.#watches.set(script, watches.add(watch))
    this.#parts.watchers.add(script, this)
    this.#news.add(script)
    this.#serveLater()
    return {
      ready,
      get isCurrent() {
        return watch.isTold
      },
      stop: () => {
        watches.delete(watch)
        if (watches.size > 0 || this.#watches.get(script) !== watches) return
        this.#watches.delete(script)
        this.#parts.watchers.remove(script, this)
      }
    }
  }

  async broadcast(transaction: Transaction): Promise<Verdict> {
    await this.#connected()
    return this.#hiding === 'all'
      ? { txid: transaction.txid, taken: 1, of: 1, refusals: [] }
      : this.#parts.servers.broadcast(transaction)
  }

  async estimateFeeRate(target: BlockDelta): Promise<FeeRate> {
    await this.#connected()
    const { feeRate, nextBlockRate } = this.#parts.servers.current
    if (this.feeRate !== undefined) return this.feeRate
    return target > 1 ? feeRate : nextBlockRate
  }

  async relayRates(): Promise<RelayRates> {
    await this.#connected()
    return this.#parts.servers.current.relay
  }

  async caughtUp(): Promise<void> {
    while (this.#isServing && this.#isServed() && this.#life.alive) {
      await new Promise<void>((resolve) => {
        this.#untilServed.push(resolve)
      })
    }
  }

  /** Takes in that a script that is watched here has another history. */
  changed(script: string, before: Tip): void {
    this.#news.add(script)
    this.#hold(before)
    this.#serveLater()
  }

  /** Takes in a new block that the node has to be told of. */
  newTip(): void {
    this.#isTipNews = true
    this.#serveLater()
  }

  /** Hears at once what is on its way: each change by itself, however fast they come. */
  hearNow(): void {
    if (this.#life.alive && this.#isServed()) this.#serve()
  }

  /** Sets the status: no server answers, none has answered yet, or one answers again. */
  setStatus(status: ChainStatus): void {
    if (status === this.status) return
    if (status !== 'synced') {
      this.#hold(this.seen)
      for (const watches of this.#watches.values()) {
        for (const watch of watches) watch.isTold = false
      }
    }
    this.status = status
    for (const listener of [...this.#statuses]) listener(status)
    if (status === 'synced') this.#catchUp()
  }

  hide(hiding: Hiding): void {
    if (hiding === 'all') this.#hold(this.seen)
    this.#hiding = hiding
    if (hiding !== 'all') this.#catchUp()
  }

  #catchUp(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const go of waiting) go()
    for (const script of this.#watches.keys()) this.#news.add(script)
    this.newTip()
  }

  #hold(tip: Tip): void {
    this.#held ??= tip
  }

  #serveLater(): void {
    if (this.#isServing || !this.#isServed()) return
    this.#isServing = true
    const serve = (): void => {
      this.#isServing = false
      if (this.#life.alive && this.#isServed()) this.#serve()
      for (const resolve of this.#untilServed.splice(0)) resolve()
    }
    const { takes } = this.#parts
    if (takes === undefined) queueMicrotask(serve)
    else takes.calendar.after(takes.ms, serve)
  }

  #isServed(): boolean {
    return this.status === 'synced' && this.#hiding !== 'all'
  }

  #serve(): void {
    const news = [...this.#news]
    this.#news.clear()
    const isTip = this.#isTipNews || this.#held !== undefined
    for (const script of this.#parts.servers.tellsHistories ? news : []) {
      const history = this.#history(script)
      for (const watch of [...(this.#watches.get(script) ?? [])]) {
        watch.isTold = true
        watch.watcher.onHistory(history)
        watch.ready()
      }
    }
    this.#held = undefined
    this.#isTipNews = false
    const tip = this.seen
    if (!isTip || (tip.hash === this.#told && this.#parts.repeatsTips !== true)) return
    this.#told = tip.hash
    for (const listener of [...this.#tips]) listener(tip)
  }

  #history(script: string): ChainTransaction[] {
    return this.#parts.servers.historyOf(script, this.#hiding !== 'nothing')
  }

  async #connected(): Promise<void> {
    if (!this.#life.alive) return await never()
    if (this.status === 'synced') return
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve)
    })
    if (this.#life.isOver()) return await never()
  }
}
