/** The watches of the funding scripts: one for each channel that is not settled for good. */
import { isVacant } from '../channel/unfunded.js'
import { toHex, type OutPoint, type Txid } from '../types/bytes.js'
import { messageOf } from '../types/errors.js'
import type { ChannelActor } from './channel-actor.js'
import { fundingHistory } from './funding-history.js'
import type { Chain, ChainTransaction, ScriptWatch, ScriptWatcher } from './ports.js'

/** `script`: in hex, which takes a third of what an array does. */
interface Watched {
  readonly script: string
  readonly watch: ScriptWatch
}

export class Watches {
  readonly #watches = new Map<ChannelActor, Watched>()

  constructor(
    private readonly chain: Chain,
    private readonly onError: (actor: ChannelActor, error: Error) => void
  ) {}

  /**
   * Watches a channel's funding script; a second call for the same script returns the first watch.
   */
  watch(actor: ChannelActor, scriptPubKey: Uint8Array): ScriptWatch {
    const known = this.#watches.get(actor)
    const script = toHex(scriptPubKey)
    if (known?.script === script) return known.watch
    known?.watch.stop()
    const watch = this.chain.watchScript(scriptPubKey, new FundingWatcher(actor, this.onError))
    this.#watches.set(actor, { script, watch })
    // A watch that fails is reported, and can be set up again; whoever waits for `ready` hears of
    // it as well.
    watch.ready.catch((error: unknown) => {
      if (this.#watches.get(actor)?.watch === watch) this.#watches.delete(actor)
      this.onError(actor, error instanceof Error ? error : new Error(messageOf(error)))
    })
    return watch
  }

  get count(): number {
    return this.#watches.size
  }

  has(actor: ChannelActor): boolean {
    return this.#watches.has(actor)
  }

  /** Whether a server tells this session what happens to a channel. */
  isCurrent(actor: ChannelActor | undefined): boolean {
    return actor !== undefined && this.#watches.get(actor)?.watch.isCurrent === true
  }

  stop(actor: ChannelActor): void {
    this.#watches.get(actor)?.watch.stop()
    this.#watches.delete(actor)
  }

  stopAll(): void {
    for (const { watch } of this.#watches.values()) watch.stop()
    this.#watches.clear()
  }
}

/** A class, since there are ten thousand of them: closures take three times the memory. */
class FundingWatcher implements ScriptWatcher {
  constructor(
    private readonly actor: ChannelActor,
    private readonly failed: (actor: ChannelActor, error: Error) => void
  ) {}

  onHistory(history: readonly ChainTransaction[]): void {
    const {
      actor,
      actor: { state }
    } = this
    if (state.stage === 'established' || state.stage === 'refund-signed') {
      actor.post({ type: 'history', history: fundingHistory(history, state.outPoint) })
    }
  }

  onError(error: Error): void {
    this.failed(this.actor, error)
  }

  /** Money comes first. */
  canWait(): boolean {
    return isVacant(this.actor.state)
  }

  outPoint(): OutPoint | undefined {
    const { state } = this.actor
    return state.stage === 'established' || state.stage === 'refund-signed'
      ? state.outPoint
      : undefined
  }

  /** T1. */
  kept(id: Txid): Uint8Array | undefined {
    const { state } = this.actor
    return state.stage === 'established' && state.outPoint.txid === id ? state.fundingTx : undefined
  }
}
