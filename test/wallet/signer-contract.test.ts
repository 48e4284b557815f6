/** The signer's contract, on both libraries and on the signer of the tests. */
import assert from 'node:assert/strict'
import { signerContract } from '../contracts/signer.js'
import { nativeEcdsa, wasmEcdsa } from '../../src/wallet/ecdsa.js'
import { createTestSigner, testRoot } from './test-root.js'
import { createSigner } from '../../src/wallet/signer.js'

const native = nativeEcdsa()
if (native !== undefined) {
  signerContract('over libsecp256k1', () => createSigner(testRoot('contract'), 'regtest', native))
}
signerContract('over tiny-secp256k1', () =>
  createSigner(
    testRoot('contract'),
    'regtest',
    wasmEcdsa() ?? assert.fail('tiny-secp256k1 runs everywhere')
  )
)
signerContract('of the tests', () => createTestSigner('contract'))
