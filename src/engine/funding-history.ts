/** What the history of a funding script says about one funding output. */
import type { FundingHistory, ShownTransaction } from '../channel/events.js'
import { spenderOf } from '../bitcoin/spend.js'
import { isTransaction } from '../bitcoin/transaction.js'
import type { OutPoint } from '../types/bytes.js'
import type { ChainTransaction } from './ports.js'

/**
 * Picks T1, what spends its output, and what else pays to its script. One that cannot be read hides
 * none of the others.
 */
export function fundingHistory(
  told: readonly ChainTransaction[],
  outPoint: OutPoint
): FundingHistory {
  const history = told.filter(({ raw }) => isTransaction(raw))
  const funding = history.find((transaction) => transaction.txid === outPoint.txid)
  const others = history.filter(({ txid }) => txid !== outPoint.txid)
  const spends = others.filter(({ raw }) => spenderOf(raw, outPoint))
  const strays = others.filter((transaction) => !spends.includes(transaction))
  return {
    funding: funding && { raw: funding.raw, height: funding.height },
    spends: spends.map(shown),
    strays: strays.map(shown)
  }
}

function shown({ txid, raw, height, shownBy }: ChainTransaction): ShownTransaction {
  return height === undefined && shownBy !== undefined
    ? { txid, raw, height, shownBy }
    : { txid, raw, height }
}
