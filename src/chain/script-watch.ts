/**
 * One watched script: one subscription at the server, any number of watchers here. Follows the
 * server from session to session and hands every watcher the whole verified history whenever it
 * has changed.
 */
import type { SpendJudge } from '../bitcoin/owner-spend.js'
import {
  type Clock,
  contained,
  type Random,
  type ScriptWatch,
  type ScriptWatcher,
  type Unsubscribe
} from '../engine/ports.js'
import type { Allowance } from '../types/allowance.js'
import type { OutPoint } from '../types/bytes.js'
import { codeOf, messageOf } from '../types/errors.js'
import { type Backoff, backoffDelay, callSafely, type Log, type Slots, toLog } from './waiting.js'
import type { AnnouncedTip, HeaderSource } from './header-sync.js'
import type { HeaderChain } from './headers.js'
import {
  isTooLong,
  VerifiedHistory,
  type HistorySource,
  type ProvedTransaction
} from './history.js'
import { scriptHashOf } from './electrum/session.js'
import type { SharedFetches, UnprovedBudget } from './shared-costs.js'

/** The part of a server connection that a watch needs. */
export interface WatchSession extends HistorySource, HeaderSource {
  readonly isOpen: boolean
  close: (reason: Error) => void
  subscribeHeaders: () => Promise<AnnouncedTip>
  /** `script`: in hex. */
  subscribeScript: (script: string) => Promise<string | null>
}

export interface WatchContext {
  readonly headers: HeaderChain
  readonly clock: Clock
  readonly random: Random
  readonly retry: Backoff
  readonly log: Log
  /**
   * Limits how many of thousands of scripts are fetched at once: those that are done stay done when
   * the connection breaks.
   */
  readonly slots: Slots
  /** The looks that the server may cause by saying that histories have changed. */
  readonly allowance: Allowance
  /** The transactions that the scripts of the server have fetched. */
  readonly shared: SharedFetches
  /** The bytes that the server may have us keep though no block vouches for them. */
  readonly unproved: UnprovedBudget
  /** See `HistoryContext`. */
  readonly judge?: SpendJudge | undefined
  /** Brings our headers to the tip of this session's server. */
  readonly catchUp: (session: WatchSession) => Promise<void>
  /** Called when the last watcher of a script is gone. */
  readonly onUnused: (scriptHash: string) => void
}

/** A `ScriptWatcher` that may look at the blocks as well. */
export interface ProvedWatcher extends Pick<
  ScriptWatcher,
  'onError' | 'kept' | 'known' | 'canWait' | 'outPoint'
> {
  /** `isPart`: the history only covers `outPoint`, since the server tells no more. */
  readonly onHistory: (history: readonly ProvedTransaction[], isPart?: boolean) => void
}

/** The first answer that one of the watchers has. */
export function firstOf<T>(
  entries: Iterable<{ readonly watcher: ProvedWatcher }>,
  ask: (watcher: ProvedWatcher) => T | undefined
): T | undefined {
  for (const { watcher } of entries) {
    const answer = ask(watcher)
    if (answer !== undefined) return answer
  }
  return undefined
}

/** One watcher, and its watch: a class, since closures would keep more than they need. */
class Entry implements ScriptWatch {
  readonly ready: Promise<void>
  /** The caller that waits for the first history; undefined once there was one. */
  waiting: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined
  readonly #script: WatchedScript

  constructor(
    readonly watcher: ProvedWatcher,
    script: WatchedScript
  ) {
    this.#script = script
    this.ready = new Promise((resolve, reject) => {
      this.waiting = { resolve, reject }
    })
    // Who does not look at `ready` must not have the process ended by it.
    this.ready.catch(() => {})
  }

  get isCurrent(): boolean {
    return this.#script.isCurrent
  }

  stop(): void {
    this.#script.remove(this)
  }
}

/** So many transactions that wait are as much work as a look. */
const WAITING_A_LOOK = 10

/** Number of fetches of a history that changes meanwhile, before it is handed on. */
const MAX_ROUNDS = 3

/** One of ten thousand scripts: an idle one shall take little memory. */
export class WatchedScript {
  readonly scriptHash: string
  readonly #context: WatchContext
  readonly #verified: VerifiedHistory
  /** The watchers, nearly always one. */
  #entries: readonly Entry[] = []
  #session: WatchSession | undefined
  #subscribed: WatchSession | undefined
  /** The session in which the history was told, as long as nothing has failed since. */
  #told: WatchSession | undefined
  #history: readonly ProvedTransaction[] | undefined
  /** Reasons to fetch so far, and how many of them the last fetch has seen. */
  #reasons = 1
  #met = 0
  #working: Promise<void> | undefined
  /** The server has said that the history has changed, above its allowance. */
  #isPostponed = false
  #failures = 0
  #cancelRetry: Unsubscribe | undefined

