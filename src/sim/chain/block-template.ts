/**
 * Which transactions the next block takes. The rest of the world fills it: at the rate R of the fee
 * source it is just full. Whoever of ours wants in takes the place of the cheapest of the others;
 * of those, twice the rate is paid by half as many. So with n vB of ours in a block of B vB the
 * threshold is R x B / (B - n): at R when we are few, at twice R when we want half of the block.
 * The first fiftieth of the block does not count: so much comes and goes by chance.
 */
import { rateOf, type SimTransaction } from './sim-transaction.js'

/** A transaction, or one with the child that pays for it (CPFP). */
interface Package {
  readonly transactions: readonly SimTransaction[]
  readonly rate: number
  readonly vsize: number
  readonly order: number
}

const BY_CHANCE = 1 / 50

/** `threshold`: what it took to be in it, in sat/vB. */
export interface BlockTemplate {
  readonly transactions: readonly SimTransaction[]
  readonly threshold: number
}

/**
 * @param rate - what the next block takes, in sat/vB
 * @param childOf - the one child in the mempool that spends from a transaction (version 3 allows
 *   no more)
 */
export function blockTemplate(
  mempool: Iterable<SimTransaction>,
  rate: number,
  blockVsize: number,
  childOf: (parent: SimTransaction) => SimTransaction | undefined,
  hasParent: (child: SimTransaction) => boolean
): BlockTemplate {
  const packages: Package[] = []
  for (const transaction of mempool) {
    if (!hasParent(transaction)) packages.push(...packagesOf(transaction, childOf(transaction)))
  }
  packages.sort((a, b) => (a.rate === b.rate ? a.order - b.order : b.rate - a.rate))
  const taken = new Set<SimTransaction>()
  let used = 0
  for (const { transactions, rate: offered, vsize } of packages) {
    if (used + vsize >= blockVsize || offered < thresholdWith(rate, used + vsize, blockVsize)) {
      continue
    }
    used += vsize
    for (const transaction of transactions) taken.add(transaction)
  }
  return { transactions: [...taken], threshold: thresholdWith(rate, used, blockVsize) }
}

function thresholdWith(rate: number, ours: number, blockVsize: number): number {
  return (rate * blockVsize) / (blockVsize - Math.max(0, ours - blockVsize * BY_CHANCE))
}

/** A child counts for its parent when it pays more than that; else it comes after it, if at all. */
function packagesOf(parent: SimTransaction, child: SimTransaction | undefined): Package[] {
  const alone = {
    transactions: [parent],
    rate: rateOf([parent]),
    vsize: parent.vsize,
    order: parent.order
  }
  if (child === undefined) return [alone]
  const both = {
    transactions: [parent, child],
    rate: rateOf([parent, child]),
    vsize: parent.vsize + child.vsize,
    order: parent.order
  }
  if (both.rate > alone.rate) return [both]
  return [
    alone,
    {
      transactions: [child],
      rate: Math.min(rateOf([child]), alone.rate),
      vsize: child.vsize,
      order: child.order
    }
  ]
}
