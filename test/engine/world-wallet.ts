/**
 * A wallet over the chain in memory: its coins are outputs of that chain, so that every satoshi can
 * be accounted for. It signs nothing, for that chain judges no signatures. What it does is durable
 * at once, as the port asks for.
 */
import { createHash } from 'node:crypto'
import { Transaction } from 'bitcoinjs-lib'
import type { MemoryWorld } from '../../src/chain/memory-world.js'
import { FUNDING_WITNESS_BYTES } from '../../src/bitcoin/funding-spend.js'
import { previousOf } from '../../src/wallet/previous.js'
import type { BuiltFunding, CsvOutput, FundingRequest, Wallet } from '../../src/engine/ports.js'
import {
  hashFromTxid,
  outPointText,
  sameBytes,
  sameOutPoint,
  toHex,
  txid,
  txidFromHash,
  type ChannelId,
  type OutPoint
} from '../../src/types/bytes.js'
import { PaychanError } from '../../src/types/errors.js'
import { feeFor, satoshi, ZERO_SAT, type FeeRate, type Satoshi } from '../../src/types/units.js'

export interface Coin {
  readonly outPoint: OutPoint
  readonly value: bigint
  readonly height: number | undefined
}

/** A signature of 72 bytes and a key of 33, as a P2WPKH input has them. */
const WITNESS = [new Uint8Array(72).fill(0x30), new Uint8Array(33).fill(0x02)]

export class WorldWallet implements Wallet {
  readonly claims: CsvOutput[] = []
  readonly #scripts: Uint8Array[] = []
  readonly #closeScripts: Uint8Array[] = []
  readonly #reserved = new Map<ChannelId, readonly OutPoint[]>()
  /** Called before T1 is built. */
  beforeFunding: () => void = () => {}

  constructor(
    private readonly world: MemoryWorld,
    private readonly name: string
  ) {}

  get reservedFor(): ChannelId[] {
    return [...this.#reserved.keys()]
  }

  /** Gives it a coin, in the next block. */
  receive(value: bigint): void {
    this.world.fund(this.#newScript(), satoshi(value))
  }

  /** All that is its own on the chain, payouts that are not swept included. */
  coins(): Coin[] {
    // A settlement that is published again, at another fee, pays the same script.
    const scripts = new Map(
      [
        ...this.#scripts,
        ...this.#closeScripts,
        ...this.claims.map((claim) => claim.scriptPubKey)
      ].map((script) => [toHex(script), script])
    )
    return [...scripts.values()].flatMap((script) => unspent(this.world, script))
  }

  /** How many scripts it has given out. */
  get scriptsDrawn(): number {
    return this.#scripts.length + this.#closeScripts.length
  }

  get balance(): bigint {
    return this.coins().reduce((sum, { value }) => sum + value, 0n)
  }

  async newScript(): Promise<Uint8Array> {
    return await Promise.resolve(this.#newScript())
  }

  closeScript(index: number): Uint8Array {
    for (let at = this.#closeScripts.length; at <= index; at++) {
      this.#closeScripts.push(
        Uint8Array.from([
          0,
          20,
          ...createHash('sha256').update(`${this.name} close ${at}`).digest().subarray(0, 20)
        ])
      )
    }
    return this.#closeScripts[index] ?? new Uint8Array()
  }

  async recognise(script: Uint8Array): Promise<boolean> {
    return await Promise.resolve(
      [...this.#scripts, ...this.#closeScripts].some((own) => sameBytes(own, script))
    )
  }

  /** Says nothing unless it is told to: coins may also go between this and T1. */
  checkFunds: (amount: Satoshi, feeRate: FeeRate, coins?: readonly OutPoint[]) => Satoshi = () =>
    ZERO_SAT

  /** That chain has no fees to compete with. */
  async bumpFunding(): Promise<void> {
    await Promise.resolve()
  }

  async buildFunding({
    channel,
    scriptPubKey,
    amount,
    feeRate,
    beside,
    coins
  }: FundingRequest): Promise<BuiltFunding> {
    await Promise.resolve()
    this.beforeFunding()
    const taken = new Set([...this.#reserved.values()].flat().map(outPointText))
    const free = this.coins().filter(
      ({ outPoint, height }) =>
        height !== undefined &&
        !taken.has(outPointText(outPoint)) &&
        (coins === undefined || coins.some((named) => sameOutPoint(named, outPoint)))
    )
    const transaction = new Transaction()
    transaction.version = 3
    if (beside !== undefined) {
      transaction.addInput(hashFromTxid(beside.outPoint.txid), beside.outPoint.vout, 0xfffffffd)
    }
    let sum = beside?.value ?? 0n
    for (const coin of free) {
      transaction.addInput(hashFromTxid(coin.outPoint.txid), coin.outPoint.vout, 0xfffffffe)
      transaction.setWitness(transaction.ins.length - 1, WITNESS)
      sum += coin.value
    }
    transaction.addOutput(scriptPubKey, amount)
    // 43 vB: an output that pays to a script hash
    const fee = feeFor(
      feeRate,
      transaction.virtualSize() + 43 + (beside === undefined ? 0 : FUNDING_WITNESS_BYTES / 4)
    )
    if (sum < amount + fee) {
      throw new PaychanError(
        'ERR_INSUFFICIENT_FUNDS',
        `Asked for ${amount} sat, ${sum} sat are there.`,
        { asked: amount, available: sum }
      )
    }
    transaction.addOutput(this.#newScript(), sum - amount - fee)
    this.#reserved.set(
      channel,
      free.map(({ outPoint }) => outPoint)
    )
    return {
      raw: Uint8Array.from(transaction.toBuffer()),
      outPoint: { txid: txid(transaction.getId()), vout: 0 },
      fee,
      ...(beside === undefined
        ? {}
        : {
            previous: previousOf(
              free,
              (id) =>
                [
                  ...this.#scripts,
                  ...this.#closeScripts,
                  ...this.claims.map((claim) => claim.scriptPubKey)
                ]
                  .flatMap((script) => this.world.historyOf(script))
                  .find((found) => found.transaction.txid === id)?.transaction
            )
          })
    }
  }

  async releaseFunding(channel: ChannelId): Promise<void> {
    await Promise.resolve()
    this.#reserved.delete(channel)
  }

  async claim(output: CsvOutput): Promise<void> {
    await Promise.resolve()
    if (
      !this.claims.some(({ outPoint }) => outPointText(outPoint) === outPointText(output.outPoint))
    ) {
      this.claims.push(output)
    }
  }

  #newScript(): Uint8Array {
    const hash = createHash('sha256')
      .update(`${this.name} ${this.#scripts.length}`)
      .digest()
      .subarray(0, 20)
    const script = Uint8Array.from([0, 20, ...hash])
    this.#scripts.push(script)
    return script
  }
}

/** The outputs of a script that nothing spends. */
export function unspent(world: MemoryWorld, script: Uint8Array): Coin[] {
  const history = world.historyOf(script).map(({ transaction: { raw }, height }) => ({
    transaction: Transaction.fromBuffer(raw),
    height
  }))
  const spent = new Set(
    history.flatMap(({ transaction }) =>
      transaction.ins.map((input) =>
        outPointText({ txid: txidFromHash(input.hash), vout: input.index })
      )
    )
  )
  return history.flatMap(({ transaction, height }) =>
    transaction.outs.flatMap((output, vout) => {
      const outPoint = { txid: txid(transaction.getId()), vout }
      return sameBytes(output.script, script) && !spent.has(outPointText(outPoint))
        ? [{ outPoint, value: output.value, height }]
        : []
    })
  )
}
