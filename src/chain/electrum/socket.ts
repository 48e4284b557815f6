/**
 * Opens a socket to an Electrum server, through a proxy if there is one, and with TLS makes sure
 * that it is the right server.
 */
import { createConnection, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { SocksClient } from 'socks'
import { messageOf } from '../../types/errors.js'
import { checkCertificate, type Endpoint, type Proxy, type TlsTrust } from './endpoint.js'

/** The outcome: exactly one of the two is called first. `onFailure` may be called again. */
interface SocketListener {
  /** Called when the connection stands; with TLS its certificate is trusted. */
  readonly onOpen: (socket: Socket) => void
  readonly onFailure: (error: Error & { code?: string }) => void
}

/** The route to a server. */
interface Way {
  readonly trust: TlsTrust
  readonly proxy?: Proxy | undefined
}

/** Opens a socket. Returns a function that gives up. */
export function openSocket(
  endpoint: Endpoint,
  { trust, proxy }: Way,
  listener: SocketListener
): () => void {
  let current: Socket | undefined
  let isOver = false
  const keep = (socket: Socket): Socket => {
    current = socket
    // Stays for good: an error event without a listener would end the process.
    socket.on('error', listener.onFailure)
    if (isOver) socket.destroy()
    return socket
  }
  const secure = (plain: Socket): void => {
    if (endpoint.protocol === 'tcp') return listener.onOpen(plain)
    keep(overTls(plain, endpoint, trust, listener))
  }
  if (proxy === undefined) {
    const socket = keep(
      createConnection({ host: endpoint.host, port: endpoint.port, noDelay: true, keepAlive: true })
    )
    socket.once('connect', () => {
      secure(socket)
    })
  } else {
    throughProxy(endpoint, proxy).then(
      (socket) => {
        secure(keep(socket))
      },
      (error: unknown) => {
        if (!isOver) {
          listener.onFailure(
            new Error(
              `the SOCKS proxy at ${proxy.host}:${proxy.port} did not connect us (${messageOf(error)})`
            )
          )
        }
      }
    )
  }
  return () => {
    isOver = true
    current?.destroy()
  }
}

/**
 * Connects through the proxy. The proxy looks the name up, so that nobody on the way learns it, and
 * names that only it knows (.onion) work.
 */
async function throughProxy({ host, port }: Endpoint, proxy: Proxy): Promise<Socket> {
  const { socket } = await SocksClient.createConnection({
    proxy: { ...proxy, type: 5 },
    command: 'connect',
    destination: { host, port },
    set_tcp_nodelay: true
  })
  socket.setKeepAlive(true)
  return socket
}

function overTls(
  plain: Socket,
  endpoint: Endpoint,
  trust: TlsTrust,
  { onOpen, onFailure }: SocketListener
): Socket {
  const socket = connectTls({
    socket: plain,
    // RFC 6066, section 3: a server name is not an IP address.
    ...(isIP(endpoint.host) === 0 ? { servername: endpoint.host } : { host: endpoint.host }),
    ...(trust.ca === undefined ? {} : { ca: trust.ca }),
    minVersion: 'TLSv1.2',
    // The verdict is made in checkCertificate, whatever NODE_TLS_REJECT_UNAUTHORIZED says; only
    // there is a pin known.
    rejectUnauthorized: false
  })
  socket.once('secureConnect', () => {
    const refusal = checkCertificate(endpoint, trust, socket)
    if (refusal === undefined) return onOpen(socket)
    socket.destroy()
    onFailure(refusal)
  })
  return socket
}
