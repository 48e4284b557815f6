/**
 * T1s that were abandoned, by their txid:
 *
 *     wallet/abandoned/<txid>   our coins that it spends
 *
 * We have signed such a T1, and of a renewal the peer has all signatures. What spends the old
 * channel in its place (RENEW-7) is forgotten one day, and nothing of ours tells any more that T1
 * can be in no block: whoever has it could show it for ever, and its coins would seem to be spent.
 * So it counts only when a block has it, which a reorganisation can still bring about. Once one of
 * its coins is spent for good the chain itself tells what became of it.
 */
import { z } from 'zod'
import type { Change } from '../engine/ports.js'
import { outPointText, txid, type OutPoint, type Txid } from '../types/bytes.js'
import { parseRecord, recordChange } from '../types/records.js'
import type { HistoryView } from './history-view.js'
import { named, outPoint } from './records.js'

export const ABANDONED = 'wallet/abandoned/'

/** A T1, and our coins that it spends. */
interface AbandonedFunding {
  readonly funding: Txid
  readonly inputs: readonly OutPoint[]
}

const abandonedRecord = z.object({ inputs: z.array(outPoint) })

export function abandonedChange({ funding, inputs }: AbandonedFunding): Change {
  return recordChange(ABANDONED + funding, { inputs: inputs.map(outPointText) })
}

export function abandonedRemoval(funding: Txid): Change {
  return { key: ABANDONED + funding, value: undefined }
}

/** @throws PaychanError `ERR_STORE_VERSION`, `ERR_STORE_CORRUPT` */
export function readAbandoned(key: string, value: Uint8Array): AbandonedFunding {
  const { inputs } = parseRecord(key, value, abandonedRecord)
  return { funding: named(key, () => txid(key.slice(ABANDONED.length))), inputs }
}

/** The abandoned T1s, as long as no block tells what became of them. */
export class AbandonedFundings {
  readonly #fundings = new Map<Txid, AbandonedFunding>()
  readonly #view: Pick<HistoryView, 'abandon'>

  constructor(view: Pick<HistoryView, 'abandon'>) {
    this.#view = view
  }

  add(abandoned: AbandonedFunding): void {
    this.#fundings.set(abandoned.funding, abandoned)
    this.#view.abandon(abandoned.funding)
  }

  /** Called once the chain tells what became of it. */
  remove(funding: Txid): void {
    this.#fundings.delete(funding)
  }

  /** Those one of whose coins is spent for good. */
  settled(isBuried: (outPoint: OutPoint) => boolean): Txid[] {
    return [...this.#fundings.values()]
      .filter(({ inputs }) => inputs.some(isBuried))
      .map(({ funding }) => funding)
  }
}
