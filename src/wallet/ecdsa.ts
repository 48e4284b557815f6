/** Loads the secp256k1 of this machine (`src/bitcoin/secp256k1.ts`, which loads nothing itself). */
import { createRequire } from 'node:module'
import * as secp256k1 from '../bitcoin/secp256k1.js'
import type { EcdsaWithSecrets } from '../bitcoin/secp256k1.js'
import { PaychanError } from '../types/errors.js'

export type { EcdsaWithSecrets } from '../bitcoin/secp256k1.js'

const load = createRequire(import.meta.url)

/** The native implementation; undefined when this machine has no binary of it. */
export function nativeEcdsa(): EcdsaWithSecrets | undefined {
  return secp256k1.nativeEcdsa(load)
}

/** The WebAssembly implementation, which runs everywhere. */
export function wasmEcdsa(): EcdsaWithSecrets | undefined {
  return secp256k1.wasmEcdsa(load)
}

/**
 * The fastest implementation that this machine has.
 *
 * @throws PaychanError `ERR_NO_ECDSA` when neither can be loaded.
 */
export function loadEcdsa(): EcdsaWithSecrets {
  const found = nativeEcdsa() ?? wasmEcdsa()
  if (found === undefined) {
    throw new PaychanError(
      'ERR_NO_ECDSA',
      'Neither secp256k1 nor tiny-secp256k1 can be loaded; install the packages again with `npm ci`.'
    )
  }
  return found
}
