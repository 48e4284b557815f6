/** The watches of the funding scripts: one for each channel that is not settled for good. */
import { toHex } from '../types/bytes.js'
import { messageOf } from '../types/errors.js'
import type { ChannelActor } from './channel-actor.js'
import { fundingHistory } from './funding-history.js'
import type { Chain, ChainTransaction, ScriptWatch } from './ports.js'

export class Watches {
  readonly #watches = new Map<ChannelActor, { readonly script: string, readonly watch: ScriptWatch }>()

  constructor (private readonly chain: Chain, private readonly onError: (actor: ChannelActor, error: Error) => void) {}

  /** Watches a channel's funding script; a second call for the same script returns the first watch. */
  watch (actor: ChannelActor, script: Uint8Array): ScriptWatch {
    const known = this.#watches.get(actor)
    if (known?.script === toHex(script)) return known.watch
    known?.watch.stop()
    const watch = this.chain.watchScript(script, {
      onHistory: (history) => { this.#deliver(actor, history) },
      onError: (error) => { this.onError(actor, error) }
    })
    this.#watches.set(actor, { script: toHex(script), watch })
    // A watch that fails is reported, and can be set up again; whoever waits for `ready` hears of it as well.
    watch.ready.catch((error: unknown) => {
      if (this.#watches.get(actor)?.watch === watch) this.#watches.delete(actor)
      this.onError(actor, error instanceof Error ? error : new Error(messageOf(error)))
    })
    return watch
  }

  get count (): number { return this.#watches.size }

  has (actor: ChannelActor): boolean {
    return this.#watches.has(actor)
  }

  stop (actor: ChannelActor): void {
    this.#watches.get(actor)?.watch.stop()
    this.#watches.delete(actor)
  }

  stopAll (): void {
    for (const { watch } of this.#watches.values()) watch.stop()
    this.#watches.clear()
  }

  #deliver (actor: ChannelActor, history: readonly ChainTransaction[]): void {
    const { state } = actor
    if (state.stage === 'established' || state.stage === 'refund-signed') actor.post({ type: 'history', history: fundingHistory(history, state.outPoint) })
  }
}
