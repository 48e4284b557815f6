/** An Electrum server (protocol 1.4 to 1.7) over TCP or TLS: one JSON object or batch a line. */
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { ChainBackend, ChainEvent } from '../backend.js'
import { ElectrumSession } from './session.js'

/** More connections than these are closed at once. */
const MAX_CONNECTIONS = 1_000

/** A certificate and its key, both in PEM. */
export interface ServerTls {
  readonly cert: string
  readonly key: string
}

export interface ElectrumServer {
  readonly port: number
  /** Drops every connection and stops listening. */
  stop: () => Promise<void>
}

/**
 * Serves a chain.
 *
 * @param host the address to listen on.
 * @param port 0 for any that is free.
 * @param tls serves TLS with this certificate.
 * @throws the system's error when the port cannot be had, such as `EADDRINUSE`.
 */
export async function startElectrumServer(
  backend: ChainBackend,
  host: string,
  port: number,
  tls?: ServerTls
): Promise<ElectrumServer> {
  const sessions = new Set<ElectrumSession>()
  const serve = (socket: Socket): void => {
    const session = new ElectrumSession(socket, backend, { host, port: boundPort() })
    sessions.add(session)
    socket.on('close', () => {
      sessions.delete(session)
    })
  }
  // Who does not finish the handshake is cut off by Node (`tlsClientError`).
  const server: Server =
    tls === undefined ? createServer(serve) : createTlsServer({ ...tls }, serve)
  const boundPort = (): number => {
    const address = server.address()
    return typeof address === 'object' && address !== null ? address.port : port
  }
  // Those included whose handshake is still under way.
  const connections = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    connections.add(socket)
    socket.on('close', () => {
      connections.delete(socket)
    })
  })
  server.maxConnections = MAX_CONNECTIONS
  server.listen(port, host)
  await once(server, 'listening')
  const events: readonly ChainEvent[] = ['block', 'mempool']
  const stopListening = events.map((event) =>
    backend.on(event, (change) => {
      for (const session of sessions) session.onChange(event, change)
    })
  )
  return {
    port: boundPort(),
    stop: async () => {
      for (const stop of stopListening) stop()
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      for (const socket of connections) socket.destroy()
      await closed
    }
  }
}
