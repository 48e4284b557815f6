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
  const script = new Uint8Array(71)
  script[0] = OP_2
  push(script, 1, clientKey)
  push(script, 35, serverKey)
  script[69] = OP_2
  script[70] = OP_CHECKMULTISIG
  return script
}

/**
 * Output 0 of a state: its owner can spend it one block later. The delay keeps the owner from
 * hanging unconfirmed children on the other side's transaction. `1 OP_CHECKSEQUENCEVERIFY`
 * leaves the 1 on the stack, which is the "true" that a script has to end with.
 *
 * @throws PaychanError `ERR_INVALID_PUBLIC_KEY`
 */
export function payoutWitnessScript(payoutKey: Uint8Array): Uint8Array {
  const script = new Uint8Array(37)
  push(script, 0, payoutKey)
  script[34] = OP_CHECKSIGVERIFY
  script[35] = OP_1
  script[36] = OP_CHECKSEQUENCEVERIFY
  return script
}

/** The scriptPubKey `0 <SHA256(witnessScript)>` (BIP141). */
export function p2wsh(witnessScript: Uint8Array): Uint8Array {
  const script = new Uint8Array(34)
  script[0] = OP_0
  script[1] = 32
  script.set(sha256(witnessScript), 2)
  return script
}

/** Hashes an outpoint, for use where room is scarce. */
export function hashOfOutPoint(outPoint: OutPoint): Uint8Array {
  return sha256OfText(outPointText(outPoint))
}

/** A channel's id: the SHA256 of its client key K1 (spec: ID-1). */
export function channelIdOf(clientKey: Uint8Array): ChannelId {
  return channelId(toHex(sha256(clientKey)))
}

/** Writes a key into a script, behind its length. */
function push(script: Uint8Array, at: number, key: Uint8Array): void {
  if (key.length !== 33 || (key[0] !== 2 && key[0] !== 3)) {
    throw new PaychanError(
      'ERR_INVALID_PUBLIC_KEY',
      'A channel key is a compressed public key: 33 bytes that start with 02 or 03.',
      { length: key.length }
    )
  }
  script[at] = key.length
  script.set(key, at + 1)
}
