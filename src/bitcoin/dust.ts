/** The smallest output that Bitcoin Core relays. */
import { opcodes } from 'bitcoinjs-lib'
import { feeFor, feeRate, satoshi, ZERO_SAT, type Satoshi } from '../types/units.js'
import { witnessProgram } from './destination.js'
import { outputSize } from './sizes.js'

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
