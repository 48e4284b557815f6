/**
 * One script, watched on several servers: merges their histories into one, and finds servers that
 * leave something out.
 */
import type { Transaction } from '../bitcoin/transaction.js'
import type { ScriptWatch, Unsubscribe } from '../engine/ports.js'
import { outPointText, sameBytes, type Txid } from '../types/bytes.js'
import type { ElectrumChain, ElectrumChainInit } from './chain.js'
import type { ProvedTransaction } from './history.js'
import { callSafely, type Log } from './waiting.js'
import type { Said } from './fees.js'
import { firstOf, type ProvedWatcher } from './script-watch.js'

/** The part of a server that a script needs. */
export interface Member {
  readonly url: string
  /** False once it has been dropped. */
  readonly isUsed: boolean
  /** False while it cannot be reached. */
  readonly isUp: boolean
  readonly watchScript: (scriptPubKey: Uint8Array, watcher: ProvedWatcher) => ScriptWatch
  /** The blocks of its own chain. */
  readonly blockAt: BlockLookup
}

export interface PooledScriptContext {
  readonly log: Log
  /** The blocks of the best chain. */
  readonly best: BlockLookup
  /** Called when a server refuses or breaks the watch. Returns true when no other one is left. */
  readonly onError: (member: Member, error: Error) => boolean
  /**
   * Called when a server leaves something out: it is to be asked again later (`askAgain`), if it
   * has not heard of the transaction by then.
   */
  readonly onDifference: (script: PooledScript) => void
  /** Called when a server that was asked again still leaves out what another one has proved. */
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
  /** The transactions of `history` by txid, once one is asked for. */
  byTxid: ReadonlyMap<Txid, Transaction> | undefined
  /** True when the history is the server's answer, not its proofs from before it was asked anew. */
  isTold: boolean
  /** True when the server admits that it does not tell all: then it leaves nothing out. */
  isPart: boolean
  /** The transaction that the server leaves out. */
  missing: Txid | undefined
  /** True when the server was asked anew because of `missing`. */
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
  readonly #context: PooledScriptContext

  constructor(
    readonly scriptPubKey: Uint8Array,
    context: PooledScriptContext
  ) {
    this.#context = context
  }

  /**
   * True when new blocks may change what counts, though no server has anything new to tell: then
   * `update` has to be called.
   */
  get isOpen(): boolean {
    return this.#isOpen
  }

