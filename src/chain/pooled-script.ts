/**
 * One script, watched on several servers: hands on one history, and finds out who leaves something
 * out.
 */
import type { ScriptWatch, Unsubscribe } from '../engine/ports.js'
import type { Txid } from '../types/bytes.js'
import type { ProvedTransaction } from './history.js'
import { callSafely, type Log } from './listeners.js'
import {
  hiddenBy,
  isIn,
  isSameHistory,
  mergeHistories,
  type BlockLookup
} from './merge-histories.js'
import type { ProvedWatcher } from './script-watch.js'

/** One server, as far as a script needs it. */
export interface Member {
  readonly url: string
  /** False once it has been dropped. */
  readonly isUsed: boolean
  readonly watchScript: (scriptPubKey: Uint8Array, watcher: ProvedWatcher) => ScriptWatch
  /** The blocks of its own chain. */
  readonly blockAt: BlockLookup
}

export interface PooledScriptContext {
  readonly log: Log
  /** The blocks of the best chain. */
  readonly best: BlockLookup
  /** A server refuses or breaks the watch. Returns whether no other one is left to be watched. */
  readonly onError: (member: Member, error: Error) => boolean
  /**
   * A server leaves something out: have it asked once more (`askAgain`) later, if it has not heard
   * of it by then.
   */
  readonly onDifference: (script: PooledScript) => void
  /** Asked once more, it still leaves out what another one has proved. */
  readonly onOmission: (omission: Omission) => void
  /** Calls back when a watch that was refused is to be tried again. */
  readonly later: (callback: () => void) => Unsubscribe
  readonly onUnused: () => void
}

interface Entry {
  readonly watcher: ProvedWatcher
  served: boolean
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

interface View {
  readonly watch: ScriptWatch
  history: readonly ProvedTransaction[] | undefined
  /** Whether the history is its answer; else it is what it had proved before it was asked anew. */
  isTold: boolean
  /** Whether the server does not tell all of it, and says so: then it leaves nothing out. */
  isPart: boolean
  /** What it leaves out. */
  missing: Txid | undefined
  /** Whether it was asked anew because of that. */
  isAskedAgain: boolean
  cancelRetry: Unsubscribe
}

/** A server that leaves out what another one has proved. */
export interface Omission {
  readonly member: Member
  readonly hidden: ProvedTransaction
  readonly shownBy: Member
}

export class PooledScript {
  readonly #views = new Map<Member, View>()
  readonly #entries = new Set<Entry>()
  #merged: readonly ProvedTransaction[] | undefined
  #isOpen = false

  constructor(
    readonly scriptPubKey: Uint8Array,
    private readonly context: PooledScriptContext
  ) {}

