/**
 * Bitcoin's networks by name, apart from their parameters: a command line that only reads a name
 * loads no more.
 */
import type { Network } from '../../protocols/paychan/1.0/messages.js'

/** Every network that the protocol has a name for. */
export const NETWORKS = [
  'mainnet',
  'testnet',
  'testnet4',
  'signet',
  'regtest'
] as const satisfies readonly Network[]

/** Networks that are about to be given up, and their replacements. */
export const DEPRECATED_NETWORKS: Readonly<Partial<Record<Network, Network>>> = {
  testnet: 'testnet4'
}
