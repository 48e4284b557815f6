/**
 * What the devnet's tests are written with: people with one key each, transactions between them, a
 * chain without a server.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { networks, payments, script as bitcoinScript, Transaction } from 'bitcoinjs-lib'
import { pointFromScalar, sign } from 'tiny-secp256k1'
import { type Devnet, EmbeddedChain } from '../../src/devnet/index.js'
import type { CoreRelease } from '../../src/devnet/rules.js'
import { scriptHashOf } from '../../src/devnet/transaction.js'
import { hashFromTxid, type OutPoint, txid } from '../../src/types/bytes.js'
import { satoshi } from '../../src/types/units.js'

export const SEQUENCE_RBF = 0xfffffffd

/** The time of regtest's genesis block. */
export const GENESIS_TIME = 1_296_688_602

function defined<T>(value: T | null | undefined): T {
  assert.ok(value !== null && value !== undefined)
  return value
}

/** Somebody with one key, which is made of the name. */
export class Person {
  readonly secret: Uint8Array
  readonly publicKey: Uint8Array
  /** P2WPKH. */
  readonly script: Uint8Array
  readonly address: string

  constructor(name: string) {
    this.secret = createHash('sha256').update(`test ${name}`).digest()
    this.publicKey = defined(pointFromScalar(this.secret))
    const payment = payments.p2wpkh({ pubkey: this.publicKey, network: networks.regtest })
    this.script = defined(payment.output)
    this.address = defined(payment.address)
  }

  /** What a signature of an input that spends a coin of theirs signs (BIP143). */
  get scriptCode(): Uint8Array {
    return defined(payments.p2pkh({ pubkey: this.publicKey }).output)
  }

  /** A DER signature with its hash type. */
  sign(digest: Uint8Array, hashType = Transaction.SIGHASH_ALL): Uint8Array {
    return bitcoinScript.signature.encode(sign(digest, this.secret), hashType)
  }
}

export const alice = new Person('alice')
export const bob = new Person('bob')

export function p2wsh(witnessScript: Uint8Array): Uint8Array {
  return defined(payments.p2wsh({ redeem: { output: witnessScript } }).output)
}

export interface Spendable {
  readonly outPoint: OutPoint
  readonly value: bigint
}

export interface Draft {
  readonly from: readonly (Spendable & { readonly owner: Person; readonly sequence?: number })[]
  readonly to: readonly (readonly [script: Uint8Array, value: bigint])[]
  readonly version?: number
  readonly locktime?: number
}

/** The transaction of a draft without its signatures. */
export function unsigned({ from, to, version = 2, locktime = 0 }: Draft): Transaction {
  const transaction = new Transaction()
  transaction.version = version
  transaction.locktime = locktime
  for (const { outPoint, sequence = SEQUENCE_RBF } of from) {
    transaction.addInput(hashFromTxid(outPoint.txid), outPoint.vout, sequence)
  }
  // Not by `addOutput`, which would refuse the bad amounts that some tests are about.
  for (const [script, value] of to) transaction.outs.push({ script, value })
  return transaction
}

/** A transaction that spends P2WPKH outputs, signed by their owners. */
export function signed(draft: Draft): Transaction {
  const transaction = unsigned(draft)
  draft.from.forEach(({ owner, value }, i) => {
    transaction.setWitness(i, [
      owner.sign(transaction.hashForWitnessV0(i, owner.scriptCode, value, Transaction.SIGHASH_ALL)),
      owner.publicKey
    ])
  })
  return transaction
}

/** An output of a transaction, to be spent. */
export function output(transaction: Transaction, vout: number): Spendable {
  return {
    outPoint: { txid: txid(transaction.getId()), vout },
    value: defined(transaction.outs[vout]).value
  }
}

/** A chain without a server, on which 120 blocks are mined, ten minutes apart. */
export async function freshChain(
  options: {
    readonly maxWeight?: number
    readonly mempoolVsize?: number
    readonly core?: CoreRelease
  } = {}
): Promise<EmbeddedChain> {
  const chain = new EmbeddedChain({
    seed: 'test',
    now: (height) => GENESIS_TIME + height * 600,
    ...options
  })
  await chain.mine(120)
  return chain
}

/** A confirmed coin of that value for somebody. */
export async function coinFor(
  chain: EmbeddedChain,
  script: Uint8Array,
  value: bigint
): Promise<Spendable> {
  const id = await chain.fund(script, satoshi(value))
  await chain.mine(1)
  const { unspent } = await chain.scriptCoins(scriptHashOf(script))
  return defined(unspent.find(({ outPoint }) => outPoint.txid === id))
}

/** Submits and demands that it is accepted. */
export async function accept(chain: EmbeddedChain, transaction: Transaction): Promise<void> {
  const result = await chain.submit(transaction.toBuffer())
  assert.ok(result.accepted, result.accepted ? '' : result.reason)
}

/** Submits and demands that it is refused for this reason (the start of it). */
export async function refuse(
  chain: EmbeddedChain,
  transaction: Transaction,
  reason: string
): Promise<void> {
  const result = await chain.submit(transaction.toBuffer())
  assert.ok(!result.accepted, `accepted, though '${reason}' was expected`)
  assert.ok(result.reason.startsWith(reason), `refused with '${result.reason}', not '${reason}'`)
}

/** Confirmed coins of somebody's, all of one value. */
export async function coinsFor(
  chain: EmbeddedChain,
  owner: Person,
  count: number,
  value: bigint
): Promise<Spendable[]> {
  const whole = await coinFor(chain, owner.script, value * BigInt(count) + 100_000n)
  const split = signed({
    from: [{ ...whole, owner }],
    to: Array.from({ length: count }, () => [owner.script, value] as const)
  })
  await accept(chain, split)
  await chain.mine(1)
  return Array.from({ length: count }, (_, vout) => output(split, vout))
}

/**
 * Spends a coin of Alice's at a fee rate in sat/vB, into as many outputs of hers.
 *
 * @example bid(coin, 5) // 110 vB at 5 sat/vB
 */
export function bid(coin: Spendable, rate: number, outputs = 1): Transaction {
  const make = (fee: bigint): Transaction => {
    const rest = coin.value - BigInt(outputs - 1) * 1_000n - fee
    return signed({
      from: [{ ...coin, owner: alice }],
      to: [
        [alice.script, rest],
        ...Array.from({ length: outputs - 1 }, () => [alice.script, 1_000n] as const)
      ]
    })
  }
  return make(BigInt(Math.ceil(make(0n).virtualSize() * rate)))
}

/* A bare Electrum client over a socket: what arrives is kept until it is asked for. */

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