  constructor(scriptPubKey: Uint8Array, context: WatchContext) {
    this.scriptHash = scriptHashOf(scriptPubKey)
    this.#context = context
    this.#verified = new VerifiedHistory(scriptPubKey, context.unproved)
  }

  /** True when the history is known as the server of this session has it. */
  get isKnown(): boolean {
    return (
      this.#history !== undefined &&
      this.#session?.isOpen === true &&
      this.#subscribed === this.#session &&
      !this.#isStale() &&
      !this.#isPostponed &&
      this.#working === undefined
    )
  }

  /** See `ScriptWatch`. A history that is looked up again after a block stays current meanwhile. */
  get isCurrent(): boolean {
    return this.#told !== undefined && this.#told === this.#session && this.#told.isOpen
  }

  /** True when other scripts come first. */
  get canWait(): boolean {
    return this.#entries.every(({ watcher }) => watcher.canWait?.() === true)
  }

  add(watcher: ProvedWatcher): ScriptWatch {
    const entry = new Entry(watcher, this)
    this.#entries = [...this.#entries, entry]
    // Not at once: the caller does not have its handle yet.
    queueMicrotask(() => {
      if (this.#history !== undefined && this.#verified.holds(this.#context.headers)) {
        this.#serve(entry, this.#history)
      }
    })
    this.#work()
    return entry
  }

  /** Called when a connection stands: subscribes and looks for changes. */
  attach(session: WatchSession): void {
    this.#session = session
    this.#refresh()
  }

  detach(): void {
    this.#session = undefined
    this.#cancelRetry?.()
  }

  /**
   * Called when the server says that the history has changed, which costs it nothing: above its
   * allowance the look waits (COST-8). A block does not.
   */
  statusChanged(): void {
    // A look that has not begun will see it.
    if (this.#isStale()) return
    const { allowance, clock } = this.#context
    const waitMs = allowance.take(clock.now(), 1 + this.#waiting / WAITING_A_LOOK)
    if (waitMs === 0) {
      this.#refresh()
      return
    }
    this.#isPostponed = true
    this.#cancelRetry?.()
    this.#cancelRetry = clock.after(waitMs, () => {
      this.statusChanged()
    })
  }

