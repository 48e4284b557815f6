/** What a node asks for when nothing is configured: money and time, so every number stands here once more. */
import assert from 'node:assert/strict'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import { defaultPolicy, type Policy } from '../../src/channel/policy.js'
import { blockDelta, satoshi } from '../../src/types/units.js'

/** Where blocks cost something. */
const COSTLY: Policy = {
  minCapacity: satoshi(10_000n),
  maxCapacity: satoshi(1_300_000n),
  minFirstPayment: undefined,
  maxStake: satoshi(1_300_000n),
  maxRisk: 100,
  riskAlarm: 60,
  minDepth: 3,
  maxMinDepth: 12,
  minStep: blockDelta(36),
  defaultStep: blockDelta(144),
  minTurnAmount: undefined,
  settleMargin: blockDelta(36),
  minBlocks: blockDelta(57),
  maxBlocks: blockDelta(8_064),
  defaultBlocks: blockDelta(1_008),
  maxRenewalWait: blockDelta(1_008),
  maxPendingOpenings: 4,
  maxUnfunded: 16,
  maxPendingInAll: 64,
  maxUnfundedInAll: 64,
  maxChannelsPerPeer: 64,
  maxInFlightUpdates: 16,
  maxInFlightValue: satoshi(1_300_000n)
}

const POLICIES: Readonly<Record<Network, Policy>> = {
  mainnet: COSTLY,
  testnet: COSTLY,
  testnet4: COSTLY,
  signet: COSTLY,
  // Blocks come when they are asked for.
  regtest: { ...COSTLY, minDepth: 1, minStep: blockDelta(1), minBlocks: blockDelta(55) }
}

describe('channel / policy', () => {
  for (const [network, policy] of Object.entries(POLICIES)) {
    it(`by default on ${network}`, () => {
      assert.deepEqual(defaultPolicy(network as Network), policy)
    })
  }
})
