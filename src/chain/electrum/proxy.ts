/** Where a SOCKS5 proxy is, such as Tor's. Pure. */
import { PaychanError } from '../../types/errors.js'

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
