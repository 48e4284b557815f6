/** A bare Electrum client over a socket: what arrives is kept until it is asked for. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'

export class TestClient {
  readonly #lines: unknown[] = []
  readonly #waiting: ((line: unknown) => void)[] = []
  #id = 0

  private constructor(readonly socket: Socket) {
    createInterface({ input: socket }).on('line', (line) => {
      const value: unknown = JSON.parse(line)
      const next = this.#waiting.shift()
      if (next === undefined) this.#lines.push(value)
      else next(value)
    })
    socket.on('error', () => {
      socket.destroy()
    })
  }

  /** @param version - of the protocol, to be agreed on at once */
  static async connect(port: number, version?: string): Promise<TestClient> {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    const client = new TestClient(socket)
    if (version !== undefined) await client.call('server.version', 'test', version)
    return client
  }

  /** The next line that has arrived or will. */
  async next(): Promise<unknown> {
    if (this.#lines.length > 0) return this.#lines.shift()
    return await new Promise((resolve) => {
      this.#waiting.push(resolve)
    })
  }

  write(line: string): void {
    this.socket.write(`${line}\n`)
  }

  /** Asks and returns the next line whole. */
  async ask(method: string, ...params: unknown[]): Promise<unknown> {
    this.write(JSON.stringify({ jsonrpc: '2.0', id: ++this.#id, method, params }))
    return await this.next()
  }

  /** Asks and returns the result, undefined when there is none. */
  async call(method: string, ...params: unknown[]): Promise<unknown> {
    const answer = await this.ask(method, ...params)
    return typeof answer === 'object' && answer !== null && 'result' in answer
      ? answer.result
      : undefined
  }

  /** Asks and returns the error, undefined when there is none. */
  async fail(method: string, ...params: unknown[]): Promise<unknown> {
    const answer = await this.ask(method, ...params)
    return typeof answer === 'object' && answer !== null && 'error' in answer
      ? answer.error
      : undefined
  }

  close(): void {
    this.socket.destroy()
  }
}
