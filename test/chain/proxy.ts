/** A TCP proxy that can be cut: takes a server away from a client without stopping the server. */
import { once } from 'node:events'
import {
  createConnection,
  createServer,
  type AddressInfo,
  type Server,
  type Socket
} from 'node:net'

export class Proxy {
  readonly #sockets = new Set<Socket>()
  readonly #upstreams = new Set<Socket>()
  #server: Server | undefined
  #port = 0
  readonly #target: { host: string; port: number }

  constructor(target: { host: string; port: number }) {
    this.#target = target
  }

  get url(): string {
    return `tcp://127.0.0.1:${this.#port}`
  }

  async open(): Promise<this> {
    const server = createServer((client) => {
      const upstream = createConnection(this.#target)
      this.#upstreams.add(upstream)
      upstream.on('close', () => {
        this.#upstreams.delete(upstream)
      })
      for (const [from, to] of [
        [client, upstream],
        [upstream, client]
      ] as const) {
        this.#sockets.add(from)
        from.setNoDelay(true)
        from.on('error', () => {
          to.destroy()
        })
        from.on('close', () => {
          this.#sockets.delete(from)
        })
        from.pipe(to)
      }
    })
    server.listen(this.#port, '127.0.0.1')
    await once(server, 'listening')
    this.#port = (server.address() as AddressInfo).port
    this.#server = server
    return this
  }

  /**
   * From now on nothing passes over the connections that there are, and nobody is told: as when a
   * NAT forgets them.
   */
  swallow(): void {
    for (const socket of this.#sockets) {
      socket.unpipe()
      socket.resume()
    }
  }

  /** From now on everything arrives at the target, and nothing that it says comes back. */
  swallowAnswers(): void {
    for (const upstream of this.#upstreams) {
      upstream.unpipe()
      upstream.resume()
    }
  }

  async cut(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    server.close()
    await once(server, 'close')
  }
}
