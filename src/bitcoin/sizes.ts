/**
 * Sizes of transactions in virtual bytes, computed for the worst case before there are signatures,
 * and the smallest output that Bitcoin Core relays.
 */
import { opcodes } from 'bitcoinjs-lib'
import { feeFor, feeRate, satoshi, type Satoshi, ZERO_SAT } from '../types/units.js'
import { witnessProgram } from './address.js'

/**
 * The longest DER signature with its sighash byte, when S is low (BIP146):
 * 30 len 02 len R 02 len S = 6 bytes of framing; R is below 2^256 and takes a leading zero byte in
 * half of all signatures: 33; a low S is below 2^255 and never needs one: 32; sighash type: 1.
 * 6 + 33 + 32 + 1 = 72. (One in two signatures has 71 bytes, one in some hundred still less.)
 */
export const MAX_SIGNATURE_BYTES = 72

/** Bytes of a count or length as transactions write it (`CompactSize`). */
export function compactSizeLength(value: number): number {
  if (value < 0xfd) return 1
  if (value <= 0xffff) return 3
  return value <= 0xffffffff ? 5 : 9
}

/** Bytes of an output: 8 for the value, the script with its length. */
export function outputSize(script: Uint8Array): number {
  return 8 + compactSizeLength(script.length) + script.length
}

/** Bytes of one item of a witness, with its length. */
export function witnessItemSize(length: number): number {
  return compactSizeLength(length) + length
}

/**
 * The longest witness of a P2WPKH input: 1 for the number of items, the signature, the 33-byte key.
 */
export const P2WPKH_WITNESS_BYTES = 1 + witnessItemSize(MAX_SIGNATURE_BYTES) + witnessItemSize(33)

/**
 * The virtual size of a transaction whose inputs are all native SegWit (BIP141): a byte outside
 * the witness weighs 4, one inside weighs 1, and a vbyte is 4 of that, rounded up.
 *
 * @param inputWitnesses - bytes of each input's witness, count of items included
 */
export function segwitVsize(
  inputWitnesses: readonly number[],
  outputScripts: readonly Uint8Array[]
): number {
  // 4 version, 4 nLockTime; an input is 36 outpoint, 1 for the empty scriptSig, 4 nSequence.
  const base =
    8 +
    compactSizeLength(inputWitnesses.length) +
    41 * inputWitnesses.length +
    compactSizeLength(outputScripts.length) +
    outputScripts.reduce((sum, script) => sum + outputSize(script), 0)
  // 2: marker and flag of BIP144.
  const witness = 2 + inputWitnesses.reduce((sum, size) => sum + size, 0)
  return Math.ceil((4 * base + witness) / 4)
}

/* The smallest output that Bitcoin Core relays. */

/**
 * `DUST_RELAY_TX_FEE` of Bitcoin Core's policy/policy.h: 3,000 sat/kvB, whatever the market asks.
 */
const DUST_RELAY_RATE = feeRate(3000n)

/**
 * `MAX_SCRIPT_SIZE` of Bitcoin Core's script/script.h: a longer scriptPubKey can never be spent.
 */
const MAX_SCRIPT_SIZE = 10_000

/**
 * The dust limit of an output in satoshis, after `GetDustThreshold` of Bitcoin Core's
 * policy/policy.cpp: what the output and a typical input that spends it cost at 3 sat/vB.
 * An output of exactly this value is relayed, one satoshi less is not.
 *
 *     input, witness program   32 + 4 + 1 + 107/4 + 4 =  67 bytes (rounded down)
 *     input, anything else     32 + 4 + 1 + 107 + 4   = 148 bytes
 *
 *     P2WPKH  (8 + 1 + 22 +  67) x 3 = 294        P2PKH  (8 + 1 + 25 + 148) x 3 = 546
 *     P2WSH   (8 + 1 + 34 +  67) x 3 = 330        P2SH   (8 + 1 + 23 + 148) x 3 = 540
 *     P2TR    (8 + 1 + 34 +  67) x 3 = 330
 *
 * An output that nobody can ever spend (OP_RETURN) has no dust limit.
 */
export function dustLimit(script: Uint8Array): Satoshi {
  if (script[0] === opcodes.OP_RETURN || script.length > MAX_SCRIPT_SIZE) return ZERO_SAT
  const input = witnessProgram(script) === undefined ? 148 : 67
  return satoshi(feeFor(DUST_RELAY_RATE, outputSize(script) + input))
}
