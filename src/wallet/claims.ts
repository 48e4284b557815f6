/**
 * Payout outputs `P2WSH(<key> OP_CHECKSIGVERIFY 1 OP_CSV)` that are ours. Each is watched from the
 * moment it is claimed until the transaction that spends it is buried. Nothing is remembered
 * about where it stands: every new tip and every new history is looked at afresh, so that a reorg
 * that takes the output or its sweep away needs no special case.
 *
 * `claim` is called once the transaction with the output is confirmed. Should a reorg replace it
 * for good (the other side's state wins), the watch shows nothing, and the claim counts nothing.
 */
import { parseTransaction } from '../bitcoin/transaction.js'
import { outPointText, sameOutPoint, type OutPoint, type Txid } from '../types/bytes.js'
import { sumShown, type BlockHeight, type Satoshi } from '../types/units.js'
import type { HistoryView, KnownTransaction } from './history-view.js'
import type { ClaimRecord } from './records.js'
import type { CsvOutput, Tip } from '../engine/ports.js'

/**
 * A spend this deep is not undone any more: as deep as a miner's reward has to be before the
 * consensus rules let it be spent (`COINBASE_MATURITY`). Keeping a record longer costs nothing.
 */
export const BURIED_DEPTH = 100

/** Whether a transaction at `height` is buried under the tip. */
export function isBuried(height: BlockHeight | undefined, tip: BlockHeight | undefined): boolean {
  return height !== undefined && tip !== undefined && tip - height + 1 >= BURIED_DEPTH
}

/** What is to be done about a claim now. */
export type ClaimStep =
  | { readonly do: 'wait' }
  | { readonly do: 'forget' }
  /** Our sweep is in the mempool: it is sent again with every block, for mempools forget. */
  | { readonly do: 'rebroadcast'; readonly raw: Uint8Array }
  | { readonly do: 'sweep' }

/**
 * One claim, the tip at which it was last tried to bring its sweep into the mempool, and the height
 * at which this node has done so first.
 */
export interface Claim {
  record: ClaimRecord
  triedAt: string | undefined
  sentAt: BlockHeight | undefined
}

export class Claims {
  private readonly byOutPoint = new Map<string, Claim>()

  constructor(private readonly view: HistoryView) {}

  add(record: ClaimRecord): void {
    this.byOutPoint.set(outPointText(record.output.outPoint), {
      record,
      triedAt: undefined,
      sentAt: undefined
    })
  }

  remove(outPoint: OutPoint): void {
    this.byOutPoint.delete(outPointText(outPoint))
  }

  get(outPoint: OutPoint): Claim | undefined {
    return this.byOutPoint.get(outPointText(outPoint))
  }

  all(): Claim[] {
    return [...this.byOutPoint.values()]
  }

  /** The sum of outputs that are in the chain or in the mempool and that nothing spends. */
  unswept(): Satoshi {
    const exists = ({ record: { output } }: Claim): boolean =>
      this.source(output) !== undefined && this.view.spender(output.outPoint) === undefined
    return sumShown(
      this.all()
        .filter(exists)
        .map(({ record }) => record.output.value)
    )
  }

  /** What to do about a claim under this tip. */
  step({ record, triedAt }: Claim, tip: Tip): ClaimStep {
    const { output } = record
    const spender = this.view.spender(output.outPoint)
    if (spender?.height !== undefined) {
      return isBuried(spender.height, tip.height) ? { do: 'forget' } : { do: 'wait' }
    }
    if (triedAt === tip.hash) return { do: 'wait' }
    if (spender !== undefined) return { do: 'rebroadcast', raw: dearest(spender, record.sweep) }
    const height = this.source(output)?.height
    // BIP68: with nSequence 1 the sweep can be in any block above the output's own. The next block
    // is that, and mempools take the sweep, as soon as the output's block is the tip.
    return height !== undefined && tip.height >= height ? { do: 'sweep' } : { do: 'wait' }
  }

  /** Those that a transaction sweeps, or an older version of what sweeps them now. */
  sweptBy(id: Txid): Claim[] {
    const spent = new Set(
      this.view.transaction(id)?.inputs.map(({ outPoint }) => outPointText(outPoint))
    )
    return this.all().filter(
      ({ record: { output, sweep } }) =>
        spent.has(outPointText(output.outPoint)) ||
        (sweep !== undefined && parseTransaction(sweep).txid === id)
    )
  }

  /** The height of the block in which a claim is swept. */
  sweptAt({ record: { output } }: Claim): BlockHeight | undefined {
    return this.view.spender(output.outPoint)?.height
  }

  /**
   * The transaction that has the output; undefined also when it is not the output that was claimed.
   */
  private source(output: CsvOutput): KnownTransaction | undefined {
    const transaction = this.view.transaction(output.outPoint.txid)
    return transaction?.outputs[output.outPoint.vout]?.value === output.value
      ? transaction
      : undefined
  }
}

/**
 * What is shown, or our own version of it when that pays more: a server may go on showing what it
 * alone takes.
 */
function dearest(shown: KnownTransaction, own: Uint8Array | undefined): Uint8Array {
  if (own === undefined) return shown.raw
  const { inputs, outputs } = parseTransaction(own)
  const isVersion =
    inputs.length === shown.inputs.length &&
    inputs.every(({ outPoint }) =>
      shown.inputs.some((other) => sameOutPoint(other.outPoint, outPoint))
    )
  const total = (of: KnownTransaction['outputs']): bigint =>
    of.reduce((sum, { value }) => sum + value, 0n)
  return isVersion && total(outputs) < total(shown.outputs) ? own : shown.raw
}
