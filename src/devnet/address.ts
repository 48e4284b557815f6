/** Regtest addresses. */
import { addressFromScript, scriptFromAddress } from '../bitcoin/address.js'
import { PaychanError } from '../types/errors.js'

/** The scriptPubKey of an address. @throws PaychanError `ERR_INVALID_ADDRESS` */
export function addressScript(address: string): Uint8Array {
  try {
    return scriptFromAddress(address, 'regtest')
  } catch (cause) {
    throw new PaychanError(
      'ERR_INVALID_ADDRESS',
      `'${address.slice(0, 100)}' is not a regtest address; one begins with bcrt1.`,
      {},
      { cause }
    )
  }
}

/** The address of a scriptPubKey; undefined when it has none. */
export function scriptAddress(script: Uint8Array): string | undefined {
  try {
    return addressFromScript(script, 'regtest')
  } catch {
    return undefined
  }
}
