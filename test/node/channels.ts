/** Channels as the node lists them. */
import type { ChannelInfo } from '../../src/node/api.js'
import { channelId } from '../../src/types/bytes.js'
import { blockHeight, satoshi } from '../../src/types/units.js'

export const PEER = '12D3KooWPeer'

/** An open one of 100,000 sat in which we pay; nothing has been paid yet. */
export function channel(id: string, changes: Partial<ChannelInfo> = {}): ChannelInfo {
  return {
    id: channelId(id.padEnd(64, '0')),
    peerId: PEER,
    role: 'client',
    status: 'open',
    reason: undefined,
    capacity: satoshi(100_000n),
    ourBalance: satoshi(100_000n),
    theirBalance: satoshi(0n),
    spendable: satoshi(100_000n),
    mode: 'one-way',
    receivable: satoshi(0n),
    turns: undefined,
    inFlight: satoshi(0n),
    atRisk: satoshi(0n),
    alone: undefined,
    risk: undefined,
    funding: undefined,
    outside: undefined,
    confirmations: 1,
    watched: true,
    minDepth: 1,
    lastPaymentHeight: blockHeight(100),
    settleHeight: blockHeight(112),
    refundHeight: blockHeight(148),
    limits: {
      minFirstPayment: satoshi(500n),
      maxStake: satoshi(1_300_000n),
      minTurnAmount: satoshi(0n),
      maxInFlightUpdates: 16,
      maxInFlightValue: satoshi(1_300_000n),
      maxRisk: 100
    },
    renews: undefined,
    renewedAs: undefined,
    renewFor: undefined,
    payments: { sent: 0, received: 0 },
    spend: undefined,
    ...changes
  }
}
