/**
 * A chain of one's own, in a few rules: no double spend, nLockTime, minimum relay fee, BIP125 rule
 * 4 (1 sat/vB more than what is replaced), dust, and valid signatures of both sides on every spend
 * of a funding output. Blocks take what is in the mempool and pays enough.
 */
import { dustLimit } from '../../src/bitcoin/sizes.js'
import type { FundingOutput } from '../../src/bitcoin/template.js'
import { parseTransaction, type Transaction } from '../../src/bitcoin/transaction.js'
import type { FundingHistory } from '../../src/channel/events.js'
import { outPointText, sameOutPoint, type OutPoint, type Txid } from '../../src/types/bytes.js'
import { blockHeight, type BlockHeight } from '../../src/types/units.js'
import { faultOfSpend } from './side.js'

export type Refusal =
  'non-final' | 'missing-inputs' | 'insufficient-fee' | 'fee-too-low' | 'dust' | 'other'
export type Outcome = { readonly txid: Txid } | { readonly refused: Refusal }

interface KnownTransaction {
  readonly raw: Uint8Array
  readonly parsed: Transaction
  readonly fee: bigint
  height: BlockHeight | undefined
}

export class FakeChain {
  /** Blocks leave out what pays less, in satoshis per 1,000 vB. */
  lowestFeeRate = 0n
  /** The output whose spends need the signatures of both sides. */
  funding: FundingOutput | undefined
  /** How many servers show what waits. */
  servers = 1
  readonly #known = new Map<Txid, KnownTransaction>()
  readonly #coins = new Map<string, bigint>()

  constructor(public height: BlockHeight) {}

  /** A coin that a T1 can spend. */
  addCoin(outPoint: OutPoint, value: bigint): void {
    this.#coins.set(outPointText(outPoint), value)
  }

  broadcast(raw: Uint8Array): Outcome {
    const parsed = parseTransaction(raw)
    if (this.#known.has(parsed.txid)) return { txid: parsed.txid }
    if (parsed.lockTime > this.height) return { refused: 'non-final' }
    const values = parsed.inputs.map(({ outPoint }) => this.#valueOf(outPoint))
    const paid = parsed.outputs.reduce<bigint>((sum, { value }) => sum + value, 0n)
    if (values.includes(undefined)) return { refused: 'missing-inputs' }
    const fee = values.reduce<bigint>((sum, value) => sum + (value ?? 0n), 0n) - paid
    if (fee < parsed.vsize) return { refused: 'fee-too-low' }
    if (parsed.outputs.some(({ script, value }) => value < dustLimit(script))) {
      return { refused: 'dust' }
    }
    const rivals = this.#rivalsOf(parsed)
    if (rivals.some(({ height }) => height !== undefined)) return { refused: 'missing-inputs' }
    if (rivals.some((rival) => fee < rival.fee + BigInt(parsed.vsize))) {
      return { refused: 'insufficient-fee' }
    }
    if (
      this.funding !== undefined &&
      this.#spends(parsed, this.funding.outPoint) &&
      faultOfSpend(raw, this.funding) !== undefined
    ) {
      return { refused: 'other' }
    }
    for (const rival of rivals) this.#known.delete(rival.parsed.txid)
    this.#known.set(parsed.txid, { raw, parsed, fee, height: undefined })
    return { txid: parsed.txid }
  }

  mine(blocks = 1): void {
    for (let i = 0; i < blocks; i++) {
      this.height = blockHeight(this.height + 1)
      for (const known of this.#known.values()) {
        if (
          known.height === undefined &&
          known.fee * 1000n >= this.lowestFeeRate * BigInt(known.parsed.vsize)
        ) {
          known.height = this.height
        }
      }
    }
  }

  /**
   * The last blocks are replaced by one more, all of them empty; what they held waits in the
   * mempool again, or is lost.
   */
  reorg(depth: number, lost: readonly Txid[] = []): void {
    for (const known of this.#known.values()) {
      if (known.height !== undefined && known.height > this.height - depth) known.height = undefined
    }
    for (const txid of lost) this.#known.delete(txid)
    this.height = blockHeight(this.height + 1)
  }

  /** T1, and what spends its output. */
  history(outPoint: OutPoint): FundingHistory {
    const funding = this.#known.get(outPoint.txid)
    const spend = this.spendOf(outPoint)
    return {
      funding: funding && { transaction: parseTransaction(funding.raw), height: funding.height },
      spends:
        spend === undefined
          ? []
          : [
              {
                transaction: parseTransaction(spend.raw),
                height: spend.height,
                shownBy: this.servers
              }
            ],
      strays: []
    }
  }

  /** The transaction that spends the funding output, and its fee. */
  spendOf(outPoint: OutPoint): KnownTransaction | undefined {
    return [...this.#known.values()].find(({ parsed }) => this.#spends(parsed, outPoint))
  }

  #spends(parsed: Transaction, outPoint: OutPoint): boolean {
    return parsed.inputs.some((input) => sameOutPoint(input.outPoint, outPoint))
  }

  #valueOf(outPoint: OutPoint): bigint | undefined {
    return (
      this.#coins.get(outPointText(outPoint)) ??
      this.#known.get(outPoint.txid)?.parsed.outputs[outPoint.vout]?.value
    )
  }

  #rivalsOf(parsed: Transaction): KnownTransaction[] {
    return [...this.#known.values()].filter((known) =>
      parsed.inputs.some(({ outPoint }) => this.#spends(known.parsed, outPoint))
    )
  }
}
