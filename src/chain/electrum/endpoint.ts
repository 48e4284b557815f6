/** Where an Electrum server is, and how a socket to it is opened. */
import { createConnection, type Socket } from 'node:net'
import { PaychanError } from '../../types/errors.js'

/** `protocol` is the place for `ssl` later. */
export interface Endpoint { readonly protocol: 'tcp', readonly host: string, readonly port: number }

/**
 * Reads `tcp://HOST:PORT`.
 *
 * @throws PaychanError `ERR_INVALID_ELECTRUM_URL`
 * @example parseEndpoint('tcp://127.0.0.1:50001')
 */
export function parseEndpoint (text: string): Endpoint {
  const refuse = (why: string): PaychanError => new PaychanError('ERR_INVALID_ELECTRUM_URL', `'${text}' is not the address of an Electrum server: ${why}. Write it as tcp://HOST:PORT.`, { url: text })
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw refuse('it is no URL')
  }
  if (url.protocol !== 'tcp:') throw refuse(`'${url.protocol.slice(0, -1)}' is not supported yet`)
  if (url.hostname === '') throw refuse('the host is missing')
  if (url.port === '' || url.port === '0') throw refuse('the port is missing')
  if ((url.pathname !== '' && url.pathname !== '/') || url.search !== '' || url.hash !== '' || url.username !== '') throw refuse('there is more than a host and a port')
  // An IPv6 address stands in brackets in a URL, and without them in a socket address.
  return { protocol: 'tcp', host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port) }
}

/** Opens a socket; its `connect`, `error` and `close` events tell what became of it. TLS belongs here. */
export function openSocket (endpoint: Endpoint): Socket {
  return createConnection({ host: endpoint.host, port: endpoint.port, noDelay: true, keepAlive: true })
}
