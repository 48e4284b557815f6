/**
 * An Electrum server: its address, that of the proxy in front of it, and whether its certificate is
 * to be trusted.
 */
import { createHash, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { adviceOf } from '../../types/error-advice.js'
import { messageOf, PaychanError } from '../../types/errors.js'

/** An address; `TlsTrust` says whom to trust there. */
export interface Endpoint {
  readonly protocol: 'tcp' | 'tls'
  readonly host: string
  readonly port: number
}

const PROTOCOLS = new Map<string, Endpoint['protocol']>([
  ['tcp:', 'tcp'],
  ['tls:', 'tls'],
  ['ssl:', 'tls']
])

/**
 * Reads `tcp://HOST:PORT` or `tls://HOST:PORT`; `ssl` is another name of `tls`.
 *
 * @throws PaychanError `ERR_INVALID_ELECTRUM_URL`
 * @example parseEndpoint('tcp://127.0.0.1:50001')
 */
export function parseEndpoint(text: string): Endpoint {
  const refuse = (why: string): PaychanError =>
    new PaychanError(
      'ERR_INVALID_ELECTRUM_URL',
      `'${text}' is not the address of an Electrum server: ${why}. ${adviceOf('ERR_INVALID_ELECTRUM_URL')}`,
      { url: text }
    )
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw refuse('it is no URL')
  }
  const protocol = PROTOCOLS.get(url.protocol)
  if (protocol === undefined) {
    throw refuse(`'${url.protocol.slice(0, -1)}' is not a protocol of theirs`)
  }
  if (url.hostname === '') throw refuse('the host is missing')
  if (url.port === '' || url.port === '0') throw refuse('the port is missing')
  if (
    (url.pathname !== '' && url.pathname !== '/') ||
    url.search !== '' ||
    url.hash !== '' ||
    url.username !== ''
  ) {
    throw refuse('there is more than a host and a port')
  }
  // An IPv6 address stands in brackets in a URL, and without them in a socket address.
  return { protocol, host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port) }
}

/** The address of a SOCKS5 proxy, such as Tor's. Pure. */
export interface Proxy {
  readonly host: string
  readonly port: number
  readonly userId?: string
  readonly password?: string
}

/**
 * Reads `socks5://[USER:PASSWORD@]HOST:PORT`; `socks5h` is the same, since the proxy always looks
 * up the names.
 *
 * @throws PaychanError `ERR_INVALID_PROXY`
 * @example parseProxy('socks5://127.0.0.1:9050')
 */
export function parseProxy(text: string): Proxy {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (
    url === undefined ||
    !/^socks5h?:$/.test(url.protocol) ||
    url.hostname === '' ||
    !(Number(url.port) > 0) ||
    !/^\/?$/.test(url.pathname) ||
    url.search !== '' ||
    url.hash !== ''
  ) {
    throw new PaychanError(
      'ERR_INVALID_PROXY',
      `'${text.replace(/\/\/[^@]*@/, '//...@')}' is not the address of a SOCKS5 proxy. Write it as socks5://HOST:PORT, such as socks5://127.0.0.1:9050 for Tor.`,
      {}
    )
  }
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const port = Number(url.port)
  return url.username === ''
    ? { host, port }
    : {
        host,
        port,
        userId: decodeURIComponent(url.username),
        password: decodeURIComponent(url.password)
      }
}

/** A server's text without control characters, which could rewrite a terminal. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim()
}

/*
 * Decides whether to trust the certificate of an Electrum server: because its fingerprint is
 * pinned; or because an authority vouches for it, its name is the one asked for and its time has
 * not run out; or, on request, because the server has shown no other one before. Otherwise the
 * connection is refused, with advice for the person.
 */

/**
 * The trust settings. With neither: the authorities that Node knows (the system's with
 * NODE_EXTRA_CA_CERTS or --use-system-ca).
 */
export interface TlsTrust {
  /**
   * Trust on first use, where no authority vouches for the certificate: the server has to keep
   * showing the certificate that it showed first.
   */
  readonly firstUse?: FirstUse | undefined
  /**
   * SHA-256 of the one certificate that is trusted, 64 hex digits in lower case. Its names and
   * dates do not matter then.
   */
  readonly fingerprint?: string | undefined
  /** Certificates in PEM, which are trusted instead of the usual authorities. */
  readonly ca?: string | undefined
}

/**
 * The certificates that servers have shown, by their fingerprints; or that an authority has vouched
 * for one of theirs.
 */
export interface FirstUse {
  readonly known: (server: string) => string | undefined
  readonly remember: (server: string, shown: string) => void
}

/**
 * Remembered in the place of a fingerprint: from then on only a certificate that an authority
 * vouches for is taken.
 */
export const VOUCHED = 'authority'

/** The parts of a TLS socket that are used after its handshake. */
export interface TlsPeer {
  readonly authorized: boolean
  /** OpenSSL's name of the error. (Node's types say Error; it is a text.) */
  readonly authorizationError: Error | string | null
  getPeerCertificate: () => {
    readonly raw?: Uint8Array
    readonly valid_from?: string
    readonly valid_to?: string
    readonly subjectaltname?: string | undefined
  }
}

