/** Regtest addresses. */
import { address as bitcoinAddress, networks } from 'bitcoinjs-lib'
import { PaychanError } from '../types/errors.js'

/** The scriptPubKey of an address. @throws PaychanError `ERR_INVALID_ADDRESS` */
export function addressScript (address: string): Uint8Array {
  try {
    return bitcoinAddress.toOutputScript(address, networks.regtest)
  } catch (cause) {
    throw new PaychanError('ERR_INVALID_ADDRESS', `'${address.slice(0, 100)}' is not a regtest address; one begins with bcrt1.`, {}, { cause })
  }
}

/** The address of a scriptPubKey; undefined when it has none. */
export function scriptAddress (script: Uint8Array): string | undefined {
  try {
    return bitcoinAddress.fromOutputScript(script, networks.regtest)
  } catch {
    return undefined
  }
}
