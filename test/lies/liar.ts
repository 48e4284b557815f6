/**
 * A proxy between a node and an honest Electrum server, which can do to every message what a lie
 * needs.
 */
import { once } from 'node:events'
import {
  createConnection,
  createServer,
  type AddressInfo,
  type Server,
  type Socket
} from 'node:net'

export interface Asked {
  readonly method: string
  readonly params: readonly unknown[]
}

/** One client's connection. */
export interface Line {
  /** Bytes as they are, to the client. */
  readonly write: (raw: string | Uint8Array) => void
  readonly notify: (method: string, params: readonly unknown[]) => void
  readonly close: () => void
  /** Asks the honest server. */
  readonly ask: (method: string, ...params: readonly unknown[]) => Promise<unknown>
}

/** What is answered in the place of the honest answer; undefined: nothing at all. */
export type Answer = { readonly result: unknown } | { readonly error: string } | undefined

/** What it does; whatever is left out is honest. */
export interface Lie {
  /** For every request of a client: what to answer, given how to get the honest answer. */
  readonly answer?: (asked: Asked, honest: () => Promise<unknown>, line: Line) => Promise<Answer>
  /** For every notification of the server: what is passed on. */
  readonly notification?: (asked: Asked, line: Line) => Asked | undefined
  /** How a message is written. */
  readonly write?: (text: string, line: Line) => void
  readonly onConnection?: (line: Line) => void
}

/**
 * It offers no newer version, whatever the client speaks: the lies are about the methods of this
 * one.
 */
const SPOKEN = ['1.4', '1.6']

export class Liar {
  readonly #sockets = new Set<Socket>()
  readonly #server: Server
  lie: Lie = {}
  readonly #target: { readonly host: string; readonly port: number }

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#target = target
    this.#server = createServer((client) => {
      this.#serve(client)
    })
  }

  static async start(
    target: { readonly host: string; readonly port: number },
    lie: Lie = {}
  ): Promise<Liar> {
    const liar = new Liar(target)
    liar.lie = lie
    liar.#server.listen(0, '127.0.0.1')
    await once(liar.#server, 'listening')
    return liar
  }

  get url(): string {
    return `tcp://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Ends all connections; new ones are taken. */
  drop(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #serve(client: Socket): void {
    const upstream = createConnection(this.#target)
    const waiting = new Map<
      number,
      (message: { result?: unknown; error?: { message: string } | null }) => void
    >()
    let next = 0
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client]
    ] as const) {
      this.#sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => {
        other.destroy()
      })
      socket.on('close', () => {
        this.#sockets.delete(socket)
        other.destroy()
      })
    }
    const ask = async (method: string, ...params: readonly unknown[]): Promise<unknown> => {
      const id = next++
      upstream.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`)
      return await new Promise((resolve, reject) => {
        waiting.set(id, ({ result, error }) => {
          if (error === undefined || error === null) resolve(result)
          else reject(new Error(error.message))
        })
      })
    }
    const send = (message: object): void => {
      const text = `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`
      if (this.lie.write === undefined) client.write(text)
      else this.lie.write(text, line)
    }
    const line: Line = {
      ask,
      write: (raw) => {
        client.write(raw)
      },
      close: () => {
        client.destroy()
      },
      notify: (method, params) => {
        send({ method, params })
      }
    }
    this.lie.onConnection?.(line)
    lines(client, (text) => {
      const { id, method, params } = JSON.parse(text) as { id: number } & Asked
      const honest = async (): Promise<unknown> =>
        await ask(method, ...(method === 'server.version' ? [params[0], SPOKEN] : params))
      const answer =
        this.lie.answer === undefined
          ? honest().then((result) => ({ result }))
          : this.lie.answer({ method, params }, honest, line)
      answer
        .catch((error: unknown) => ({
          error: error instanceof Error ? error.message : String(error)
        }))
        .then(
          (said) => {
            if (said !== undefined) {
              send(
                'error' in said
                  ? { id, error: { code: 1, message: said.error } }
                  : { id, result: said.result }
              )
            }
          },
          () => {}
        )
    })
    lines(upstream, (text) => {
      const {
        id,
        method,
        params = [],
        ...answer
      } = JSON.parse(text) as {
        id?: number
        method?: string
        params?: unknown[]
        result?: unknown
        error?: { message: string }
      }
      if (method !== undefined) {
        const said =
          this.lie.notification === undefined
            ? { method, params }
            : this.lie.notification({ method, params }, line)
        if (said !== undefined) send(said)
        return
      }
      waiting.get(id ?? -1)?.(answer)
      waiting.delete(id ?? -1)
    })
  }
}

function lines(socket: Socket, take: (text: string) => void): void {
  let rest = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    const all = (rest + chunk).split('\n')
    rest = all.pop() ?? ''
    for (const text of all) take(text)
  })
}
