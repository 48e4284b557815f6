/**
 * The chain of a world as the two sides of a channel look at it. The digests of what spends a
 * funding output are checked by code that shares nothing with src/bitcoin.
 */
import type { FundingOutput } from '../../src/bitcoin/template.js'
import { parseTransaction, type Transaction } from '../../src/bitcoin/transaction.js'
import type { FundingHistory } from '../../src/channel/events.js'
import { SimChain } from '../../src/testing/chain.js'
import type { SimTransaction } from '../../src/testing/mempool.js'
import { outPointText, toHex, type OutPoint, type Txid } from '../../src/types/bytes.js'
import { PaychanError } from '../../src/types/errors.js'
import type { RefusalKind } from '../../src/types/refusals.js'
import { blockHeight, type BlockHeight } from '../../src/types/units.js'
import { faultOfSpend, scriptOf } from './side.js'

export type Outcome = { readonly txid: Txid } | { readonly refused: RefusalKind }

interface KnownTransaction {
  readonly raw: Uint8Array
  readonly parsed: Transaction
  readonly fee: bigint
  readonly height: BlockHeight | undefined
}

/** Blocks before a test begins: any of them can be undone. */
const BLOCKS = 100

export class JudgedChain {
  /** Blocks leave out what pays less, in satoshis per 1,000 vB. */
  lowestFeeRate = 0n
  /** The output whose spends need the signatures of both sides. */
  funding: FundingOutput | undefined
  /** How many servers show what waits. */
  servers = 1
  readonly #sim: SimChain

  constructor(height: BlockHeight) {
    this.#sim = new SimChain({
      start: height - BLOCKS,
      rateAt: () => Number(this.lowestFeeRate) / 1_000,
      judge: (transaction) => this.#faultOf(transaction)
    })
    this.#sim.mine(BLOCKS)
  }

  get height(): BlockHeight {
    return blockHeight(this.#sim.height)
  }

  /** A coin that a T1 can spend. */
  addCoin(outPoint: OutPoint, value: bigint): void {
    this.#sim.mint(toHex(scriptOf('coin')), Number(value), outPoint)
  }

  broadcast(raw: Uint8Array): Outcome {
    try {
      return { txid: this.#sim.broadcast(parseTransaction(raw)) }
    } catch (error) {
      if (!(error instanceof PaychanError) || error.code !== 'ERR_BROADCAST_REFUSED') throw error
      return { refused: error.facts.kind as RefusalKind }
    }
  }

  mine(blocks = 1): void {
    this.#sim.mine(blocks)
  }

  mineTo(height: BlockHeight): void {
    this.mine(height - this.height)
  }

  /**
   * The last blocks are replaced by one more, all of them empty; what they held waits in the
   * mempool again, or is lost.
   */
  reorg(depth: number, drops: readonly Txid[] = []): void {
    if (depth > 0) this.#sim.reorg(depth, { refills: false, drops, keepsEarly: true })
    else {
      this.#sim.drop(...drops)
      this.#sim.mine(1, { empty: true })
    }
  }

  /** T1, and what spends its output. */
  history(outPoint: OutPoint): FundingHistory {
    const funding = known(this.#sim.transaction(outPoint.txid))
    const spend = this.spendOf(outPoint)
    return {
      funding: funding && { transaction: funding.parsed, height: funding.height },
      spends:
        spend === undefined
          ? []
          : [{ transaction: spend.parsed, height: spend.height, shownBy: this.servers }],
      strays: []
    }
  }

  /** The transaction that spends the funding output, and its fee. */
  spendOf(outPoint: OutPoint): KnownTransaction | undefined {
    return known(this.#sim.spenderOf(outPointText(outPoint)))
  }

  #faultOf({ transaction, inputs }: SimTransaction): string | undefined {
    const { funding } = this
    if (funding === undefined || transaction === undefined) return undefined
    const spent = outPointText(funding.outPoint)
    return inputs.some(({ outPoint }) => outPoint === spent)
      ? faultOfSpend(transaction.raw, funding)
      : undefined
  }
}

function known(shown: SimTransaction | undefined): KnownTransaction | undefined {
  if (shown?.transaction === undefined) return undefined
  const { transaction: parsed, fee, height } = shown
  return {
    raw: parsed.raw,
    parsed,
    fee: BigInt(fee),
    height: height === undefined ? undefined : blockHeight(height)
  }
}
