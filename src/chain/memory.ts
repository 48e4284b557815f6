/** The `Chain` port over a `MemoryWorld`: for unit tests and simulations. */
import type { Transaction } from '../bitcoin/transaction.js'
import type {
  Chain,
  ChainStatus,
  ScriptWatch,
  ScriptWatcher,
  Tip,
  Unsubscribe,
  RelayRates,
  Verdict
} from '../engine/ports.js'
import { toHex } from '../types/bytes.js'
import { blockHeight, type BlockDelta, type FeeRate } from '../types/units.js'
import { SAFE_RELAY_RATE } from '../bitcoin/relay.js'
import { callSafely, Listeners, type Log } from './listeners.js'
import type { MemoryWorld } from './memory-world.js'

interface Watch {
  readonly scriptPubKey: Uint8Array
  readonly watcher: ScriptWatcher
  readonly ready: () => void
  /** The history that the watcher has seen last, as text; undefined before the first. */
  seen: string | undefined
  /** Whether the history was told since the view was connected. */
  isTold: boolean
}

export interface MemoryChainOptions {
  /** Runs a piece of work soon, but not now; the microtask queue when left out. */
  readonly schedule?: (work: () => void) => void
  /** Where the errors of listeners go. */
  readonly log?: Log
}

/**
 * One node's view of a world. Several views may share one.
 *
 * @example
 * const world = new MemoryWorld()
 * const chain = new MemoryChain(world)
 * chain.watchScript(script, { onHistory: history => console.log(history), onError: () => {} })
 * world.fund(script, satoshi(100_000n))
 * world.mine()
 */
export class MemoryChain implements Chain {
  status: ChainStatus = 'synced'
  tip: Tip | undefined
  /** What `estimateFeeRate` answers. */
  feeRate: FeeRate = SAFE_RELAY_RATE
  readonly #world: MemoryWorld
  readonly #log: Log
  readonly #schedule: (work: () => void) => void
  readonly #tips: Listeners<Tip>
  readonly #statuses: Listeners<ChainStatus>
  readonly #watches = new Set<Watch>()
  readonly #waiting: Array<() => void> = []
  #scheduled = false

  constructor(world: MemoryWorld, options: MemoryChainOptions = {}) {
    this.#world = world
    this.#schedule = options.schedule ?? queueMicrotask
    this.#log = options.log ?? (() => {})
    this.#tips = new Listeners(this.#log)
    this.#statuses = new Listeners(this.#log)
    this.tip = this.#worldTip()
    world.onChange(() => {
      this.#look()
    })
  }

  onTip(listener: (tip: Tip) => void): Unsubscribe {
    const stop = this.#tips.add(listener)
    if (this.tip !== undefined) listener(this.tip)
    return stop
  }

  onStatus(listener: (status: ChainStatus) => void): Unsubscribe {
    return this.#statuses.add(listener)
  }

  watchScript(scriptPubKey: Uint8Array, watcher: ScriptWatcher): ScriptWatch {
    let resolveReady = (): void => {}
    const ready = new Promise<void>((resolve) => {
      resolveReady = resolve
    })
    const watch: Watch = {
      scriptPubKey: Uint8Array.from(scriptPubKey),
      watcher,
      ready: resolveReady,
      seen: undefined,
      isTold: false
    }
    this.#watches.add(watch)
    this.#look()
    return {
      ready,
      get isCurrent() {
        return watch.isTold
      },
      stop: () => {
        this.#watches.delete(watch)
      }
    }
  }

  async broadcast(transaction: Transaction): Promise<Verdict> {
    await this.#connected()
    return { txid: this.#world.broadcast(transaction), taken: 1, of: 1, refusals: [] }
  }

  async estimateFeeRate(_target: BlockDelta): Promise<FeeRate> {
    await this.#connected()
    return this.feeRate
  }

  async relayRates(): Promise<RelayRates> {
    await this.#connected()
    return { minimum: SAFE_RELAY_RATE, incremental: SAFE_RELAY_RATE }
  }

  /** Cuts this view off from the world: nothing is seen, calls wait. */
  disconnect(): void {
    for (const watch of this.#watches) watch.isTold = false
    this.#setStatus('down')
  }

  /** Sees the world again, and everything that has changed meanwhile. */
  reconnect(): void {
    this.#setStatus('synced')
    for (const go of this.#waiting.splice(0)) go()
    this.#look()
  }

  /** Histories first, then the tip; several changes at once are seen as one. */
  #look(): void {
    if (this.#scheduled || this.status === 'down') return
    this.#scheduled = true
    this.#schedule(() => {
      this.#scheduled = false
      if (this.status === 'down') return
      for (const watch of [...this.#watches]) this.#serve(watch)
      const tip = this.#worldTip()
      if (tip.hash === this.tip?.hash) return
      this.tip = tip
      this.#tips.emit(tip)
    })
  }

  #serve(watch: Watch): void {
    if (!this.#watches.has(watch)) return
    const history = this.#world.historyOf(watch.scriptPubKey)
    const seen = history
      .map(
        ({ transaction: { txid, raw }, height }) => `${txid}:${height ?? 'mempool'}:${toHex(raw)}`
      )
      .join()
    watch.isTold = true
    if (seen === watch.seen) return
    watch.seen = seen
    callSafely(this.#log, () => {
      watch.watcher.onHistory(history)
    })
    watch.ready()
  }

  #worldTip(): Tip {
    return { height: blockHeight(this.#world.height), hash: this.#world.tipHash }
  }

  #connected(): Promise<void> {
    if (this.status !== 'down') return Promise.resolve()
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
    })
  }

  #setStatus(status: ChainStatus): void {
    if (status === this.status) return
    this.status = status
    this.#statuses.emit(status)
  }
}
