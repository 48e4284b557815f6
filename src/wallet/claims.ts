/**
 * Payout outputs `P2WSH(<key> OP_CHECKSIGVERIFY 1 OP_CSV)` that are ours. Each is watched from the
 * moment it is claimed until the transaction that spends it is buried. The state of a claim is not
 * remembered: every new tip and every new history is looked at afresh, so that a reorg that takes
 * the output or its sweep away needs no special case.
 *
 * `claim` is called once the transaction with the output is confirmed. Should a reorg replace it
 * for good (the other side's state wins), the watch shows nothing, and the claim counts nothing.
 */
import { DAY } from '../channel/schedule.js'
import type { Transaction } from '../bitcoin/transaction.js'
import { outPointText, type OutPoint, type Txid } from '../types/bytes.js'
import { sumShown, type BlockHeight, type Satoshi } from '../types/units.js'
import type { HistoryView } from './history-view.js'
import type { ClaimRecord } from './records.js'
import type { ChainTransaction, CsvOutput, Tip } from '../engine/ports.js'

/**
 * Depth at which a spend is final: as deep as a miner's reward has to be before the consensus rules
 * let it be spent (`COINBASE_MATURITY`). Keeping a record longer costs nothing.
 */
export const BURIED_DEPTH = 100

/** True when a transaction at `height` is buried under the tip. */
export function isBuried(height: BlockHeight | undefined, tip: BlockHeight | undefined): boolean {
  return height !== undefined && tip !== undefined && tip - height + 1 >= BURIED_DEPTH
}

/** The next step for a claim. */
type ClaimStep =
  | { readonly do: 'wait' }
  | { readonly do: 'forget' }
  /** Our sweep is in the mempool: it is sent again with every block, because mempools forget. */
  | { readonly do: 'rebroadcast'; readonly sweep: Transaction }
  | { readonly do: 'sweep' }

/**
 * One claim, the tip at which we last tried to bring its sweep into the mempool, and the heights at
 * which this node first could do so, and did.
 */
export interface Claim {
  record: ClaimRecord
  triedAt: string | undefined
  seenAt: BlockHeight | undefined
  sentAt: BlockHeight | undefined
}

export class Claims {
  readonly #byOutPoint = new Map<string, Claim>()
  readonly #view: HistoryView

  constructor(view: HistoryView) {
    this.#view = view
  }

  add(record: ClaimRecord): void {
    this.#byOutPoint.set(outPointText(record.output.outPoint), {
      record,
      triedAt: undefined,
      seenAt: undefined,
      sentAt: undefined
    })
  }

  remove(outPoint: OutPoint): void {
    this.#byOutPoint.delete(outPointText(outPoint))
  }

  get(outPoint: OutPoint): Claim | undefined {
    return this.#byOutPoint.get(outPointText(outPoint))
  }

  all(): Claim[] {
    return [...this.#byOutPoint.values()]
  }

  /** The sum of outputs that are in the chain or in the mempool and that nothing spends. */
  unswept(): Satoshi {
    const exists = ({ record: { output } }: Claim): boolean =>
      this.#source(output) !== undefined && this.#view.spender(output.outPoint) === undefined
    return sumShown(
      this.all()
        .filter(exists)
        .map(({ record }) => record.output.value)
    )
  }

  /** The next step for a claim under this tip. */
  step({ record, triedAt }: Claim, tip: Tip): ClaimStep {
    const { output } = record
    const spender = this.#view.spender(output.outPoint)
    if (spender?.height !== undefined) {
      return isBuried(spender.height, tip.height) ? { do: 'forget' } : { do: 'wait' }
    }
    if (triedAt === tip.hash) return { do: 'wait' }
    // Without its source nothing tells whether the spend is signed (EVID-9).
    const source = this.#source(output)
    if (source !== undefined && spender !== undefined) {
      return { do: 'rebroadcast', sweep: dearest(spender.transaction, record.sweep) }
    }
    const height = source?.height
    // BIP68: with nSequence 1 the sweep can be in any block above the output's own. The next block
    // is that, and mempools take the sweep, as soon as the output's block is the tip.
    return height !== undefined && tip.height >= height ? { do: 'sweep' } : { do: 'wait' }
  }

  /** The claims that a transaction sweeps, or swept as an older version of the present sweep. */
  sweptBy(id: Txid): Claim[] {
    const spent = new Set(
      this.#view.transaction(id)?.transaction.inputs.map(({ outPoint }) => outPointText(outPoint))
    )
    return this.all().filter(
      ({ record: { output, sweep } }) =>
        spent.has(outPointText(output.outPoint)) || sweep?.txid === id
    )
  }

  /**
   * STAKE-5: the blocks that a payout has waited, by the block that it is in. A node that was away
   * counts a day of them at the most with each block that it sees: that hour may be a dear one.
   */
  waited({ record: { output }, seenAt }: Claim, height: BlockHeight | undefined): number {
    const minedAt = this.#source(output)?.height
    if (height === undefined || minedAt === undefined || seenAt === undefined) return 0
    return Math.max(0, Math.min(height - minedAt, (height - seenAt) * DAY))
  }

  /** The height of the block in which a claim is swept. */
  sweptAt({ record: { output } }: Claim): BlockHeight | undefined {
    return this.#view.spender(output.outPoint)?.height
  }

  /** The transaction that has the output; undefined also when its output is not the claimed one. */
  #source(output: CsvOutput): ChainTransaction | undefined {
    const known = this.#view.transaction(output.outPoint.txid)
    return known?.transaction.outputs[output.outPoint.vout]?.value === output.value
      ? known
      : undefined
  }
}

/**
 * The version of a sweep with the highest fee: our own bytes, or the shown ones when those pay more.
 * A server may go on showing a version that it alone takes, or ours with another witness, which no
 * mempool takes.
 */
function dearest(shown: Transaction, own: Transaction | undefined): Transaction {
  const isVersion =
    own?.inputs.length === shown.inputs.length &&
    own.inputs.every(({ outPoint }) => shown.spends(outPoint))
  return isVersion && own.paidTo() <= shown.paidTo() ? own : shown
}
