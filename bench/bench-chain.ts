/**
 * The port `Chain` for as many channels as a bench opens: one block for all that was sent, found by
 * script, and no judgement. (A `MemoryWorld` judges, and looks at everything for every
 * transaction.)
 */
import type { Transaction } from '../src/bitcoin/transaction.js'
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
} from '../src/engine/ports.js'
import { toHex, type Txid } from '../src/types/bytes.js'
import { blockHeight, feeRate, type FeeRate } from '../src/types/units.js'

/** 1 sat/vB, whatever it is. */
const RELAY_FEE_RATE = feeRate(1_000n)

export class BenchChain implements Chain {
  readonly status: ChainStatus = 'synced'
  tip: Tip = { height: blockHeight(0), hash: '00'.repeat(32) }
  readonly #transactions = new Map<Txid, Uint8Array>()
  /** By script. */
  readonly #sent = new Map<string, ChainTransaction>()
  readonly #watchers = new Map<string, Set<ScriptWatcher>>()
  readonly #tips = new Set<(tip: Tip) => void>()

  /** All that was sent, in its order. */
  get transactions(): readonly Uint8Array[] {
    return [...this.#transactions.values()]
  }

  /** Resolves once so many were sent. */
  async sent(count: number): Promise<void> {
    while (this.#transactions.size < count) {
      await new Promise<void>((resolve) => {
        setImmediate(resolve)
      })
    }
  }

  onTip(listener: (tip: Tip) => void): Unsubscribe {
    this.#tips.add(listener)
    listener(this.tip)
    return () => {
      this.#tips.delete(listener)
    }
  }

  onStatus(): Unsubscribe {
    return () => {}
  }

  watchScript(scriptPubKey: Uint8Array, watcher: ScriptWatcher): ScriptWatch {
    const script = toHex(scriptPubKey)
    const watchers = this.#watchers.get(script) ?? new Set()
    this.#watchers.set(script, watchers.add(watcher))
    queueMicrotask(() => {
      watcher.onHistory(this.#historyOf(script))
    })
    return {
      ready: Promise.resolve(),
      isCurrent: true,
      stop: () => {
        watchers.delete(watcher)
      }
    }
  }

  async broadcast(transaction: Transaction): Promise<Verdict> {
    const { txid: id, raw } = transaction
    // Both sides send it.
    const verdict: Verdict = { txid: id, taken: 1, of: 1, refusals: [] }
    if (this.#transactions.has(id)) return verdict
    this.#transactions.set(id, raw)
    for (const { script } of transaction.outputs) {
      this.#sent.set(toHex(script), { transaction, height: undefined })
      this.#tell(toHex(script))
    }
    return verdict
  }

  async estimateFeeRate(): Promise<FeeRate> {
    return RELAY_FEE_RATE
  }

  async relayRates(): Promise<RelayRates> {
    return { minimum: RELAY_FEE_RATE, incremental: RELAY_FEE_RATE }
  }

  /** The one block, with everything in it. */
  mine(): void {
    const height = blockHeight(1)
    for (const [script, sent] of this.#sent) this.#sent.set(script, { ...sent, height })
    for (const script of this.#watchers.keys()) this.#tell(script)
    this.tip = { height, hash: '01'.repeat(32) }
    for (const listener of [...this.#tips]) listener(this.tip)
  }

  #historyOf(script: string): ChainTransaction[] {
    const sent = this.#sent.get(script)
    return sent === undefined ? [] : [sent]
  }

  #tell(script: string): void {
    for (const watcher of [...(this.#watchers.get(script) ?? [])]) {
      watcher.onHistory(this.#historyOf(script))
    }
  }
}
