/**
 * The knowledge of a transition besides the state and the event: values and synchronous functions,
 * no I/O.
 */
import type { Ecdsa } from '../bitcoin/keys.js'
import type { OutPoint } from '../types/bytes.js'
import type { BlockHeight, FeeRate } from '../types/units.js'
import { adviceOf } from '../types/error-advice.js'
import { PaychanError } from '../types/errors.js'
import type { Policy } from './policy.js'

/**
 * The rates that a mempool asks for: `minimum` to enter at all, `incremental` more than the
 * transaction that is replaced (BIP125 rule 4).
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
   * True when a server tells this session what happens to the channel's funding output (UPD-20).
   * Older knowledge may be out of date.
   */
  readonly isWatched: boolean
  /**
   * Height from which this side has seen the chain without a break; undefined when that is not
   * known.
   */
  readonly seenSince?: BlockHeight | undefined
  /** Bounded estimate of the rate that confirms within 6 blocks. */
  readonly feeRate: FeeRate
  /** Bounded estimate of the rate for the next block. */
  readonly nextBlockRate: FeeRate
  readonly relay: RelayRates
  /** The rate for the next block in the estimates seen, block by block, the newest last. */
  readonly feeHistory: readonly FeeRate[]
  /** Milliseconds since 1970, for records only. */
  readonly now: number
  /** Signs with our channel key (K1 or K2) of this channel. */
  readonly sign: (digest: Uint8Array) => Uint8Array
  /** KEY-3, KEY-4: true for a channel key of any channel of ours, open or not, theirs or ours. */
  readonly isKnownKey: (publicKey: Uint8Array) => boolean
  /** REF-2: true for an outpoint of any channel of ours. */
  readonly isKnownOutPoint: (outPoint: OutPoint) => boolean
}

/** The error of a channel that nobody watches: it takes and makes no payments (UPD-20). */
export function notWatched(): PaychanError {
  return new PaychanError(
    'ERR_NOT_WATCHED',
    `No server tells what happens to the channel on the chain, so nothing is paid on it now. ${adviceOf('ERR_NOT_WATCHED')}`
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
