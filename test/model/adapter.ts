/**
 * How a node is told of the world: its environment, what servers show, and what they answer. Two
 * servers, one of which lies.
 */
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import type { Env } from '../../src/channel/env.js'
import type { ChannelEvent, FundingHistory, ShownTransaction } from '../../src/channel/events.js'
import type { BroadcastPurpose } from '../../src/channel/events.js'
import type { Txid } from '../../src/types/bytes.js'
import { blockHeight, feeRate } from '../../src/types/units.js'
import type { Side } from '../channel/side.js'
import type { Spend } from './transactions.js'
import type { Manner } from './world.js'

/**
 * In satoshis per 1,000 vB: what a block takes, and what the servers' estimates are, when there is
 * room and when there is not.
 */
export const MARKET = {
  quiet: { takes: 1_000n, estimate: feeRate(2_000n), nextBlock: feeRate(2_000n) },
  congested: { takes: 8_000n, estimate: feeRate(4_000n), nextBlock: feeRate(8_000n) }
}

/**
 * What a block takes when no estimate says so: twice what a refusal alone makes a bid pay (EVID-4).
 */
export const STARVED = 40_000n

/** What a mempool says of a transaction; undefined when it takes it. */
export type Refusal = 'non-final' | 'missing-inputs' | 'insufficient-fee' | 'fee-too-low'

export function envOf(side: Side, height: number, congested: boolean): Env {
  const { estimate, nextBlock } = MARKET[congested ? 'congested' : 'quiet']
  return side.env({ height: blockHeight(height), feeRate: estimate, nextBlockRate: nextBlock })
}

export interface Shown {
  /** Undefined where T1 is in no mempool. */
  readonly funding: { readonly raw: Uint8Array; readonly height: number } | undefined
  /** The spend that is in a block, or the one in the honest mempool. */
  readonly honest: { readonly spend: Spend; readonly height: number | undefined } | undefined
  readonly lie: Spend | undefined
  readonly manner: Manner
}

/** What two servers show together: what is in the honest mempool, unless one hides it, by both. */
export function historyOf({ funding, honest, lie, manner }: Shown): FundingHistory {
  const spends: ShownTransaction[] = []
  // A lie comes first: whoever takes the first that is shown takes the worst.
  if (lie !== undefined && lie !== honest?.spend && honest?.height === undefined) {
    spends.push({ transaction: parseTransaction(lie.raw), height: undefined, shownBy: 1 })
  }
  if (honest !== undefined) {
    const {
      spend: { raw },
      height
    } = honest
    spends.push(
      height === undefined
        ? { transaction: parseTransaction(raw), height, shownBy: manner === 'hides' ? 1 : 2 }
        : { transaction: parseTransaction(raw), height: blockHeight(height) }
    )
  }
  return {
    funding: funding && {
      transaction: parseTransaction(funding.raw),
      height: funding.height < 0 ? undefined : blockHeight(funding.height)
    },
    spends,
    strays: []
  }
}

/**
 * What comes of a broadcast through both servers: one that takes it is enough, and a refusal for
 * its fee outranks all others.
 */
export function answerTo(
  purpose: BroadcastPurpose,
  txid: Txid,
  honest: Refusal | undefined,
  manner: Manner
): ChannelEvent {
  const isForFee = honest === 'insufficient-fee' || honest === 'fee-too-low'
  if (honest === undefined || manner === 'takes all') {
    return {
      type: 'broadcast-done',
      purpose,
      txid,
      isRefused: honest !== undefined || manner === 'asks for more',
      refusedForFee: isForFee || manner === 'asks for more'
    }
  }
  const kind = isForFee
    ? honest
    : manner === 'refuses'
      ? 'other'
      : manner === 'asks for more'
        ? 'fee-too-low'
        : honest
  return { type: 'broadcast-failed', purpose, txid, kind, reason: kind }
}
