/**
 * A node's wallet over the simulated chain: every satoshi of it is a coin of that chain. It signs
 * nothing, since that chain takes the spends of wallets as signed; what it does is durable at once.
 */
import { createHash } from 'node:crypto'
import type { FundingOutput } from '../../bitcoin/funding-spend.js'
import { sweepVsize } from '../../bitcoin/payout.js'
import {
  makeTransaction,
  type Transaction,
  type TransactionParts
} from '../../bitcoin/transaction.js'
import type { BuiltFunding, CsvOutput, FundingRequest, Wallet } from '../../engine/ports.js'
import {
  outPointFromText,
  outPointText,
  sameBytes,
  toHex,
  type ChannelId,
  type Txid
} from '../../types/bytes.js'
import { PaychanError } from '../../types/errors.js'
import { feeFor, feeRate, satoshi, type FeeRate, type Satoshi } from '../../types/units.js'
import { spendVsize } from '../../bitcoin/coin-selection.js'
import type { SimChain } from '../chain/sim-chain.js'

/** A P2WPKH witness at its longest, and that of a payout. */
export const KEY_WITNESS = [new Uint8Array(72).fill(0x30), new Uint8Array(33).fill(0x02)]
const PAYOUT_WITNESS = [new Uint8Array(72).fill(0x30), new Uint8Array(37).fill(0x21)]
const ONE_BLOCK = 1
const DUST = 294n
/**
 * Nobody sweeps what would lose more than this part of itself to the fee, as long as it can wait.
 */
const SWEEP_COST = 10n
/** Then half of it is paid rather than wait on: a week. */
const PATIENT_BLOCKS = 1_008

/** `outPoint` as text. */
export interface Coin {
  readonly outPoint: string
  readonly value: bigint
}
interface Claim {
  readonly output: CsvOutput
  readonly since: number
}

/** What the wallets of a simulation share: who owns which script. */
export interface Ownership {
  readonly own: (script: string, kind: 'coin' | 'payout') => void
}

export class SimWallet implements Wallet {
  readonly #coins = new Map<string, Coin>()
  /** By channel: what its T1 spends. */
  readonly #reserved = new Map<ChannelId, readonly Coin[]>()
  readonly #claims = new Map<string, Claim>()
  /** An adversary's T1 of a renewal, instead of an honest one. Nothing pays for it later. */
  buildRenewal: ((request: FundingRequest, beside: FundingOutput) => BuiltFunding) | undefined
  #scripts = 0
  #closeScripts = 0
  #balance = 0

  constructor(
    private readonly name: string,
    private readonly chain: SimChain,
    private readonly ownership: Ownership,
    private readonly broadcast: (transaction: Transaction) => Promise<unknown>
  ) {}

  /** Satoshis of coins in blocks, those that are set aside included. */
  get balance(): number {
    return this.#balance
  }

  /** A coin of this wallet is in a block, or is not any more. */
  credit(outPoint: string, value: number): void {
    this.#coins.set(outPoint, { outPoint, value: BigInt(value) })
    this.#balance += value
  }

  debit(outPoint: string): void {
    this.#balance -= Number(this.#coins.get(outPoint)?.value ?? 0n)
    this.#coins.delete(outPoint)
  }

  nextScript(): Uint8Array {
    const script = this.#scriptAt(this.#scripts++)
    this.ownership.own(toHex(script), 'coin')
    return script
  }

  async newScript(): Promise<Uint8Array> {
    return this.nextScript()
  }

  closeScript(index: number): Uint8Array {
    const script = this.#closeScriptAt(index)
    this.#closeScripts = Math.max(this.#closeScripts, index + 1)
    this.ownership.own(toHex(script), 'coin')
    return script
  }

