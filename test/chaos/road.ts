/**
 * A TCP proxy that a drill does things to: cuts it, slows it down, lets nothing pass for a while.
 * What passes is never changed or lost.
 */
import { once } from 'node:events'
import {
  createConnection,
  createServer,
  type AddressInfo,
  type Server,
  type Socket
} from 'node:net'

export class Road {
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined
  #port = 0
  #delay = 0
  #isBlack = false
  readonly #target: number

  private constructor(target: number) {
    this.#target = target
  }

  /** To a port of this machine. */
  static async to(target: number): Promise<Road> {
    const road = new Road(target)
    await road.#listen()
    return road
  }

  get port(): number {
    return this.#port
  }

  /** Everything passes again, at once. */
  async open(): Promise<void> {
    this.#delay = 0
    this.#isBlack = false
    for (const socket of this.#sockets) socket.resume()
    if (this.#server === undefined) await this.#listen()
  }

  /** Each chunk takes so long. */
  slow(ms: number): void {
    this.#delay = ms
  }

  /** Connections stand and can be made, and nothing passes: both sides wait. */
  black(): void {
    this.#isBlack = true
    for (const socket of this.#sockets) socket.pause()
  }

  /** Connections end, and no new ones can be made. */
  async cut(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    for (const socket of this.#sockets) socket.destroy()
    if (server === undefined) return
    server.close()
    await once(server, 'close')
  }

  async #listen(): Promise<void> {
    const server = createServer((client) => {
      this.#lead(client)
    })
    server.listen(this.#port, '127.0.0.1')
    await once(server, 'listening')
    this.#port = (server.address() as AddressInfo).port
    this.#server = server
  }

  #lead(client: Socket): void {
    const upstream = createConnection({ host: '127.0.0.1', port: this.#target, noDelay: true })
    client.setNoDelay(true)
    for (const [from, to] of [
      [client, upstream],
      [upstream, client]
    ] as const) {
      this.#sockets.add(from)
      let free = 0
      const later = (pass: () => void): void => {
        // In order, also when the delay gets shorter.
        free = Math.max(free, performance.now() + this.#delay)
        if (free <= performance.now()) pass()
        else setTimeout(pass, free - performance.now())
      }
      from.on('data', (chunk) => {
        later(() => {
          if (!to.destroyed) to.write(chunk)
        })
      })
      from.on('error', () => {
        to.destroy()
      })
      from.on('close', () => {
        this.#sockets.delete(from)
        later(() => {
          to.destroy()
        })
      })
      if (this.#isBlack) from.pause()
    }
  }
}
