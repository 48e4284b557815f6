/** The depth of T1, and the help for one that does not confirm. */
import { LOCK_BELOW_TIP } from '../bitcoin/renewal.js'
import { lockTimeOf } from '../bitcoin/transaction.js'
import { blockDelta, max, satoshi } from '../types/units.js'
import type { Effect } from './effects.js'
import type { Env } from './env.js'
import { DAY } from './schedule.js'
import type { Established } from './state.js'

/*
 * The depth of T1: a funding output that a reorg could still take away carries no payments
 * (FUND-4).
 */

/**
 * Confirmations after which people are told that a spend is final: the usual number of Bitcoin
 * wallets.
 */
export const FINAL_DEPTH = 6

/**
 * Confirmations of T1: 1 in the block of the tip; 0 while it is in no block, or the tip is unknown.
 */
export function confirmations({ onChain }: Established, env: Pick<Env, 'height'>): number {
  if (onChain.fundingHeight === undefined || env.height === undefined) return 0
  return max(0, env.height - onChain.fundingHeight + 1)
}

/**
 * FUND-4: true when T1 is now as deep as the terms ask for; after a reorg it has to get there
 * again.
 */
export function isBuried(channel: Established, env: Pick<Env, 'height'>): boolean {
  return confirmations(channel, env) >= channel.terms.minDepth
}

/*
 * A T1 that does not confirm: FUND-5 forbids replacing it, and lets its client pay for it by a
 * child.
 */

/**
 * Blocks that T1 may wait unless another number was given: T1 was built for an estimate to confirm
 * within as many.
 */
const PATIENCE = blockDelta(6)

/** The child costs at most 5 % of what the channel holds; a person may pay more with `bumpfee`. */
const MOST_OF_CAPACITY = 20n

/**
 * FUND-5, EVID-7: asks the wallet for a child once T1 has waited, whether or not a server shows T1:
 * a T1 that no mempool takes, or that was dropped, needs one all the more. A spend of its funding
 * output that is shown (the server can make one from Update 0 for nothing) says no more: a child of
 * T1's change that pays more takes its place in mempools (BIP431, sibling eviction), or stays
 * beside it. Level-triggered: asks
 * with every block, and the wallet does nothing when both pay the present estimate and no server
 * refuses them for their fee, or when T1 has no change.
 */
export function fundingFee(channel: Established, { height, feeRate }: Env): Effect[] {
  const { terms, outPoint, fundingTx, onChain } = channel
  // Our wallet has no change of a T1 that an outside wallet has made.
  if (
    channel.role !== 'client' ||
    channel.outside !== undefined ||
    height === undefined ||
    onChain.fundingHeight !== undefined ||
    onChain.spend !== undefined
  ) {
    return []
  }
  const { patience = PATIENCE } = channel
  // The wallet gives T1 the height at which it was built as nLockTime, or a little less.
  const builtAt = lockTimeOf(fundingTx) + (terms.renews === undefined ? 0 : LOCK_BELOW_TIP)
  if (height - builtAt < patience) return []
  return [
    {
      type: 'bump-funding',
      funding: outPoint.txid,
      fundingTx,
      feeRate,
      most: satoshi(terms.capacity / MOST_OF_CAPACITY),
      isLate: height - builtAt >= Math.max(patience, DAY)
    }
  ]
}
