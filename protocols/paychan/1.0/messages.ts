/**
 * The messages of /paychan/1.0 as plain values: what `decode` returns and `encode` takes.
 * Amounts are satoshis (bigint), heights are block heights (number), keys are 33 bytes,
 * signatures 64 bytes (compact, low S), ids as said. The codec has range-checked every field.
 */

export type Network = 'mainnet' | 'testnet' | 'testnet4' | 'signet' | 'regtest'
export type Mode = 'one-way' | 'two-way'

/** The facts that a channel takes over from the one that it renews. `channelId`: 32 bytes. */
export interface Renewal {
  readonly channelId: Uint8Array
  /** Turn and sequence of the newest state of that channel. */
  readonly turn: number
  readonly sequence: number
  /** Satoshis. */
  readonly serverBalance: bigint
}

export interface OpenChannel {
  readonly type: 'OpenChannel'
  readonly network: Network
  readonly channelKey: Uint8Array
  readonly payoutKey: Uint8Array
  readonly closeScript: Uint8Array
  readonly capacity: bigint
  readonly refundHeight: number
  readonly mode: Mode
  readonly step: number
  readonly txVersion: number
  /** Left out when T1 spends coins of the client's wallet only. */
  readonly renews?: Renewal | undefined
  /** 8 bytes. */
  readonly derivation: Uint8Array
}

export interface Limits {
  readonly minFirstPayment: bigint
  readonly maxStake: bigint
  readonly minTurnAmount: bigint
  readonly maxInFlightUpdates: number
  readonly maxInFlightValue: bigint
  /** Percent; 100 sets no limit. */
  readonly maxRisk: number
}

export interface AcceptChannel {
  readonly type: 'AcceptChannel'
  readonly channelKey: Uint8Array
  /** 8 bytes. */
  readonly derivation: Uint8Array
  readonly payoutKey: Uint8Array
  readonly closeScript: Uint8Array
  readonly minDepth: number
  readonly limits: Limits
  readonly lastPaymentHeight: number
  readonly settleHeight: number
}

export interface RefundRequest {
  readonly type: 'RefundRequest'
  readonly refundTx: Uint8Array
}
export interface RefundSignature {
  readonly type: 'RefundSignature'
  readonly signature: Uint8Array
}
export interface Funding {
  readonly type: 'Funding'
  readonly fundingTx: Uint8Array
}
/** `txid`: 32 bytes in the order that transactions use. */
export interface FundingBroadcast {
  readonly type: 'FundingBroadcast'
  readonly txid: Uint8Array
}

/** `id`: 16 bytes. */
export interface Payment {
  readonly id: Uint8Array
  readonly amount: bigint
  readonly memo: string
}

export interface Update {
  readonly type: 'Update'
  readonly turn: number
  readonly sequence: number
  readonly payerBalance: bigint
  readonly payments: readonly Payment[]
  readonly signature: Uint8Array
}

export interface UpdateAck {
  readonly type: 'UpdateAck'
  readonly turn: number
  readonly sequence: number
}
export interface ChannelReady {
  readonly type: 'ChannelReady'
}

/** `amount`: satoshis that wait to be paid in the turn that is asked for. */
export interface TurnRequest {
  readonly type: 'TurnRequest'
  readonly turn: number
  readonly amount: bigint
}
/** `sequence`: of the state with which the turn begins. */
export interface TurnGrant {
  readonly type: 'TurnGrant'
  readonly turn: number
  readonly sequence: number
}
/** `notBefore`: the height from which on asking again may help; 0 when it never will. */
export interface TurnRefuse {
  readonly type: 'TurnRefuse'
  readonly turn: number
  readonly code: string
  readonly notBefore: number
  readonly text: string
}

export interface RenewalRequest {
  readonly type: 'RenewalRequest'
  /** T1 without the witness of the old channel's input. */
  readonly fundingTx: Uint8Array
  /** The client's, for that input. */
  readonly signature: Uint8Array
  /** The transactions, without witnesses, whose outputs T1 spends besides. */
  readonly previous: readonly Uint8Array[]
}

export interface CloseRequest {
  readonly type: 'CloseRequest'
  readonly turn: number
  readonly sequence: number
  readonly clientBalance: bigint
  readonly serverBalance: bigint
  readonly clientScript: Uint8Array
  readonly serverScript: Uint8Array
  readonly fee: bigint
  readonly signature: Uint8Array
}

/** `txid`: 32 bytes in the order that transactions use. */
export interface CloseDone {
  readonly type: 'CloseDone'
  readonly txid: Uint8Array
}

/** `channelId`: 32 bytes; `derivation`: 8 bytes. */
export interface Reestablish {
  readonly type: 'Reestablish'
  readonly channelId: Uint8Array
  readonly derivation: Uint8Array
  readonly turn: number
  /**
   * Of the newest state that the sender holds (payee) or knows to be held (payer); 0 while there is
   * none.
   */
  readonly sequence: number
  /** Satoshis, of that state; 0 while there is none. */
  readonly payerBalance: bigint
  /** The payer's, over that state: 64 bytes, or none while there is no state. */
  readonly signature: Uint8Array
  /**
   * Payer: the newest sequence that it has ever signed in this turn, or the one that the turn began
   * with. Payee: 0.
   */
  readonly signed: number
  /** Payee: the payments of the updates after `paymentsAfter`, up to `sequence`. */
  readonly payments: readonly Payment[]
  readonly paymentsAfter: number
  /** Counts the `Reestablish`es of the sender, from 1. */
  readonly epoch: number
  /** The highest epoch that the sender has seen of the other side; 0 when none. */
  readonly peerEpoch: number
}

/** `after`: the id of the last channel that the asker was told of, 32 bytes; empty at first. */
export interface RestoreRequest {
  readonly type: 'RestoreRequest'
  readonly after: Uint8Array
}

/** The last state of a turn. */
export interface ChannelState {
  readonly sequence: number
  /** Satoshis. */
  readonly payerBalance: bigint
  /** The payer's: 64 bytes, or none when nothing was paid in that turn. */
  readonly signature: Uint8Array
}

export interface ChannelRecord {
  readonly type: 'ChannelRecord'
  readonly open: OpenChannel
  readonly accept: AcceptChannel
  readonly fundingTx: Uint8Array
  /** The index of the output that belongs to both. */
  readonly fundingOutput: number
  /** The server's over T2, 64 bytes. */
  readonly refundSignature: Uint8Array
  /** Of turn 0, 1, and so on up to the present one; none before `Update` 0. */
  readonly states: readonly ChannelState[]
}

export interface RestoreDone {
  readonly type: 'RestoreDone'
}

export interface ErrorMessage {
  readonly type: 'Error'
  readonly code: string
  readonly rule: string
  readonly text: string
  readonly fatal: boolean
}

export type Message =
  | OpenChannel
  | AcceptChannel
  | RefundRequest
  | RefundSignature
  | Funding
  | FundingBroadcast
  | Update
  | UpdateAck
  | ChannelReady
  | TurnRequest
  | TurnGrant
  | TurnRefuse
  | RenewalRequest
  | CloseRequest
  | CloseDone
  | Reestablish
  | RestoreRequest
  | ChannelRecord
  | RestoreDone
  | ErrorMessage
