/** What a transaction has to pay: asked for with every block, so that transitions have it at hand. */
import { messageOf } from '../types/errors.js'
import { blockDelta, max, type FeeRate } from '../types/units.js'
import type { Chain } from './ports.js'

/** A confirmation within an hour. */
const FEE_TARGET = blockDelta(6)
const NEXT_BLOCK = blockDelta(1)
/** Four weeks of blocks. */
const MOST_HISTORY = 4_032

export class FeeEstimates {
  #hour: FeeRate
  #nextBlock: FeeRate
  /** Since the node was started. */
  readonly #history: FeeRate[] = []

  /** `initial`: until the chain has been asked. */
  constructor (private readonly chain: Pick<Chain, 'estimateFeeRate'>, initial: FeeRate, private readonly onMissing: (text: string) => void) {
    this.#hour = initial
    this.#nextBlock = initial
  }

  get current (): { readonly feeRate: FeeRate, readonly nextBlockRate: FeeRate, readonly feeHistory: readonly FeeRate[] } {
    return { feeRate: this.#hour, nextBlockRate: this.#nextBlock, feeHistory: this.#history }
  }

  /** Never rejects: without an answer the last one stays in use. */
  async refresh (): Promise<void> {
    try {
      this.#hour = await this.chain.estimateFeeRate(FEE_TARGET)
      this.#nextBlock = max(this.#hour, await this.chain.estimateFeeRate(NEXT_BLOCK))
      this.#history.push(this.#nextBlock)
      if (this.#history.length > MOST_HISTORY) this.#history.shift()
    } catch (error) {
      this.onMissing(`The last fee estimate stays in use: ${messageOf(error)}`)
    }
  }
}
