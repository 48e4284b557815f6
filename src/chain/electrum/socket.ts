/** Opens a socket to an Electrum server, and makes sure that it is that server when TLS is asked for. */
import { createConnection, isIP, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { Endpoint } from './endpoint.js'
import { checkCertificate, type TlsTrust } from './tls.js'

/** What became of it; exactly one of the two is called first. `onFailure` may be called again. */
export interface SocketListener {
  /** It stands, and with TLS its certificate is one to trust. */
  readonly onOpen: () => void
  readonly onFailure: (error: Error & { code?: string }) => void
}

export function openSocket (endpoint: Endpoint, trust: TlsTrust, { onOpen, onFailure }: SocketListener): Socket {
  const { protocol, host, port } = endpoint
  if (protocol === 'tcp') {
    const socket = createConnection({ host, port, noDelay: true, keepAlive: true })
    socket.once('connect', onOpen)
    // Stays for good: an error event without a listener would end the process.
    socket.on('error', onFailure)
    return socket
  }
  const socket: TLSSocket = connectTls({
    host,
    port,
    // RFC 6066, section 3: a server name is no IP address.
    ...isIP(host) === 0 ? { servername: host } : {},
    ...trust.ca === undefined ? {} : { ca: trust.ca },
    minVersion: 'TLSv1.2',
    // The verdict is made in checkCertificate, whatever NODE_TLS_REJECT_UNAUTHORIZED says; only there is a pin known.
    rejectUnauthorized: false
  })
  socket.setNoDelay(true)
  socket.setKeepAlive(true)
  socket.once('secureConnect', () => {
    const refusal = checkCertificate(endpoint, trust, socket)
    if (refusal === undefined) return onOpen()
    socket.destroy()
    onFailure(refusal)
  })
  socket.on('error', onFailure)
  return socket
}
