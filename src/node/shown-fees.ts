/**
 * The feerates that callers are shown. One answer of the servers is for all of them, so that nobody
 * who asks this node spends what its servers allow it: publications need that.
 */
import type { Chain, Clock, Tip } from '../engine/ports.js'
import { satPerVByte } from '../types/units.js'
import { SHOWN_TARGETS } from '../wallet/fee-choice.js'
import type { Fees } from './api.js'

/** Milliseconds for which an answer holds, however fast blocks come. */
const LEAST_MS = 30_000

/** Milliseconds after which mempools are other ones, without a block too. */
const MOST_MS = 600_000

interface Asked {
  readonly answer: Promise<Fees>
  readonly at: number
  readonly tip: Tip | undefined
  failed: boolean
}

export class ShownFees {
  #asked: Asked | undefined
  readonly #chain: Pick<Chain, 'tip' | 'relayRates' | 'estimateFeeRate'>
  readonly #clock: Pick<Clock, 'now'>

  constructor(
    chain: Pick<Chain, 'tip' | 'relayRates' | 'estimateFeeRate'>,
    clock: Pick<Clock, 'now'>
  ) {
    this.#chain = chain
    this.#clock = clock
  }

  /**
   * The last answer of the servers, which are asked anew once there is another block and 30 s are
   * over, or 10 minutes. What failed is asked again with another block, or after 30 s.
   *
   * @throws PaychanError `ERR_CHAIN_UNAVAILABLE`
   */
  async now(): Promise<Fees> {
    if (this.#asked === undefined || this.#isOver(this.#asked)) this.#asked = this.#ask()
    return await this.#asked.answer
  }

  #isOver({ at, tip, failed }: Asked): boolean {
    // A clock that is set back must not keep an answer for ever.
    const age = Math.abs(this.#clock.now() - at)
    const isOtherBlock = tip?.hash !== this.#chain.tip?.hash
    return failed
      ? isOtherBlock || age >= LEAST_MS
      : (isOtherBlock && age >= LEAST_MS) || age >= MOST_MS
  }

  #ask(): Asked {
    const chain = this.#chain
    const clock = this.#clock
    const asked: Asked = { answer: feesOf(chain), at: clock.now(), tip: chain.tip, failed: false }
    asked.answer.catch(() => {
      asked.failed = true
    })
    return asked
  }
}

async function feesOf(chain: Pick<Chain, 'relayRates' | 'estimateFeeRate'>): Promise<Fees> {
  const { minimum } = await chain.relayRates()
  const estimates = await Promise.all(
    SHOWN_TARGETS.map(async (blocks) => ({
      blocks,
      satPerVByte: satPerVByte(await chain.estimateFeeRate(blocks))
    }))
  )
  return { leastSatPerVByte: satPerVByte(minimum), estimates }
}
