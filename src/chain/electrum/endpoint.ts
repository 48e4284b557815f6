/** The address of an Electrum server, and of the proxy in front of it. Pure. */
import { adviceOf } from '../../types/error-advice.js'
import { PaychanError } from '../../types/errors.js'

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
