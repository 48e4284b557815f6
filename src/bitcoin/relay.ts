/** The rates that nodes of the network relay, whatever a server says of itself. */
import { feeRate } from '../types/units.js'

/**
 * 0.1 sat/vB: `DEFAULT_MIN_RELAY_TX_FEE` and `DEFAULT_INCREMENTAL_RELAY_FEE` of Bitcoin Core from
 * 29.1 on. No node relays less.
 */
export const LOWEST_RELAY_RATE = feeRate(100n)

/**
 * 1 sat/vB: the same defaults before 29.1. Every node relays this rate, unless mempools are full.
 */
export const SAFE_RELAY_RATE = feeRate(1_000n)
