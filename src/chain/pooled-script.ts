/** One script, watched on several servers: hands on one history, and finds out who leaves something out. */
import type { ChainTransaction, ScriptWatch, ScriptWatcher } from '../engine/ports.js'
import { callSafely, type Log } from './listeners.js'
import { hiddenBy, mergeHistories, type ServerView } from './merge-histories.js'

/** One server, as far as a script needs it. */
export interface Member {
  readonly url: string
  /** False once it has been dropped. */
  readonly isUsed: boolean
  readonly watchScript: (scriptPubKey: Uint8Array, watcher: ScriptWatcher) => ScriptWatch
  /** Whether the block at this height of its chain is in the best chain. */
  readonly agrees: (height: number) => boolean
}

export interface PooledScriptContext {
  readonly log: Log
  /** A server refuses or breaks the watch. Returns whether no other one is left to be watched. */
  readonly onError: (member: Member, error: Error) => boolean
  /** The servers do not say the same: have a look again later. */
  readonly onDifference: (script: PooledScript) => void
  readonly onUnused: () => void
}

interface Entry {
  readonly watcher: ScriptWatcher
  served: boolean
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

interface View {
  readonly watch: ScriptWatch
  history: readonly ChainTransaction[] | undefined
}

/** A server that leaves out what another one has proved. */
export interface Omission { readonly member: Member, readonly transaction: ChainTransaction, readonly shownBy: Member }

export class PooledScript {
  readonly #views = new Map<Member, View>()
  readonly #entries = new Set<Entry>()
  #merged: readonly ChainTransaction[] | undefined
  #key = ''

  constructor (readonly scriptPubKey: Uint8Array, private readonly context: PooledScriptContext) {}

  /** Watches it on one more server. */
  attach (member: Member): void {
    this.#views.get(member)?.watch.stop()
    const view: View = {
      history: undefined,
      watch: member.watchScript(this.scriptPubKey, {
        onHistory: (history) => {
          view.history = history
          this.update()
        },
        onError: (error) => { this.#failed(member, error) }
      })
    }
    this.#views.set(member, view)
    view.watch.ready.catch((error: unknown) => {
      const reason = error instanceof Error ? error : new Error(String(error))
      if (!this.context.onError(member, reason)) return
      for (const entry of [...this.#entries].filter(({ served }) => !served)) {
        entry.reject(reason)
        this.#remove(entry)
      }
    })
  }

  add (watcher: ScriptWatcher): ScriptWatch {
    let settle: Pick<Entry, 'resolve' | 'reject'> = { resolve: () => {}, reject: () => {} }
    const ready = new Promise<void>((resolve, reject) => { settle = { resolve, reject } })
    ready.catch(() => {})
    const entry: Entry = { watcher, served: false, ...settle }
    this.#entries.add(entry)
    // Not at once: the caller does not have its handle yet.
    queueMicrotask(() => { if (this.#merged !== undefined) this.#serve(entry, this.#merged) })
    return { ready, stop: () => { this.#remove(entry) } }
  }

  /** Merges once more: a server has told something new, or another chain is the best one. */
  update (): void {
    const views = [...this.#views].flatMap(([member, { history }]): ServerView[] => history === undefined ? [] : [{ history, isUsed: member.isUsed, agrees: member.agrees }])
    if (views.length === 0) return
    const merged = mergeHistories(views)
    const key = merged.map(({ txid, height }) => `${txid}:${height ?? 'mempool'}`).join()
    const isNews = this.#merged === undefined || key !== this.#key
    this.#merged = merged
    this.#key = key
    for (const entry of [...this.#entries]) if (isNews || !entry.served) this.#serve(entry, merged)
    if (this.omissions().length > 0) this.context.onDifference(this)
  }

  /** Who leaves out what, of the servers that have told a history at all. */
  omissions (): Omission[] {
    const merged = this.#merged ?? []
    return [...this.#views].flatMap(([member, { history }]) => {
      if (history === undefined || !member.isUsed) return []
      const transaction = hiddenBy({ history, agrees: member.agrees, isUsed: true }, merged)
      const shownBy = transaction === undefined ? undefined : [...this.#views].find(([, view]) => view.history?.some(({ txid, height }) => txid === transaction.txid && height !== undefined) === true)?.[0]
      return transaction === undefined || shownBy === undefined ? [] : [{ member, transaction, shownBy }]
    })
  }

  #failed (member: Member, error: Error): void {
    if (!this.context.onError(member, error)) return
    for (const { watcher } of [...this.#entries]) callSafely(this.context.log, () => { watcher.onError(error) })
  }

  #serve (entry: Entry, history: readonly ChainTransaction[]): void {
    if (!this.#entries.has(entry)) return
    entry.served = true
    callSafely(this.context.log, () => { entry.watcher.onHistory(history) })
    entry.resolve()
  }

  #remove (entry: Entry): void {
    if (!this.#entries.delete(entry) || this.#entries.size > 0) return
    for (const { watch } of this.#views.values()) watch.stop()
    this.#views.clear()
    this.context.onUnused()
  }
}
