/** The keys of a world, real and as a model, are a signer like any other. */
import { keyMaker } from '../../src/testing/keys.js'
import { signerContract } from '../contracts/signer.js'

signerContract('simulated, over secp256k1', () => keyMaker(1, false).signerFor('alice'))
signerContract('simulated, a model', () => keyMaker(1, true).signerFor('alice'))
