/** Whom to trust with TLS, as a person says it: a fingerprint, or the path of a file. */
import { readFile } from 'node:fs/promises'
import { messageOf, PaychanError } from '../../types/errors.js'
import { checkCa, readFingerprint, type TlsTrust } from './tls.js'

/** @throws PaychanError `ERR_INVALID_FINGERPRINT`, `ERR_INVALID_CA` */
export async function readTrust(
  fingerprint: string | undefined,
  caFile: string | undefined
): Promise<TlsTrust> {
  const plain = fingerprint === undefined ? undefined : readFingerprint(fingerprint)
  if (fingerprint !== undefined && plain === undefined) {
    throw new PaychanError(
      'ERR_INVALID_FINGERPRINT',
      `'${fingerprint.slice(0, 100)}' is no SHA-256 fingerprint: that is 32 pairs of hex digits.`,
      {}
    )
  }
  return {
    fingerprint: plain,
    ca: caFile === undefined ? undefined : checkCa(await readCa(caFile), caFile)
  }
}

async function readCa(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new PaychanError(
      'ERR_INVALID_CA',
      `The file of trusted certificates, ${path}, cannot be read (${messageOf(cause)}). Check --electrum-ca.`,
      { path },
      { cause }
    )
  }
}