/**
 * A fingerprint in one form; undefined when the text is not a fingerprint.
 *
 * @example readFingerprint('AB:CD:...') // 64 hex digits, as `openssl x509 -fingerprint -sha256`
 *   prints them
 */
export function readFingerprint(text: string): string | undefined {
  const plain = text
    .trim()
    .replace(/^sha256[:=\s]\s*/i, '')
    .replaceAll(':', '')
    .toLowerCase()
  return /^[0-9a-f]{64}$/.test(plain) ? plain : undefined
}

/**
 * Checks that a text holds certificates in PEM.
 *
 * @throws PaychanError `ERR_INVALID_CA`
 */
export function checkCa(pem: string, where: string): string {
  try {
    new X509Certificate(pem).toString()
    return pem
  } catch (cause) {
    throw new PaychanError(
      'ERR_INVALID_CA',
      `${where} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----). Give the file of the authority that has signed the server's certificate, or of that certificate itself.`,
      { where },
      { cause }
    )
  }
}

/**
 * @returns the fault: `ERR_TLS_FINGERPRINT`, `ERR_TLS_EXPIRED`, `ERR_TLS_WRONG_HOST`,
 * `ERR_TLS_UNTRUSTED`; undefined when there is none.
 */
export function checkCertificate(
  { host, port }: Endpoint,
  { fingerprint, ca, firstUse }: TlsTrust,
  peer: TlsPeer
): PaychanError | undefined {
  const certificate = peer.getPeerCertificate()
  const who = `The Electrum server at ${host}:${port}`
  if (certificate.raw === undefined) {
    return new PaychanError(
      'ERR_TLS_UNTRUSTED',
      `${who} shows no certificate. Use another server.`,
      { host, port }
    )
  }
  const shown = createHash('sha256').update(certificate.raw).digest('hex')
  const facts = { host, port, fingerprint: shown }
  if (fingerprint !== undefined) {
    if (shown === fingerprint) return undefined
    return new PaychanError(
      'ERR_TLS_FINGERPRINT',
      `${who} shows another certificate than the one that is pinned: ${written(shown)}. Somebody may stand in between. Only if the server's owner confirms that it is the new one, pin it with --electrum-fingerprint.`,
      { ...facts, pinned: fingerprint }
    )
  }
  const known = ca === undefined ? firstUse?.known(`${host}:${port}`) : undefined
  if (peer.authorized) {
    if (known !== VOUCHED && ca === undefined) firstUse?.remember(`${host}:${port}`, VOUCHED)
    return undefined
  }
  // Else whoever stands in between could make a certificate of his own, and be trusted for being
  // the first.
  if (firstUse !== undefined && ca === undefined && known !== VOUCHED) {
    if (known === undefined) firstUse.remember(`${host}:${port}`, shown)
    if (known === undefined || known === shown) return undefined
    return new PaychanError(
      'ERR_TLS_FINGERPRINT',
      `${who} shows another certificate than the one that it has shown before: ${written(shown)}. Somebody may stand in between. Only if the server's owner confirms that it is the new one, pin it with --electrum-fingerprint.`,
      { ...facts, pinned: known }
    )
  }
  const reason =
    peer.authorizationError === null ? 'unknown reason' : messageOf(peer.authorizationError)
  const code = reason.match(/[A-Z_]{8,}/)?.[0] ?? reason
  const pin = `If you know that this is its SHA-256 fingerprint, trust it with --electrum-fingerprint ${written(shown)}`
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    return new PaychanError(
      'ERR_TLS_EXPIRED',
      `The certificate of the Electrum server at ${host}:${port} is valid from ${certificate.valid_from} to ${certificate.valid_to} only. Check this computer's clock, and ask the server's owner for a new one. ${pin}`,
      { ...facts, reason: code }
    )
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const names = printable(certificate.subjectaltname ?? 'nobody').slice(0, 200)
    return new PaychanError(
      'ERR_TLS_WRONG_HOST',
      `The certificate of the Electrum server at ${host}:${port} is for another host (${names}). Check the address. ${pin}`,
      { ...facts, reason: code }
    )
  }
  const authorities =
    ca === undefined
      ? 'no authority that this computer trusts has signed it'
      : 'none of the certificates given with --electrum-ca has signed it'
  return new PaychanError(
    'ERR_TLS_UNTRUSTED',
    `The certificate of the Electrum server at ${host}:${port} cannot be trusted: ${authorities} (${printable(code)}). ${pin}`,
    { ...facts, reason: code }
  )
}

/** Formats a fingerprint as openssl does: pairs of digits between colons. */
function written(fingerprint: string): string {
  return (fingerprint.match(/../g) ?? []).join(':').toUpperCase()
}

/* The trust settings for TLS, as a person gives them: a fingerprint, or the path of a file. */

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
