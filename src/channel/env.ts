/**
 * What a transition may know besides the state and the event. Values and synchronous functions, no
 * I/O.
 */
import type { Ecdsa } from '../bitcoin/keys.js'
import type { OutPoint } from '../types/bytes.js'
import type { BlockHeight, FeeRate } from '../types/units.js'
import { PaychanError } from '../types/errors.js'
import type { Policy } from './policy.js'

/**
 * What a mempool asks for: `minimum` to come in at all, `incremental` more than what is replaced
 * (BIP125 rule 4).
 */
export interface RelayRates {
  readonly minimum: FeeRate
  readonly incremental: FeeRate
}

export interface Env extends Pick<Ecdsa, 'verify' | 'isPublicKey'> {
  readonly policy: Policy
  /** Height of the tip; undefined until the chain has been seen. */
  readonly height: BlockHeight | undefined
  /**
   * Whether a server tells this session what happens to the channel's funding output (UPD-20). What
   * was known before may have changed.
   */
  readonly isWatched: boolean
  /**
   * Height from which on this side has seen the chain without a break; undefined when that is not
   * known.
   */
  readonly seenSince?: BlockHeight | undefined
  /** Bounded estimate to confirm within 6 blocks. */
  readonly feeRate: FeeRate
  /** Bounded estimate of what the next block takes. */
  readonly nextBlockRate: FeeRate
  readonly relay: RelayRates
  /** What the next block took by the estimates seen, block by block, the newest last. */
  readonly feeHistory: readonly FeeRate[]
  /** Milliseconds since 1970, for records only. */
  readonly now: number
  /** Signs with our channel key (K1 or K2) of this channel. */
  readonly sign: (digest: Uint8Array) => Uint8Array
  /** KEY-3, KEY-4: a channel key of any channel of ours, open or not, theirs or ours. */
  readonly isKnownKey: (publicKey: Uint8Array) => boolean
  /** REF-2: an outpoint of any channel of ours. */
  readonly isKnownOutPoint: (outPoint: OutPoint) => boolean
}

/** Why a channel that nobody tells of takes and makes no payments (UPD-20). */
export function notWatched(): PaychanError {
  return new PaychanError(
    'ERR_NOT_WATCHED',
    'No server tells what happens to the channel on the chain, so nothing is paid on it now. Wait until it is watched again (`paychan channels`), or use another Electrum server.'
  )
}

/** The height of the tip. @throws PaychanError `ERR_CHAIN_UNAVAILABLE` */
export function heightOf(env: Env): BlockHeight {
  if (env.height === undefined) {
    throw new PaychanError(
      'ERR_CHAIN_UNAVAILABLE',
      'The chain has not been seen yet; check that the Electrum server runs, then try again.'
    )
  }
  return env.height
}
