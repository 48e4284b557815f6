/** What this node asks of a channel: as server of its clients, and as client of its servers. */
import type { Network } from '../../protocols/paychan/1.0/index.js'
import { blockDelta, satoshi, type BlockDelta, type Satoshi } from '../types/units.js'
import { PAYMENT_MARGIN } from './schedule.js'

export interface Policy {
  readonly minCapacity: Satoshi
  readonly maxCapacity: Satoshi
  /** UPD-10; undefined: what a T3 costs at the present estimate, and an output above dust. */
  readonly minFirstPayment: Satoshi | undefined
  /** UPD-11. */
  readonly maxStake: Satoshi
  /** Confirmations of T1 that we ask for. */
  readonly minDepth: number
  /** As client: the most that we wait for. */
  readonly maxMinDepth: number
  /** Blocks between the locks of two turns: the least that a server of ours takes, and what `open` asks for when nothing is said. */
  readonly minStep: BlockDelta
  readonly defaultStep: BlockDelta
  /** TURN-1; undefined: as `minFirstPayment`. */
  readonly minTurnAmount: Satoshi | undefined
  /** Blocks before L at which a server of ours publishes T3. */
  readonly settleMargin: BlockDelta
  /** L minus the height of the tip: what a server of ours takes at the least and at the most. */
  readonly minBlocks: BlockDelta
  readonly maxBlocks: BlockDelta
  /** RENEW-9: blocks from now for which a renewal of a two-way channel may lock up what a server of ours has in it, unless it is locked for longer anyhow. */
  readonly maxRenewalWait: BlockDelta
  /** As client: what `open` asks for when nothing is said. */
  readonly defaultBlocks: BlockDelta
  /** Openings that one peer may have under way (OPEN-7). */
  readonly maxPendingOpenings: number
  /** Channels of one peer whose T2 is signed and whose T1 is in no block (OPEN-7): it costs nothing to promise one. */
  readonly maxUnfunded: number
  /** The same two, of all peers together (OPEN-11): a PeerId costs nothing. */
  readonly maxPendingInAll: number
  readonly maxUnfundedInAll: number
  /** Channels of one peer that are not closed; no more than the streams that it may have (WIRE-9). */
  readonly maxChannelsPerPeer: number
  readonly maxInFlightUpdates: number
  readonly maxInFlightValue: Satoshi
  /** UPD-19: percent; 100 is no limit. */
  readonly maxRisk: number
  /** Percent: whoever listens is told when the risk of a channel rises to it, and when it is below again. */
  readonly riskAlarm: number
}

/**
 * The defaults. `maxStake` stays below the 1.4 M sat that a T3 can bid at most through servers
 * that keep Bitcoin Core's 0.1 BTC/kvB limit of `sendrawtransaction`:
 * 138 vB x 10,000 sat/vB = 1,380,000 sat.
 *
 * `settleMargin` 36 is twice the 18 blocks that LDK takes as the upper bound of a confirmation
 * (`CLTV_CLAIM_BUFFER`). `minBlocks` leaves 6 blocks between `minDepth` and the last payment.
 */
export function defaultPolicy (network: Network): Policy {
  const settleMargin = blockDelta(36)
  const minDepth = network === 'regtest' ? 1 : 3
  return {
    minCapacity: satoshi(10_000n),
    maxCapacity: satoshi(1_300_000n),
    minFirstPayment: undefined,
    maxStake: satoshi(1_300_000n),
    minDepth,
    maxMinDepth: 12,
    // 36 is twice what LDK takes as the upper bound of a confirmation; a day of blocks is what a congested mempool may need.
    minStep: blockDelta(network === 'regtest' ? 1 : 36),
    defaultStep: blockDelta(144),
    minTurnAmount: undefined,
    settleMargin,
    minBlocks: blockDelta(settleMargin + PAYMENT_MARGIN + minDepth + 6),
    maxBlocks: blockDelta(8_064), // eight weeks of 1,008 blocks
    // What a renewal for `defaultBlocks` takes, and no more: this is money that was about to be free.
    maxRenewalWait: blockDelta(1_008),
    defaultBlocks: blockDelta(1_008),
    maxPendingOpenings: 4,
    maxUnfunded: 16,
    maxPendingInAll: 64,
    maxUnfundedInAll: 64,
    maxChannelsPerPeer: 64,
    maxInFlightUpdates: 16,
    maxInFlightValue: satoshi(1_300_000n),
    // A small share always has a high risk, and little to lose: a limit would refuse every first payment.
    maxRisk: 100,
    // Above the 50 % that are assumed where nothing has been seen yet (risk.ts).
    riskAlarm: 60
  }
}
