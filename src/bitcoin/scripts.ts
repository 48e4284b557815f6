/**
 * The witness scripts of a channel and the scriptPubKeys around them.
 *
 *   funding (T1)   2 <K1> <K2> 2 OP_CHECKMULTISIG                          71 bytes
 *   payout         <key> OP_CHECKSIGVERIFY 1 OP_CHECKSEQUENCEVERIFY        37 bytes
 */
import { opcodes } from 'bitcoinjs-lib'
import { channelId, outPointText, toHex, type ChannelId, type OutPoint } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { sha256, sha256OfText } from './hashes.js'

export { addressFromScript, scriptFromAddress } from './address.js'
export { isStandardScript } from './address.js'

const { OP_0, OP_1, OP_2, OP_CHECKMULTISIG, OP_CHECKSIGVERIFY, OP_CHECKSEQUENCEVERIFY } = opcodes

/**
 * The 2-of-2 behind the funding output. The client's key comes first; the keys are not sorted
 * (unlike BIP67), so that the order of the signatures never depends on the keys.
 *
 * @throws PaychanError `ERR_INVALID_PUBLIC_KEY` when a key is not 33 bytes starting with 02 or 03.
 */
export function fundingWitnessScript(clientKey: Uint8Array, serverKey: Uint8Array): Uint8Array {
  return Uint8Array.from([OP_2, ...push(clientKey), ...push(serverKey), OP_2, OP_CHECKMULTISIG])
}

/**
 * Output 0 of a state: its owner can spend it one block later. The delay keeps the owner from
 * hanging unconfirmed children on the other side's transaction. `1 OP_CHECKSEQUENCEVERIFY`
 * leaves the 1 on the stack, which is the "true" that a script has to end with.
 *
 * @throws PaychanError `ERR_INVALID_PUBLIC_KEY`
 */
export function payoutWitnessScript(payoutKey: Uint8Array): Uint8Array {
  return Uint8Array.from([...push(payoutKey), OP_CHECKSIGVERIFY, OP_1, OP_CHECKSEQUENCEVERIFY])
}

/** The scriptPubKey `0 <SHA256(witnessScript)>` (BIP141). */
export function p2wsh(witnessScript: Uint8Array): Uint8Array {
  return Uint8Array.from([OP_0, 32, ...sha256(witnessScript)])
}

/** Hashes an outpoint, for use where room is scarce. */
export function hashOfOutPoint(outPoint: OutPoint): Uint8Array {
  return sha256OfText(outPointText(outPoint))
}

/** A channel's id: the SHA256 of its client key K1 (spec: ID-1). */
export function channelIdOf(clientKey: Uint8Array): ChannelId {
  return channelId(toHex(sha256(clientKey)))
}

function push(key: Uint8Array): number[] {
  if (key.length !== 33 || (key[0] !== 2 && key[0] !== 3)) {
    throw new PaychanError(
      'ERR_INVALID_PUBLIC_KEY',
      'A channel key is a compressed public key: 33 bytes that start with 02 or 03.',
      { length: key.length }
    )
  }
  return [key.length, ...key]
}
