/**
 * What the tests of the Electrum server share: the scripts, a coin of Alice's, the status of a
 * history.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { Devnet } from '../../../src/devnet/devnet.js'
import { scriptHashOf } from '../../../src/devnet/hashes.js'
import { alice, bob, type Spendable } from '../support.js'

export const ALICE = scriptHashOf(alice.script)
export const BOB = scriptHashOf(bob.script)

/** The protocol's status of a script: the SHA256 of `txid:height:` for each entry. */
export function statusOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** A confirmed coin of Alice's. */
export async function coinOfAlice(devnet: Devnet, value: bigint): Promise<Spendable> {
  const txid = await devnet.fund(alice.address, value)
  await devnet.mine(1)
  const found = (await devnet.utxos(alice.script)).find(({ outPoint }) => outPoint.txid === txid)
  assert.ok(found !== undefined)
  return found
}
