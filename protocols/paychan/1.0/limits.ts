/** Sizes and counts that bound what a peer can make us hold. Rule ids are those of spec.md. */

/** The libp2p protocol id. */
export const PROTOCOL = '/paychan/1.0'

/** WIRE-2: an Envelope is at most this long, so that a reader never buffers more. */
export const MAX_MESSAGE_BYTES = 262_144

/**
 * UPD-7: payments under one signature. 1,000 x (16 id + 9 amount + 128 memo + 9 framing) = 162,000
 * bytes.
 */
export const MAX_PAYMENTS_PER_UPDATE = 1_000

/** UPD-8: UTF-8 bytes of a payment's memo. */
export const MAX_MEMO_BYTES = 128

/**
 * REEST-8: the payments that a `Reestablish` lists take at most this many bytes, each counted as
 * its memo and 33 more (18 id, 9 amount, 3 the memo's tag and length, 3 framing). The 1,024 bytes
 * that are left of the envelope are for the other fields, which take less than 200.
 */
export const MAX_LISTED_BYTES = 261_120
export const LISTED_PAYMENT_BYTES = 33

/**
 * WIRE-6: a transaction inside a message. BIP431 allows a version 3 transaction 10,000 vB; 40,000
 * bytes is its weight limit.
 */
export const MAX_TRANSACTION_BYTES = 40_000

/**
 * WIRE-6: states in a `ChannelRecord`, one for each turn. On networks with real money turns are at
 * least 36 blocks apart and a channel lasts 8,064 blocks by default, which makes 224.
 */
export const MAX_RECORDED_STATES = 256

/**
 * WIRE-6: a scriptPubKey. The longest standard one is a future witness program: 2 + 40 bytes
 * (BIP141).
 */
export const MAX_SCRIPT_BYTES = 42

/** WIRE-6: UTF-8 bytes of an Error's text, and of its code and rule. */
export const MAX_ERROR_TEXT_BYTES = 1_000
export const MAX_ERROR_CODE_BYTES = 64

/**
 * WIRE-5: 21,000,000 bitcoin x 100,000,000 satoshis, `MAX_MONEY` of Bitcoin Core's
 * consensus/amount.h.
 */
export const MAX_AMOUNT = 2_100_000_000_000_000n

/**
 * `previous` of a `RenewalRequest`, in all: with T1 that leaves a message below its limit (WIRE-2).
 */
export const MAX_PREVIOUS_BYTES = 200_000
