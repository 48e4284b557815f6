/** The address of an Electrum server, as people write it. */
import { readFingerprint } from '../chain/electrum/endpoint.js'
import { PaychanError } from '../types/errors.js'

/** The address where `paychan devnet` serves its chain. */
export const DEFAULT_ELECTRUM = 'tcp://127.0.0.1:50001'

/** The option of a command line that reaches the devnet at `url`: nothing at the default. */
export function devnetOption(url: string): string {
  return url === DEFAULT_ELECTRUM ? '' : ` --electrum ${url}`
}

/**
 * Checks the address of an Electrum server; `where` says in the error who gave it.
 *
 * @throws PaychanError `ERR_CONFIG_INVALID`
 */
export function checkElectrum({
  value,
  where
}: {
  readonly value: string
  readonly where: string
}): void {
  const refuse = (why: string): never => {
    throw new PaychanError(
      'ERR_CONFIG_INVALID',
      `${where}: '${value}' ${why} Write it like ${DEFAULT_ELECTRUM}.`,
      { key: 'electrum', where }
    )
  }
  const [, protocol = '', port = 0, pin] =
    /^(tcp|tls|ssl):\/\/(?:\[[0-9a-fA-F:.]+\]|[^\s:/[\]@?#]+):(\d{1,5})(?:#(.*))?$/.exec(value) ??
    []
  if (Number(port) < 1 || Number(port) > 65_535) refuse('is not the address of an Electrum server.')
  if (pin === undefined) return
  if (protocol === 'tcp') refuse('pins a certificate, but is a connection without TLS.')
  if (readFingerprint(pin) === undefined) {
    refuse(
      "has behind the # what is no SHA-256 fingerprint: 32 pairs of hex digits, as 'openssl x509 -noout -fingerprint -sha256 -in FILE' prints them."
    )
  }
}
