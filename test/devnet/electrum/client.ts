/** A bare Electrum client over a socket: what arrives is kept until it is asked for. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { Devnet } from '../../../src/devnet/index.js'
import { scriptHashOf } from '../../../src/devnet/transaction.js'
import { alice, bob, type Spendable } from '../support.js'

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

/*
 * What the tests of the Electrum server share: the scripts, a coin of Alice's, the status of a
 * history.
 */

export const ALICE = scriptHashOf(alice.script)
export const BOB = scriptHashOf(bob.script)

/** The protocol's status of a script: the SHA256 of `txid:height:` for each entry. */
export function statusOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** A confirmed coin of Alice's. */
export async function coinOfAlice(devnet: Devnet, value: bigint): Promise<Spendable> {
  const txid = await devnet.fund(alice.address, value)
  await devnet.mine(1)
  const found = (await devnet.utxos(alice.script)).find(({ outPoint }) => outPoint.txid === txid)
  assert.ok(found !== undefined)
  return found
}
