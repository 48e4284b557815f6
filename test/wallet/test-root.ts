/** Keys that come from a text: never for money. */
import { HDKey } from '@scure/bip32'
import { crypto } from 'bitcoinjs-lib'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import type { Signer } from '../../src/engine/ports.js'
import { createSigner } from '../../src/wallet/signer.js'

/** The BIP32 master key of a text. */
export function testRoot(seed: string): HDKey {
  return HDKey.fromMasterSeed(crypto.sha256(new TextEncoder().encode(`paychan test seed ${seed}`)))
}

export function createTestSigner(seed: string, network: Network = 'regtest'): Signer {
  return createSigner(testRoot(seed), network)
}
