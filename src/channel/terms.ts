/**
 * The agreement of both sides of a channel, made while it opens. Nothing in it changes afterwards.
 */
import type { Limits, Mode, Network, Renewal } from '../../protocols/paychan/1.0/index.js'
import type { Role } from '../bitcoin/keys.js'
import type { FundingOutput } from '../bitcoin/template.js'
import { fundingScript } from '../bitcoin/funding.js'
import { channelId, toHex, type ChannelId, type OutPoint } from '../types/bytes.js'
import { satoshi, type BlockHeight, type Satoshi } from '../types/units.js'

/**
 * A side's contribution: its key of the 2-of-2, the key behind its payouts, its script for a close.
 */
export interface Party {
  readonly channelKey: Uint8Array
  readonly payoutKey: Uint8Array
  readonly closeScript: Uint8Array
}

/** The server's limits, which the payer keeps and the payee enforces. */
export interface PaymentLimits {
  /** UPD-10: the first payment has to be worth settling. */
  readonly minFirstPayment: Satoshi
  /** UPD-11: the most that the payee is willing to have at stake in this channel. */
  readonly maxStake: Satoshi
  /** TURN-1: the amount that has to wait before a turn is asked for; 0 in a one-way channel. */
  readonly minTurnAmount: Satoshi
  /** UPD-6: limits of what is signed and not yet acknowledged, by count and by value. */
  readonly maxInFlightUpdates: number
  /** The same, in satoshis. */
  readonly maxInFlightValue: Satoshi
  /** UPD-19: in percent; 100 means no limit. */
  readonly maxRisk: number
}

/**
 * RENEW-1: the channel whose funding output T1 spends, and its newest state, with which this
 * channel begins.
 */
interface Renews {
  readonly channel: ChannelId
  readonly turn: number
  readonly sequence: number
}

export interface Terms {
  readonly network: Network
  readonly mode: Mode
  /** Blocks between the locks of two turns; 0 in a one-way channel. */
  readonly step: number
  /** nVersion of every transaction that spends the funding output: 3 (TRUC, BIP431). */
  readonly txVersion: number
  readonly capacity: Satoshi
  /** The server's balance from the channel that this one renews; else 0. */
  readonly serverBalance: Satoshi
  readonly renews: Renews | undefined
  /** L: the lock of T2. */
  readonly refundHeight: BlockHeight
  readonly client: Party
  readonly server: Party
  /** The 8 bytes that K2 was derived with, echoed in `Reestablish` (KEY-2). */
  readonly derivation: Uint8Array
  /**
   * The 8 bytes that K1 was derived with (KEY-5); undefined in records from before clients sent
   * them.
   */
  readonly clientDerivation: Uint8Array | undefined
  /** Confirmations of T1 before payments flow (FUND-4). */
  readonly minDepth: number
  readonly limits: PaymentLimits
  /** The last height at which the payer of turn 0 signs (UPD-12). */
  readonly lastPaymentHeight: BlockHeight
  /** The height from which the server publishes the states of turn 0 (TIME-1). */
  readonly settleHeight: BlockHeight
}

/** The 2-of-2 output that T1 makes. */
export function fundingOutput(terms: Terms, outPoint: OutPoint): FundingOutput {
  return {
    outPoint,
    value: terms.capacity,
    clientKey: terms.client.channelKey,
    serverKey: terms.server.channelKey
  }
}

/** The scriptPubKey that both sides watch. */
export function fundingScriptOf(terms: Terms): Uint8Array {
  return fundingScript(terms.client.channelKey, terms.server.channelKey)
}

/** The side's own part of the terms. */
export function partyOf(terms: Terms, role: Role): Party {
  return role === 'client' ? terms.client : terms.server
}

/** Brands the limits of an `AcceptChannel`. */
export function limitsFrom(wire: Limits): PaymentLimits {
  return {
    minFirstPayment: satoshi(wire.minFirstPayment),
    maxStake: satoshi(wire.maxStake),
    minTurnAmount: satoshi(wire.minTurnAmount),
    maxInFlightUpdates: wire.maxInFlightUpdates,
    maxInFlightValue: satoshi(wire.maxInFlightValue),
    maxRisk: wire.maxRisk
  }
}

/** Reads the part of an `OpenChannel` about the channel that it renews. */
export function renewsFrom({ channelId: id, turn, sequence }: Renewal): Renews {
  return { channel: channelId(toHex(id)), turn, sequence }
}