  /** True when one of the servers in use has told the history since it was connected. */
  get isCurrent(): boolean {
    for (const [{ isUsed }, { watch }] of this.#views) if (isUsed && watch.isCurrent) return true
    return false
  }

  /** True when all servers in use that can be reached have told the history. */
  get isToldByAll(): boolean {
    for (const [{ isUsed, isUp }, { isTold }] of this.#views) {
      if (isUsed && isUp && !isTold) return false
    }
    return this.isCurrent
  }

  /** Watches it on one more server, or anew: that takes back nothing that the server has proved. */
  attach(member: Member, missing?: Txid): void {
    const before = this.#views.get(member)
    before?.cancelRetry()
    before?.watch.stop()
    const view: View = {
      history: before?.history?.filter(({ block }) => block !== undefined),
      byTxid: undefined,
      isTold: false,
      isPart: false,
      missing,
      isAskedAgain: missing !== undefined,
      cancelRetry: () => {},
      watch: member.watchScript(this.scriptPubKey, {
        onHistory: (history, isPart = false) => {
          view.history = history
          view.byTxid = undefined
          view.isTold = true
          view.isPart = isPart
          this.update()
        },
        onError: (error) => {
          if (this.#views.get(member) === view) this.#failed(member, error)
        },
        kept: (id) => this.#kept(id),
        // Not what another server has shown: a witness is this server's word, and each is heard.
        known: (id) => firstOf(this.#entries, (watcher) => watcher.known?.(id)),
        outPoint: () => firstOf(this.#entries, (watcher) => watcher.outPoint?.()),
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
    const isToldByAll = (): boolean => this.isToldByAll
    return {
      ready,
      get isCurrent() {
        return isCurrent()
      },
      get isToldByAll() {
        return isToldByAll()
      },
      stop: () => {
        this.#remove(entry)
      }
    }
  }

  /** Merges again: a server has told something new, or there are other blocks. */
  update(): void {
    const { best } = this.#context
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
   * Asks servers anew that leave out what another one has proved: a slow server may have been told
   * of the block before it looked.
   */
  askAgain(): void {
    for (const [member, { missing, isAskedAgain }] of [...this.#views]) {
      if (missing !== undefined && !isAskedAgain && member.isUsed) this.attach(member, missing)
    }
  }

  /** Stops all attempts. */
  stop(): void {
    for (const { cancelRetry } of this.#views.values()) cancelRetry()
  }

  /** Bytes of a transaction that a server has sent or a watcher keeps: they are kept once. */
  #kept(id: Txid): Uint8Array | undefined {
    const own = firstOf(this.#entries, (watcher) => watcher.kept?.(id))
    if (own !== undefined) return own
    for (const view of this.#views.values()) {
      view.byTxid ??= new Map(
        view.history?.map(({ transaction }) => [transaction.txid, transaction])
      )
      const found = view.byTxid.get(id)
      if (found !== undefined) return found.raw
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
      this.#context.onOmission({ member, hidden, shownBy })
    } else this.#context.onDifference(this)
  }

  /** Handles a refusal. The server still serves to compare headers with, and to send to. */
  #refused(member: Member, view: View, error: Error): void {
    view.cancelRetry = this.#context.later(() => {
      if (this.#views.get(member) === view && member.isUsed) this.attach(member)
    })
    if (!this.#context.onError(member, error)) return
    for (const entry of [...this.#entries].filter(({ served }) => !served)) {
      entry.reject(error)
      this.#remove(entry)
    }
  }

  #failed(member: Member, error: Error): void {
    if (!this.#context.onError(member, error)) return
    for (const { watcher } of [...this.#entries]) {
      callSafely(this.#context.log, () => {
        watcher.onError(error)
      })
    }
  }

  #serve(entry: Entry, history: readonly ProvedTransaction[]): void {
    if (!this.#entries.has(entry)) return
    entry.served = true
    callSafely(this.#context.log, () => {
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
    this.#context.onUnused()
  }
}

/*
 * Merges what several servers say about one script into one history. No server can hide what
 * another has proved: a transaction in a block of the best chain counts whoever shows it. Pure.
 */

/** The hash of the block at a height of some chain; undefined where it has none. */
export type BlockLookup = (height: number) => string | undefined

/** The history that one server tells. */
export interface ServerView {
  /** In the server's order, each confirmation proved against the header of its block. */
  readonly history: readonly ProvedTransaction[]
  /** False for a server that is no longer trusted: then only its proved transactions count. */
  readonly isUsed: boolean
}

/**
 * Merges histories: all that is proved to be in the best chain, by height; then mempool
 * transactions that can still come into a block, each server's in its own order, with the number of
 * servers in use that show it. (A proof is of a block, not of a height: a server that changes to
 * another branch has proved nothing there yet.)
 */
export function mergeHistories(
  views: readonly ServerView[],
  best: BlockLookup
): readonly ProvedTransaction[] {
  const [only] = views
  if (
    only !== undefined &&
    views.length === 1 &&
    only.isUsed &&
    only.history.every((each) => each.height === undefined || isIn(each, best))
  ) {
    return only.history
  }
  const confirmed = new Variants()
  const waiting = new Variants()
  const undone: ProvedTransaction[] = []
  for (const { history, isUsed } of views) {
    for (const each of history) {
      if (isIn(each, best)) {
        confirmed.add(each)
      } else if (isUsed && each.height === undefined) {
        waiting.add({ ...each, shownBy: 1 })
      } else if (isUsed) {
        undone.push({ transaction: each.transaction, height: undefined, shownBy: 1 })
      }
    }
  }
  // Witnesses, which a proof says nothing of, were only checked where the transaction waits.
  for (const each of undone) waiting.count(each)
  const spent = new Set(confirmed.all().flatMap(inputsOf))
  const gone = new Set<Txid>()
  for (const each of waiting.all()) {
    // One server has not heard yet that something else has been mined in its place.
    if (
      !confirmed.has(each.transaction.txid) &&
      inputsOf(each).some((input) => spent.has(input) || gone.has(input.slice(0, 64) as Txid))
    ) {
      gone.add(each.transaction.txid)
    }
  }
  return [
    ...confirmed.all().sort((a, b) => (a.height ?? 0) - (b.height ?? 0)),
    ...waiting.all().filter(({ transaction: { txid } }) => !confirmed.has(txid) && !gone.has(txid))
  ]
}

/**
 * Transactions by txid, which does not cover the witness. When servers show different witnesses for
 * one txid, each is kept; else the last server to answer could hide what another one shows.
 */
class Variants {
  readonly #byTxid = new Map<Txid, ProvedTransaction[]>()

  has(txid: Txid): boolean {
    return this.#byTxid.has(txid)
  }

  /** Adds the same bytes once, with the number of servers that show them. */
  add(each: ProvedTransaction): void {
    const { txid } = each.transaction
    const those = this.#byTxid.get(txid) ?? []
    const known = those.findIndex(({ transaction }) => isSame(transaction, each.transaction))
    if (known === -1) those.push(each)
    else this.#countAt(those, known)
    this.#byTxid.set(txid, those)
  }

  /** Counts one more server; its bytes only count when no server shows others. */
  count(each: ProvedTransaction): void {
    const those = this.#byTxid.get(each.transaction.txid)
    if (those === undefined) this.add(each)
    else this.#countAt(those, 0)
  }

  all(): ProvedTransaction[] {
    return [...this.#byTxid.values()].flat()
  }

  #countAt(those: ProvedTransaction[], index: number): void {
    const known = those[index]
    if (known?.shownBy !== undefined) those[index] = { ...known, shownBy: known.shownBy + 1 }
  }
}

/** True when two histories are equal, also in what no proof covers: `shownBy` and the witness. */
export function isSameHistory(
  one: readonly ProvedTransaction[],
  other: readonly ProvedTransaction[]
): boolean {
  return (
    one.length === other.length &&
    one.every((each, i) => {
      const its = other[i]
      return (
        its !== undefined &&
        its.block === each.block &&
        (its.shownBy ?? 1) === (each.shownBy ?? 1) &&
        isSame(its.transaction, each.transaction)
      )
    })
  )
}

/** True when the witnesses are the same as well. */
function isSame({ raw }: Transaction, other: Transaction): boolean {
  return raw === other.raw || sameBytes(raw, other.raw)
}

/** True when a transaction is proved to be in a block of this chain. */
function isIn({ height, block }: ProvedTransaction, chain: BlockLookup): boolean {
  return height !== undefined && block !== undefined && chain(height) === block
}

/**
 * A transaction that one of the servers has proved in the best chain, in a block that another
 * server has too, and that is missing in the other's history.
 */
export function hiddenBy(
  history: readonly ProvedTransaction[],
  theirs: BlockLookup,
  merged: readonly ProvedTransaction[]
): ProvedTransaction | undefined {
  const shown = new Set(history.map(({ transaction }) => transaction.txid))
  return merged.find((each) => isIn(each, theirs) && !shown.has(each.transaction.txid))
}

function inputsOf({ transaction }: ProvedTransaction): string[] {
  return transaction.inputs.map(({ outPoint }) => outPointText(outPoint))
}

/* One server of a pool: the chain that follows it, and our record of the server. */

export type ServerAddress = Pick<ElectrumChainInit, 'url' | 'tls'>

export class PoolServer implements Member {
  readonly url: string
  /** The reason why the server was dropped. */
  fault: Error | undefined
  /** While the server is behind: the work that its chain has to reach. */
  lag: { readonly work: bigint; readonly cancel: Unsubscribe } | undefined
  /** The time at which the server was last seen to be there. */
  thereAt: number | undefined
  /** The server's last answer to each question about fees, and its time. */
  readonly said = new Map<string, Said>()
  /** The time at which the server was dropped, and the one at which it is to be tried again. */
  droppedAt = 0
  retry: { readonly at: number; readonly cancel: Unsubscribe } | undefined

  /** @param chain - another one after it was dropped */
  constructor(
    readonly address: ServerAddress,
    public chain: ElectrumChain
  ) {
    this.url = address.url
  }

  get isUsed(): boolean {
    return this.fault === undefined
  }

  get isUp(): boolean {
    return this.chain.status !== 'down'
  }

  watchScript(scriptPubKey: Uint8Array, watcher: ProvedWatcher): ScriptWatch {
    return this.chain.watchScript(scriptPubKey, watcher)
  }

  readonly blockAt = (height: number): string | undefined => this.chain.headers.hashAt(height)
}

/** The work of the chain that a server has shown. */
export function workOf({ chain }: PoolServer): bigint {
  return chain.tip === undefined ? 0n : chain.headers.workUpTo(chain.tip.height)
}
