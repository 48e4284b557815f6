/**
 * The close scripts that a server gives to peers. They come from a chain of their own in the
 * wallet, always the lowest that no channel holds (OPEN-12): offers that come to nothing, however
 * many, move no address of the wallet, and the highest index is bounded by the channels that were
 * funded and OPEN-11.
 */
import type { Channel } from '../channel/state.js'
import { toHex, type ChannelId } from '../types/bytes.js'
import type { Wallet } from './ports.js'

export class CloseScripts {
  /** In hex. Also those of an earlier release, which come from another chain. */
  readonly #held = new Set<string>()
  /** No index below is free. */
  #lowest = 0
  readonly #indexes = new Map<string, number>()

  /** Of channels whose T1 has not been in a block. */
  readonly #unfunded = new Map<ChannelId, Uint8Array>()

  constructor(
    private readonly wallet: Pick<Wallet, 'closeScript' | 'recognise'>,
    private readonly onError: (channel: ChannelId, error: unknown) => void
  ) {}

  /** Holds the lowest that is free; to be given back when no channel comes of it. */
  take(): Uint8Array {
    for (let index = this.#lowest; ; index++) {
      const script = this.wallet.closeScript(index)
      const text = toHex(script)
      if (this.#held.has(text)) continue
      this.#lowest = index + 1
      this.#held.add(text)
      this.#indexes.set(text, index)
      return script
    }
  }

  giveBack(script: Uint8Array): void {
    const text = toHex(script)
    this.#held.delete(text)
    this.#lowest = Math.min(this.#lowest, this.#indexes.get(text) ?? 0)
    this.#indexes.delete(text)
  }

  /**
   * A channel begins, or comes from the store: nobody else is given its script, unless nothing
   * comes of it.
   */
  hold(channel: Channel): void {
    if (channel.role !== 'server' || !('terms' in channel)) return
    const { closeScript } = channel.terms.server
    this.#held.add(toHex(closeScript))
    this.#unfunded.set(channel.id, closeScript)
    this.observe(channel)
  }

  /** To be called after each step. What money can come to is watched from now on, and for good. */
  observe(channel: Channel): void {
    const script = this.#unfunded.get(channel.id)
    if (script === undefined) return
    if (channel.stage === 'abandoned') this.giveBack(script)
    else if (channel.stage === 'established' && channel.onChain.fundingHeight !== undefined) {
      this.wallet.recognise(script).catch((error: unknown) => {
        this.onError(channel.id, error)
      })
    } else return
    this.#unfunded.delete(channel.id)
  }
}