  /**
   * Whether new blocks may change what counts, though no server has anything new to tell: then
   * `update` has to be called.
   */
  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Whether one of the servers that are used has told it since it was connected. */
  get isCurrent(): boolean {
    for (const [{ isUsed }, { watch }] of this.#views) if (isUsed && watch.isCurrent) return true
    return false
  }

  /**
   * Watches it on one more server; or anew, which takes back nothing that the server has proved.
   */
  attach(member: Member, missing?: Txid): void {
    const before = this.#views.get(member)
    before?.cancelRetry()
    before?.watch.stop()
    const view: View = {
      history: before?.history?.filter(({ block }) => block !== undefined),
      isTold: false,
      isPart: false,
      missing,
      isAskedAgain: missing !== undefined,
      cancelRetry: () => {},
      watch: member.watchScript(this.scriptPubKey, {
        onHistory: (history, isPart = false) => {
          if (this.#views.get(member) !== view) return
          view.history = history
          view.isTold = true
          view.isPart = isPart
          this.update()
        },
        onError: (error) => {
          if (this.#views.get(member) === view) this.#failed(member, error)
        },
        kept: (id) => this.#kept(id),
        outPoint: () => {
          for (const { watcher } of this.#entries) {
            const found = watcher.outPoint?.()
            if (found !== undefined) return found
          }
          return undefined
        },
        canWait: () => [...this.#entries].every(({ watcher }) => watcher.canWait?.() === true)
      })
    }
    this.#views.set(member, view)
    view.watch.ready.catch((error: unknown) => {
      if (this.#views.get(member) === view) {
        this.#refused(member, view, error instanceof Error ? error : new Error(String(error)))
      }
    })
  }

  add(watcher: ProvedWatcher): ScriptWatch {
    let settle: Pick<Entry, 'resolve' | 'reject'> = { resolve: () => {}, reject: () => {} }
    const ready = new Promise<void>((resolve, reject) => {
      settle = { resolve, reject }
    })
    ready.catch(() => {})
    const entry: Entry = { watcher, served: false, ...settle }
    this.#entries.add(entry)
    // Not at once: the caller does not have its handle yet.
    queueMicrotask(() => {
      if (this.#merged !== undefined) this.#serve(entry, this.#merged)
    })
    const isCurrent = (): boolean => this.isCurrent
    return {
      ready,
      get isCurrent() {
        return isCurrent()
      },
      stop: () => {
        this.#remove(entry)
      }
    }
  }

  /** Merges once more: a server has told something new, or there are other blocks. */
  update(): void {
    const { best } = this.context
    const views = [...this.#views].flatMap(([{ isUsed }, { history }]) =>
      history === undefined ? [] : [{ history, isUsed }]
    )
    if (views.length === 0) return
    const merged = mergeHistories(views, best)
    const isNews = this.#merged === undefined || !isSameHistory(merged, this.#merged)
    this.#merged = merged
    this.#isOpen = views.some(
      ({ history, isUsed }) =>
        history !== merged &&
        (history.some((each) => each.height !== undefined && !isIn(each, best)) ||
          (isUsed && hiddenBy(history, best, merged) !== undefined))
    )
    for (const entry of [...this.#entries]) if (isNews || !entry.served) this.#serve(entry, merged)
    for (const [member, view] of [...this.#views]) this.#compare(member, view)
  }

  /**
   * Asks those anew who leave out what another one has proved: a slow one may have been told of the
   * block before it looked.
   */
  askAgain(): void {
    for (const [member, { missing, isAskedAgain }] of [...this.#views]) {
      if (missing !== undefined && !isAskedAgain && member.isUsed) this.attach(member, missing)
    }
  }

  /** Nothing is tried any more. */
  stop(): void {
    for (const { cancelRetry } of this.#views.values()) cancelRetry()
  }

  /** Servers show the same transactions: what one has sent, or who watches keeps, is kept once. */
  #kept(id: Txid): Uint8Array | undefined {
    for (const { watcher } of this.#entries) {
      const raw = watcher.kept?.(id)
      if (raw !== undefined) return raw
    }
    for (const { history } of this.#views.values()) {
      const found = history?.find(({ transaction }) => transaction.txid === id)
      if (found !== undefined) return found.transaction.raw
    }
    return undefined
  }

  #compare(member: Member, view: View): void {
    if (!view.isTold || view.isPart || !member.isUsed || view.history === undefined) return
    const before = view.missing
    const hidden = hiddenBy(view.history, member.blockAt, this.#merged ?? [])
    const missing = hidden?.transaction.txid
    view.missing = missing
    if (before !== view.missing) view.isAskedAgain = false
    if (hidden === undefined) return
    const shownBy = [...this.#views].find(
      ([, { history }]) =>
        history?.some(
          ({ transaction, block }) => transaction.txid === missing && block === hidden.block
        ) === true
    )?.[0]
    if (view.isAskedAgain && shownBy !== undefined) {
      this.context.onOmission({ member, hidden, shownBy })
    } else this.context.onDifference(this)
  }

  /**
   * A server that cannot watch this script is still one to compare headers with, and to send to.
   */
  #refused(member: Member, view: View, error: Error): void {
    view.cancelRetry = this.context.later(() => {
      if (this.#views.get(member) === view && member.isUsed) this.attach(member)
    })
    if (!this.context.onError(member, error)) return
    for (const entry of [...this.#entries].filter(({ served }) => !served)) {
      entry.reject(error)
      this.#remove(entry)
    }
  }

  #failed(member: Member, error: Error): void {
    if (!this.context.onError(member, error)) return
    for (const { watcher } of [...this.#entries]) {
      callSafely(this.context.log, () => {
        watcher.onError(error)
      })
    }
  }

  #serve(entry: Entry, history: readonly ProvedTransaction[]): void {
    if (!this.#entries.has(entry)) return
    entry.served = true
    callSafely(this.context.log, () => {
      entry.watcher.onHistory(history)
    })
    entry.resolve()
  }

  #remove(entry: Entry): void {
    if (!this.#entries.delete(entry) || this.#entries.size > 0) return
    for (const { watch, cancelRetry } of this.#views.values()) {
      cancelRetry()
      watch.stop()
    }
    this.#views.clear()
    this.context.onUnused()
  }
}
