/** What the history of a funding script says about one funding output. */
import type { FundingHistory, ShownTransaction } from '../channel/events.js'
import type { OutPoint } from '../types/bytes.js'

/** Picks T1, what spends its output, and what else pays to its script. */
export function fundingHistory(
  history: readonly ShownTransaction[],
  outPoint: OutPoint
): FundingHistory {
  const isFunding = ({ transaction }: ShownTransaction): boolean =>
    transaction.txid === outPoint.txid
  const isSpend = ({ transaction }: ShownTransaction): boolean => transaction.spends(outPoint)
  const others = history.filter((each) => !isFunding(each))
  return {
    funding: history.find(isFunding),
    spends: others.filter(isSpend),
    strays: others.filter((each) => !isSpend(each))
  }
}
