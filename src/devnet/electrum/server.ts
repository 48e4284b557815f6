/** An Electrum server (protocol 1.4) over TCP: one JSON object or batch a line. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { ChainBackend, ChainEvent } from '../backend.js'
import { ElectrumSession } from './session.js'

/** More connections than these are closed at once. */
const MAX_CONNECTIONS = 1_000

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
 * @throws the system's error when the port cannot be had, such as `EADDRINUSE`.
 */
export async function startElectrumServer (backend: ChainBackend, host: string, port: number): Promise<ElectrumServer> {
  const sessions = new Set<ElectrumSession>()
  const server = createServer(socket => {
    const session = new ElectrumSession(socket, backend, { host, port: boundPort() })
    sessions.add(session)
    socket.on('close', () => { sessions.delete(session) })
  })
  const boundPort = (): number => {
    const address = server.address()
    return typeof address === 'object' && address !== null ? address.port : port
  }
  server.maxConnections = MAX_CONNECTIONS
  server.listen(port, host)
  await once(server, 'listening')
  const events: readonly ChainEvent[] = ['block', 'mempool']
  const stopListening = events.map(event => backend.on(event, change => {
    for (const session of sessions) session.onChange(event, change)
  }))
  return {
    port: boundPort(),
    stop: async () => {
      for (const stop of stopListening) stop()
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      for (const { socket } of sessions) socket.destroy()
      await closed
    }
  }
}