  async recognise(scriptPubKey: Uint8Array): Promise<boolean> {
    const own = [
      ...Array.from({ length: this.#scripts }, (_, index) => this.#scriptAt(index)),
      ...Array.from({ length: this.#closeScripts }, (_, index) => this.#closeScriptAt(index))
    ]
    return own.some((script) => sameBytes(script, scriptPubKey))
  }

  #closeScriptAt(index: number): Uint8Array {
    return Uint8Array.from([
      0,
      20,
      ...createHash('sha256').update(`${this.name} close ${index}`).digest().subarray(0, 20)
    ])
  }

  #scriptAt(index: number): Uint8Array {
    return Uint8Array.from([
      0,
      20,
      ...createHash('sha256').update(`${this.name} ${index}`).digest().subarray(0, 20)
    ])
  }

  checkFunds(amount: Satoshi, rate: FeeRate): Satoshi {
    return satoshi(this.#select(amount, rate, 0n, 0).fee)
  }

  async buildFunding(request: FundingRequest): Promise<BuiltFunding> {
    const { channel, scriptPubKey, amount, feeRate: rate, beside } = request
    if (this.buildRenewal !== undefined && beside !== undefined) {
      return this.buildRenewal(request, beside)
    }
    const { coins, fee } = this.#select(
      amount,
      rate,
      beside?.value ?? 0n,
      beside === undefined ? 0 : 1
    )
    const left = coins.reduce((sum, { value }) => sum + value, beside?.value ?? 0n) - amount - fee
    const { raw, txid } = makeTransaction({
      version: 3,
      lockTime: this.chain.height,
      inputs: [
        ...(beside === undefined ? [] : [{ outPoint: beside.outPoint, sequence: 0xfffffffd }]),
        ...coins.map(({ outPoint }) => input(outPoint, 0xfffffffe, KEY_WITNESS))
      ],
      outputs: [
        { script: scriptPubKey, value: amount },
        ...(left >= DUST ? [{ script: this.nextScript(), value: satoshi(left) }] : [])
      ]
    })
    this.#reserved.set(channel, coins)
    return {
      raw,
      outPoint: { txid, vout: 0 },
      fee: satoshi(left >= DUST ? fee : fee + left)
    }
  }

  async releaseFunding(channel: ChannelId): Promise<void> {
    this.#reserved.delete(channel)
  }

  /**
   * Sets the largest free coin aside for what an adversary builds by hand; undefined when none is
   * worth so much.
   */
  takeCoin(
    channel: ChannelId,
    least: number,
    isFit: (outPoint: string) => boolean = () => true
  ): Coin | undefined {
    const coin = this.#free().find(({ outPoint }) => isFit(outPoint))
    if (coin === undefined || coin.value < BigInt(least)) return undefined
    this.#reserved.set(channel, [...(this.#reserved.get(channel) ?? []), coin])
    return coin
  }

  /** CPFP: a child that spends the change of T1. */
  async bumpFunding({
    funding,
    feeRate: rate,
    most
  }: {
    funding: Txid
    feeRate: FeeRate
    most: Satoshi
  }): Promise<void> {
    const parent = this.chain.waiting.get(funding)
    const change = parent?.outputs[1]
    if (
      this.buildRenewal !== undefined ||
      parent === undefined ||
      change === undefined ||
      parent.fee * 1_000 >= Number(rate) * parent.vsize
    ) {
      return
    }
    const script = this.nextScript()
    const vsize = spendVsize(1, [script])
    const fee = BigInt(
      Math.min(
        Number(most),
        Math.ceil((Number(rate) * (parent.vsize + vsize)) / 1_000) - parent.fee
      )
    )
    if (fee < BigInt(vsize) || BigInt(change.value) - fee < DUST) return
    const child = makeTransaction({
      version: 3,
      inputs: [input(`${funding}:1`, 0xfffffffd, KEY_WITNESS)],
      outputs: [{ script, value: satoshi(BigInt(change.value) - fee) }]
    })
    // An earlier child that pays enough may be there.
    await this.broadcast(child).catch(() => {})
  }

  async claim(output: CsvOutput): Promise<void> {
    const key = outPointText(output.outPoint)
    if (!this.#claims.has(key)) this.#claims.set(key, { output, since: this.chain.height })
  }

  get hasClaims(): boolean {
    return this.#claims.size > 0
  }

  /** With a new block: collects payouts that are in blocks, once they are worth their fee. */
  async sweep(rate: FeeRate): Promise<void> {
    const worth = [...this.#claims].filter(([key, claim]) => {
      const at = this.chain.transaction(claim.output.outPoint.txid)?.height
      const spender = this.chain.spenderOf(key)
      if (spender?.height !== undefined && this.chain.height - spender.height >= 6) {
        this.#claims.delete(key)
      }
      return at !== undefined && spender === undefined && this.#isWorth(claim, rate)
    })
    if (worth.length === 0) return
    const script = this.nextScript()
    const total = worth.reduce((sum, [, { output }]) => sum + output.value, 0n)
    const fee = feeFor(rate, sweepVsize(worth.length, script))
    if (total < fee + DUST) return
    const sweep = makeTransaction({
      version: 2,
      inputs: worth.map(([key]) => input(key, ONE_BLOCK, PAYOUT_WITNESS)),
      outputs: [{ script, value: satoshi(total - fee) }]
    })
    await this.broadcast(sweep).catch(() => {})
  }

  #isWorth({ output, since }: Claim, rate: FeeRate): boolean {
    const fee = feeFor(rate, sweepVsize(1, new Uint8Array(22)))
    return output.value >= fee * (this.chain.height - since > PATIENT_BLOCKS ? 2n : SWEEP_COST)
  }

  /** The largest first. */
  #free(): Coin[] {
    const taken = new Set([...this.#reserved.values()].flat().map(({ outPoint }) => outPoint))
    return [...this.#coins.values()]
      .filter(({ outPoint }) => !taken.has(outPoint))
      .sort((a, b) =>
        a.value === b.value ? (a.outPoint < b.outPoint ? -1 : 1) : a.value < b.value ? 1 : -1
      )
  }

  /** As few as will do. */
  #select(
    amount: bigint,
    rate: FeeRate,
    beside: bigint,
    besideInputs: number
  ): { readonly coins: readonly Coin[]; readonly fee: Satoshi } {
    const free = this.#free()
    const coins: Coin[] = []
    let sum = beside
    for (;;) {
      // 96 vB: an input that spends a funding output.
      const fee = feeFor(
        feeRate(rate),
        spendVsize(coins.length, [new Uint8Array(34), new Uint8Array(22)]) + 96 * besideInputs
      )
      if (coins.length + besideInputs > 0 && sum >= amount + fee) return { coins, fee }
      const next = free[coins.length]
      if (next === undefined) {
        throw new PaychanError(
          'ERR_INSUFFICIENT_FUNDS',
          `Asked for ${amount} sat, and ${sum} sat are there.`,
          { asked: amount, available: sum }
        )
      }
      coins.push(next)
      sum += next.value
    }
  }
}

function input(
  outPoint: string,
  sequence: number,
  witness: readonly Uint8Array[]
): TransactionParts['inputs'][number] {
  return { outPoint: outPointFromText(outPoint), sequence, witness }
}
