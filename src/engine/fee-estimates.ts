/** What a transaction has to pay: asked for with every block, so that transitions have it at hand. */
import { messageOf } from '../types/errors.js'
import { blockDelta, max, type FeeRate } from '../types/units.js'
import type { Chain } from './ports.js'

/** A confirmation within an hour. */
const FEE_TARGET = blockDelta(6)
const NEXT_BLOCK = blockDelta(1)

export class FeeEstimates {
  #hour: FeeRate
  #nextBlock: FeeRate

  /** `initial`: until the chain has been asked. */
  constructor (private readonly chain: Pick<Chain, 'estimateFeeRate'>, initial: FeeRate, private readonly onMissing: (text: string) => void) {
    this.#hour = initial
    this.#nextBlock = initial
  }

  get current (): { readonly feeRate: FeeRate, readonly nextBlockRate: FeeRate } {
    return { feeRate: this.#hour, nextBlockRate: this.#nextBlock }
  }

  /** Never rejects: without an answer the last one stays in use. */
  async refresh (): Promise<void> {
    try {
      this.#hour = await this.chain.estimateFeeRate(FEE_TARGET)
      this.#nextBlock = max(this.#hour, await this.chain.estimateFeeRate(NEXT_BLOCK))
    } catch (error) {
      this.onMissing(`The last fee estimate stays in use: ${messageOf(error)}`)
    }
  }
}
