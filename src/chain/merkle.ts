/**
 * Proofs that a transaction is in a block: the hashes beside the path from its id up to the merkle
 * root of the header. Pure.
 *
 * The tree does not tell leaves from inner nodes, and a transaction of exactly 64 bytes hashes like
 * an inner node (CVE-2017-12842). Both ways to abuse that are refused: a 64-byte transaction as
 * the leaf, and an inner node whose 64 bytes read as a transaction.
 */
import { concat } from 'uint8arrays'
import { hash256 } from '../bitcoin/hashes.js'
import { hashFromTxid, sameBytes, type Txid } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { MAX_MONEY } from '../types/units.js'

/** Bytes of an inner node: two hashes. */
export const INNER_NODE_SIZE = 64

/**
 * A proof as an Electrum server gives it: `merkle` are ids (reversed hex), from the leaf's level
 * upwards.
 */
export interface MerkleProof {
  readonly merkle: readonly Txid[]
  readonly pos: number
}

/**
 * A block holds at most 4,000,000 weight units / (4 x 60 bytes) = 16,666 transactions, so that 15
 * levels would do; 32 keeps `pos` within what integer arithmetic of 32 bits can follow.
 */
const MAX_DEPTH = 32

/**
 * The root that a proof leads to.
 *
 * @throws PaychanError `ERR_CHAIN_LIED` when the proof is invalid for any root
 */
export function merkleRootOf(id: Txid, proof: MerkleProof): Uint8Array {
  const depth = proof.merkle.length
  if (
    depth > MAX_DEPTH ||
    !Number.isInteger(proof.pos) ||
    proof.pos < 0 ||
    proof.pos >= 2 ** depth
  ) {
    throw refused(id)
  }
  let hash = hashFromTxid(id)
  let position = proof.pos
  for (const sibling of proof.merkle) {
    const other = hashFromTxid(sibling)
    const right = position % 2 === 1
    // The last node of an odd row is paired with itself, and then stands on the left. A right-hand
    // node equal to its left neighbour is a doubled leaf, which would prove one id at two places
    // (CVE-2012-2459).
    if (right && sameBytes(hash, other)) throw refused(id)
    const node = right ? concat([other, hash]) : concat([hash, other])
    if (readsAsTransaction(node)) throw refused(id)
    hash = hash256(node)
    position = Math.floor(position / 2)
  }
  return hash
}

/**
 * Checks that a transaction is in the block with this merkle root.
 *
 * @param strippedSize - the bytes of the transaction without witnesses, which its id is the hash of
 * @throws PaychanError `ERR_CHAIN_LIED`
 */
export function checkMerkleProof(
  id: Txid,
  strippedSize: number,
  proof: MerkleProof,
  root: Uint8Array
): void {
  if (strippedSize === INNER_NODE_SIZE || !sameBytes(merkleRootOf(id, proof), root)) {
    throw refused(id)
  }
}

/**
 * True when 64 bytes have the form of a transaction. Only one input and one output fit: 4 version +
 * 1 + (36 outpoint + 1 + s script + 4 sequence) + 1 + (8 value + 1 + p script) + 4 lock = 60 + s +
 * p, so that s + p = 4. Two hashes look like that with a chance below 10^-12.
 */
export function readsAsTransaction(node: Uint8Array): boolean {
  const view = new DataView(node.buffer, node.byteOffset, node.byteLength)
  const inputScript = view.getUint8(41)
  if (view.getUint8(4) !== 1 || inputScript > 4) return false
  const outputs = 42 + inputScript + 4
  return (
    view.getUint8(outputs) === 1 &&
    view.getBigUint64(outputs + 1, true) <= MAX_MONEY &&
    inputScript + view.getUint8(outputs + 9) === 4
  )
}

function refused(id: Txid): PaychanError {
  return new PaychanError(
    'ERR_CHAIN_LIED',
    `The Electrum server claims that ${id} is confirmed, but its proof does not lead to the block's header. Use another server.`,
    { txid: id }
  )
}
