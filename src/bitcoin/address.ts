/**
 * Addresses to scripts and back: Base58Check (P2PKH, P2SH), Bech32 (BIP173) and Bech32m (BIP350).
 */
import { address as addresses } from 'bitcoinjs-lib'
import type { Network } from '../../protocols/paychan/1.0/messages.js'
import { toHex } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { NETWORKS } from './network-names.js'
import { networkParams } from './network.js'
import { destinationOf, isStandardScript, scriptOf } from './destination.js'

/** BIP173: no Bech32 address is longer. Base58 ones have at most 35 characters. */
const MAX_ADDRESS_LENGTH = 90

interface Decoded {
  readonly script: Uint8Array
  readonly networks: readonly Network[]
}

/**
 * The address of a scriptPubKey.
 *
 * @throws PaychanError `ERR_NO_ADDRESS` when the script has a form that no address stands for.
 */
export function addressFromScript(script: Uint8Array, network: Network): string {
  const to = destinationOf(script)
  if (to === undefined || !isStandardScript(script)) {
    throw new PaychanError('ERR_NO_ADDRESS', `The script ${toHex(script)} has no address.`, {
      script: toHex(script)
    })
  }
  const { bech32, bitcoinjs } = networkParams(network)
  switch (to.kind) {
    case 'p2pkh':
      return addresses.toBase58Check(to.hash, bitcoinjs.pubKeyHash)
    case 'p2sh':
      return addresses.toBase58Check(to.hash, bitcoinjs.scriptHash)
    case 'witness':
      return addresses.toBech32(to.program, to.version, bech32)
  }
}

/**
 * The scriptPubKey that an address stands for.
 *
 * @throws PaychanError `ERR_INVALID_ADDRESS` when it is no address, or one of another network.
 */
export function scriptFromAddress(address: string, network: Network): Uint8Array {
  const decoded =
    address.length > MAX_ADDRESS_LENGTH
      ? undefined
      : (decodeBech32(address) ?? decodeBase58(address))
  if (decoded === undefined || !isStandardScript(decoded.script)) {
    const shown =
      address.length > MAX_ADDRESS_LENGTH ? `${address.slice(0, MAX_ADDRESS_LENGTH)}...` : address
    throw new PaychanError(
      'ERR_INVALID_ADDRESS',
      `'${shown}' is not a Bitcoin address: check it for a missing or mistyped character.`,
      { address: shown }
    )
  }
  if (!decoded.networks.includes(network)) {
    throw new PaychanError(
      'ERR_INVALID_ADDRESS',
      `'${address}' is an address of ${decoded.networks.join(', ').replace(/, (?=[^,]*$)/, ' or ')}, but this is ${network}: ask for one that starts with ${networkParams(network).bech32}1.`,
      { address, network }
    )
  }
  return decoded.script
}

function decodeBech32(address: string): Decoded | undefined {
  const decoded = attempt(() => addresses.fromBech32(address))
  if (decoded === undefined) return undefined
  const networks = NETWORKS.filter((network) => networkParams(network).bech32 === decoded.prefix)
  if (networks.length === 0) return undefined
  return {
    script: scriptOf({ kind: 'witness', version: decoded.version, program: decoded.data }),
    networks
  }
}

function decodeBase58(address: string): Decoded | undefined {
  const decoded = attempt(() => addresses.fromBase58Check(address))
  if (decoded === undefined) return undefined
  const { version, hash } = decoded
  for (const kind of ['p2pkh', 'p2sh'] as const) {
    const networks = NETWORKS.filter((network) => {
      const { pubKeyHash, scriptHash } = networkParams(network).bitcoinjs
      return version === (kind === 'p2pkh' ? pubKeyHash : scriptHash)
    })
    if (networks.length > 0) return { script: scriptOf({ kind, hash }), networks }
  }
  return undefined
}

/**
 * The decoders throw a different error for every typing mistake; the person needs only one of them.
 */
function attempt<T>(decode: () => T): T | undefined {
  try {
    return decode()
  } catch {
    return undefined
  }
}
