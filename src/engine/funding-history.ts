/** What the history of a funding script says about one funding output. */
import type { FundingHistory } from '../channel/events.js'
import { spenderOf } from '../bitcoin/spend.js'
import type { OutPoint } from '../types/bytes.js'
import type { ChainTransaction } from './ports.js'

/** Picks T1 and what spends its output. */
export function fundingHistory (history: readonly ChainTransaction[], outPoint: OutPoint): FundingHistory {
  const funding = history.find((transaction) => transaction.txid === outPoint.txid)
  const spends = history.filter((transaction) => transaction.txid !== outPoint.txid && spenderOf(transaction.raw, outPoint))
  return { funding: funding && { raw: funding.raw, height: funding.height }, spends: spends.map(({ txid, raw, height }) => ({ txid, raw, height })) }
}