  /** Number of transactions of the history that wait for a block. */
  get #waiting(): number {
    return this.#history?.filter(({ height }) => height === undefined).length ?? 0
  }

  /** Called when our chain has other blocks than before from this height on. */
  blocksReplaced(from: number): void {
    if (this.#history?.some(({ height }) => height !== undefined && height >= from) === true) {
      this.#refresh()
    }
  }

  /**
   * Called after a new block: resolves once all histories known to be changing have been fetched. A
   * mempool transaction may be in the block, so it is looked up without waiting for the server to
   * say so; and what the server has said above its allowance may be of the block.
   */
  settled(): Promise<void> | undefined {
    const waits = this.#history?.some(({ height }) => height === undefined) === true
    // There may be room again for what was left out.
    if (waits || this.#verified.isCut || this.#isPostponed) this.#refresh()
    return this.#working
  }

  #refresh(): void {
    this.#reasons++
    this.#work()
  }

  #isStale(): boolean {
    return this.#reasons !== this.#met
  }

  #work(): void {
    if (
      this.#working !== undefined ||
      this.#session?.isOpen !== true ||
      !this.#isStale() ||
      this.#entries.length === 0
    ) {
      return
    }
    this.#cancelRetry?.()
    this.#isPostponed = false
    const { slots, log } = this.#context
    this.#working = contained(async () => {
      try {
        await slots.run(async () => {
          await this.#fetchWhileStale()
        })
      } finally {
        this.#working = undefined
        this.#work()
      }
    }, toLog(log))
  }

  async #fetchWhileStale(): Promise<void> {
    for (let round = 1; this.#isStale() && this.#entries.length > 0; round++) {
      const session = this.#session
      if (session?.isOpen !== true) return
      this.#met = this.#reasons
      const tip = this.#context.headers.tip.hash
      try {
        await this.#subscribe(session)
        const history = await this.#verified.load({
          source: session,
          headers: this.#context.headers,
          shared: this.#context.shared,
          judge: this.#context.judge,
          catchUp: () => this.#context.catchUp(session),
          kept: (id) => firstOf(this.#entries, (watcher) => watcher.kept?.(id)),
          known: (id) => firstOf(this.#entries, (watcher) => watcher.known?.(id)),
          outPoint: () => this.#outPoint()
        })
        if (session !== this.#session) continue
        if (!this.#verified.holds(this.#context.headers)) this.#reasons++
        else if (!this.#isStale() || round >= MAX_ROUNDS) this.#deliver(history, session)
        if (this.#isStale() && round >= MAX_ROUNDS) return this.#retryLater()
      } catch (error) {
        if (!(await this.#movedMeanwhile(session, tip, round, error))) {
          return this.#failed(error instanceof Error ? error : new Error(messageOf(error)))
        }
        this.#reasons++
      }
    }
  }

  #outPoint(): OutPoint | undefined {
    return firstOf(this.#entries, (watcher) => watcher.outPoint?.())
  }

  async #subscribe(session: WatchSession): Promise<void> {
    if (this.#subscribed === session) return
    try {
      await session.subscribeScript(this.#verified.script)
    } catch (error) {
      // ElectrumX watches no script whose history it does not tell; it may tell what becomes of one
      // output.
      if (
        session.outPointHistory === undefined ||
        this.#outPoint() === undefined ||
        !isTooLong(error)
      ) {
        throw error
      }
    }
    this.#subscribed = session
  }

  /**
   * True when a failure is nobody's fault: the session has ended (the next one starts afresh), or a
   * transaction or a block came while the history was fetched piece by piece.
   */
  async #movedMeanwhile(
    session: WatchSession,
    tip: string,
    round: number,
    error: unknown
  ): Promise<boolean> {
    if (session !== this.#session || !session.isOpen) return true
    if (this.#subscribed !== session || round >= MAX_ROUNDS) return false
    if (this.#isStale()) return true
    return codeOf(error) === 'ERR_CHAIN_LIED' && (await this.#tipMoved(session, tip))
  }

  async #tipMoved(session: WatchSession, before: string): Promise<boolean> {
    try {
      await this.#context.catchUp(session)
      return this.#context.headers.tip.hash !== before
    } catch {
      return false
    }
  }

  #deliver(history: readonly ProvedTransaction[], session: WatchSession): void {
    this.#failures = 0
    this.#told = session
    const changed =
      keyOf(history) !== (this.#history === undefined ? undefined : keyOf(this.#history))
    this.#history = history
    for (const entry of this.#entries) {
      if (changed || entry.waiting !== undefined) this.#serve(entry, history)
    }
  }

  #serve(entry: Entry, history: readonly ProvedTransaction[]): void {
    if (!this.#entries.includes(entry)) return
    const { waiting } = entry
    entry.waiting = undefined
    callSafely(this.#context.log, () => {
      entry.watcher.onHistory(history, this.#verified.isPart)
    })
    waiting?.resolve()
  }

  #failed(error: Error): void {
    this.#told = undefined
    if (codeOf(error) === 'ERR_ELECTRUM_REFUSED' && this.#subscribed !== this.#session) {
      for (const entry of this.#entries.filter(({ waiting }) => waiting !== undefined)) {
        this.#context.log(`A watch could not be set up: ${error.message}`)
        entry.waiting?.reject(error)
        this.remove(entry)
      }
    }
    this.#context.log(`The watch of script ${this.scriptHash} failed: ${error.message}`)
    this.#tellError(error)
    this.#retryLater()
  }

  #tellError(error: Error): void {
    for (const { watcher } of this.#entries) {
      callSafely(this.#context.log, () => {
        watcher.onError(error)
      })
    }
  }

  #retryLater(): void {
    // Only the timer, the server or a new session starts it again.
    this.#met = this.#reasons
    this.#cancelRetry?.()
    if (this.#entries.length === 0) return
    this.#cancelRetry = this.#context.clock.after(
      backoffDelay(this.#context.retry, this.#failures++, this.#context.random),
      () => {
        this.#refresh()
      }
    )
  }

  /** Ends a watch; the last one ends the subscription. */
  remove(entry: Entry): void {
    if (!this.#entries.includes(entry)) return
    this.#entries = this.#entries.filter((each) => each !== entry)
    if (this.#entries.length > 0) return
    this.#cancelRetry?.()
    this.#verified.end()
    this.#context.onUnused(this.scriptHash)
  }
}

/**
 * Identifies a history, with blocks by their hash: after a reorganisation a transaction may be at
 * the same height, in another block.
 */
function keyOf(history: readonly ProvedTransaction[]): string {
  return history.map(({ transaction, block }) => `${transaction.txid}:${block ?? 'mempool'}`).join()
}
