/**
 * A node's wallet over the chain of a world: every satoshi of it is a coin of that chain. It signs
 * nothing, since that chain takes the spends of wallets as signed; its changes are durable at once.
 */
import { createHash } from 'node:crypto'
import {
  insufficientFunds,
  MAX_TRUC_VSIZE,
  requireFee,
  spendVsize,
  tooManyCoins
} from '../bitcoin/coin-selection.js'
import { FUNDING_INPUT_VSIZE, type FundingOutput } from '../bitcoin/funding-spend.js'
import { sweepVsize } from '../bitcoin/owner-spend.js'
import { makeTransaction, type Transaction, type TransactionParts } from '../bitcoin/transaction.js'
import type { BuiltFunding, CsvOutput, FundingRequest, Wallet } from '../engine/ports.js'
import {
  outPointFromText,
  outPointText,
  toHex,
  type ChannelId,
  type OutPoint,
  type Txid
} from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { feeFor, satoshi, type FeeRate, type Satoshi } from '../types/units.js'
import { previousOf, requireNoDust } from '../wallet/funding.js'
import { chooseSweep } from '../wallet/sweeper.js'
import type { CoinListener, Unspent } from './chain.js'
import type { Life } from './calendar.js'
import type { SimTransaction } from './mempool.js'
import type { SimChain } from './chain.js'

/** The longest witness of a P2WPKH input, and that of a payout. */
export const KEY_WITNESS = [new Uint8Array(72).fill(0x30), new Uint8Array(33).fill(0x02)]
const PAYOUT_WITNESS = [new Uint8Array(72).fill(0x30), new Uint8Array(37).fill(0x21)]
const ONE_BLOCK = 1
/** Number of scripts ahead that it knows as its own. */
const GAP = 20
/** The same for a script of which a record proves that it is its own. */
const FAR_GAP = 200
const DUST = 294n
/** As long as every script of the wallet. */
const ANY_SCRIPT = Uint8Array.from([0, 20, ...new Uint8Array(20)])

/** `outPoint` as text. */
export interface Coin {
  readonly outPoint: string
  readonly value: bigint
}
type Branch = 'receive' | 'close'
interface Claim {
  readonly output: CsvOutput
  readonly since: number
}

/** The owners of scripts; told of every script that a wallet has. */
export interface Ownership {
  readonly own: (wallet: SimWallet, script: string, kind: 'coin' | 'payout') => void
}

/** Tells wallets of their coins: the outputs in blocks that pay to their scripts. */
export class Purses implements CoinListener, Ownership {
  readonly #owners = new Map<string, SimWallet>()
  readonly #chain: SimChain

  constructor(chain: SimChain) {
    this.#chain = chain
    chain.keepBooks(this)
  }

  own(wallet: SimWallet, script: string, kind: 'coin' | 'payout'): void {
    if (kind === 'coin') this.#owners.set(script, wallet)
  }

  connected(transaction: SimTransaction): void {
    for (const { outPoint } of transaction.inputs) this.#debit(outPoint)
    transaction.outputs.forEach((_, vout) => {
      this.#credit(`${transaction.txid}:${vout}`)
    })
  }

  disconnected(transaction: SimTransaction): void {
    transaction.outputs.forEach((_, vout) => {
      this.#debit(`${transaction.txid}:${vout}`)
    })
    for (const { outPoint } of transaction.inputs) this.#credit(outPoint)
  }

  #credit(outPoint: string): void {
    const output = this.#chain.output(outPoint)
    if (output !== undefined) this.#owners.get(output.script)?.credit(outPoint, output.value)
  }

  #debit(outPoint: string): void {
    this.#owners.get(this.#chain.output(outPoint)?.script ?? '')?.debit(outPoint)
  }
}

export class SimWallet implements Wallet {
  readonly #coins = new Map<string, Coin>()
  /** By channel: the coins that its T1 spends. */
  readonly #reserved = new Map<ChannelId, readonly Coin[]>()
  readonly #claimed = new Map<string, CsvOutput>()
  /** The claims that are not swept for good. */
  readonly #claims = new Map<string, Claim>()
  /** Makes an adversary's T1 of a renewal, instead of an honest one. Nothing pays for it later. */
  buildRenewal: ((request: FundingRequest, beside: FundingOutput) => BuiltFunding) | undefined
  /** By channel: what has spent a coin of its T1 for good. Nobody names a coin of a T1 here. */
  readonly lostTo = new Map<ChannelId, Txid>()
  /** By script: its branch and index. */
  readonly #scripts = new Map<string, { readonly branch: Branch; readonly index: number }>()
  /** The first free index of each branch. */
  readonly #next: Record<Branch, number> = { receive: 0, close: 0 }
  /** No 'receive' index below is to be looked for: its script is known. */
  #looked = 0
  #balance = 0
  readonly #name: string
  readonly #chain: SimChain
  readonly #ownership: Ownership
  readonly #broadcast: (transaction: Transaction) => Promise<unknown>

  constructor(
    name: string,
    chain: SimChain,
    ownership: Ownership,
    broadcast: (transaction: Transaction) => Promise<unknown>
  ) {
    this.#name = name
    this.#chain = chain
    this.#ownership = ownership
    this.#broadcast = broadcast
  }

  /** Satoshis of coins in blocks, including the reserved ones. */
  get balance(): number {
    return this.#balance
  }

  /** Payouts that it has taken charge of, in that order. */
  get claims(): readonly CsvOutput[] {
    return [...this.#claimed.values()]
  }

  /** Channels that have coins reserved for their T1. */
  get reservedFor(): readonly ChannelId[] {
    return [...this.#reserved.keys()]
  }

  /** Number of scripts that it has given out. */
  get scriptsDrawn(): number {
    return this.#next.receive + this.#next.close
  }

  /** Its coins, in blocks and in the mempool; no payouts. */
  get coins(): Unspent[] {
    return [...this.#scripts.keys()].flatMap((script) => this.#chain.unspent(script))
  }

  /**
   * Satoshis of everything that it owns on the chain, with payouts and money that waits for a
   * block.
   */
  get worth(): Satoshi {
    const payouts = this.claims.map(({ scriptPubKey }) => toHex(scriptPubKey))
    return satoshi(
      [...new Set([...this.#scripts.keys(), ...payouts])].reduce(
        (sum, script) =>
          this.#chain.unspent(script).reduce((total, { value }) => total + BigInt(value), sum),
        0n
      )
    )
  }

  /** Gives it a coin, in the next block. */
  receive(value: bigint): void {
    this.#chain.fund(this.nextScript(), satoshi(value))
  }

  /** The port, for one life of its node. */
  portFor(life: Life): Wallet {
    return {
      checkFunds: (...asked) => this.checkFunds(...asked),
      closeScript: (index) => this.closeScript(index),
      newScript: (seen) => life.ask(() => this.newScript(seen)),
      recognise: (...asked) => life.ask(() => this.recognise(...asked)),
      buildFunding: (request) => life.ask(() => this.buildFunding(request)),
      releaseFunding: (channel) => life.ask(() => this.releaseFunding(channel)),
      fundingLostTo: (channel) => this.fundingLostTo(channel),
      bumpFunding: (request) => life.ask(() => this.bumpFunding(request)),
      claim: (output) => life.ask(() => this.claim(output))
    }
  }

  /** Takes in that a coin of this wallet is in a block, or is not any more. */
  credit(outPoint: string, value: number): void {
    this.#coins.set(outPoint, { outPoint, value: BigInt(value) })
    this.#balance += value
  }

  debit(outPoint: string): void {
    this.#balance -= Number(this.#coins.get(outPoint)?.value ?? 0n)
    this.#coins.delete(outPoint)
  }

  nextScript(): Uint8Array {
    return this.#own('receive', this.#next.receive)
  }

  /** One that peers have seen is as good as a fresh one: nobody compares them here. */
  async newScript(seen: () => readonly Uint8Array[] = () => []): Promise<Uint8Array> {
    return seen()[0] ?? this.nextScript()
  }

  closeScript(index: number): Uint8Array {
    return this.#own('close', index)
  }

  async recognise(scriptPubKey: Uint8Array, isProven = false): Promise<boolean> {
    const end = this.#next.receive + (isProven ? FAR_GAP : GAP)
    for (let ahead = Math.max(this.#next.receive, this.#looked); ahead < end; ahead++) {
      this.#scriptAt('receive', ahead)
    }
    this.#looked = end
    const own = this.#scripts.get(toHex(scriptPubKey))
    if (own !== undefined) this.#own(own.branch, own.index)
    return own !== undefined
  }

  /** Marks a script as given out: it is never given out again. */
  #own(branch: Branch, index: number): Uint8Array {
    this.#next[branch] = Math.max(this.#next[branch], index + 1)
    const script = this.#scriptAt(branch, index)
    this.#ownership.own(this, toHex(script), 'coin')
    return script
  }

  #scriptAt(branch: Branch, index: number): Uint8Array {
    const text = branch === 'receive' ? `${this.#name} ${index}` : `${this.#name} close ${index}`
    const script = Uint8Array.from([
      0,
      20,
      ...createHash('sha256').update(text).digest().subarray(0, 20)
    ])
    this.#scripts.set(toHex(script), { branch, index })
    return script
  }

  /** It chooses the cheapest coins, whatever T1 may cost. */
  checkFunds: Wallet['checkFunds'] = (amount, rate, named) =>
    satoshi(this.#select(amount, rate, named).fee)

  async buildFunding(request: FundingRequest): Promise<BuiltFunding> {
    const { channel, scriptPubKey, amount, feeRate: rate, beside } = request
    if (this.buildRenewal !== undefined && beside !== undefined) {
      return this.buildRenewal(request, beside)
    }
    requireNoDust(scriptPubKey, amount)
    if (this.#reserved.has(channel)) {
      throw new PaychanError(
        'ERR_FUNDING_EXISTS',
        `Coins are set aside for channel ${channel} already.`,
        { channel }
      )
    }
    const { coins, fee } = this.#select(amount, rate, request.coins, beside)
    requireFee(satoshi(fee), request.mostFee)
    const left = coins.reduce((sum, { value }) => sum + value, beside?.value ?? 0n) - amount - fee
    const { raw, txid } = makeTransaction({
      version: 3,
      lockTime: this.#chain.height,
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
      fee: satoshi(left >= DUST ? fee : fee + left),
      ...(beside === undefined ? {} : this.#previousOf(coins))
    }
  }

  /**
   * The previous transactions of coins. Minted coins come from no transaction that could be shown.
   */
  #previousOf(coins: readonly Coin[]): { readonly previous?: readonly Uint8Array[] } {
    const inputs = coins.map(({ outPoint }) => ({ outPoint: outPointFromText(outPoint) }))
    const find = (id: Txid): Transaction | undefined => this.#chain.transaction(id)?.transaction
    return inputs.every(({ outPoint }) => find(outPoint.txid) !== undefined)
      ? { previous: previousOf(inputs, find) }
      : {}
  }

  async releaseFunding(channel: ChannelId): Promise<void> {
    this.#reserved.delete(channel)
  }

  fundingLostTo(channel: ChannelId): Txid | undefined {
    return this.lostTo.get(channel)
  }

  /**
   * Reserves the largest free coin for a transaction that an adversary builds by hand; undefined
   * when no coin is large enough.
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
    const parent = this.#chain.waiting.get(funding)
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
    // There may be an earlier child that pays enough.
    await this.#broadcast(child).catch(() => {})
  }

  async claim(output: CsvOutput): Promise<void> {
    const key = outPointText(output.outPoint)
    if (this.#claimed.has(key)) return
    this.#claimed.set(key, output)
    this.#claims.set(key, { output, since: this.#chain.height })
  }

  get hasClaims(): boolean {
    return this.#claims.size > 0
  }

  /** With a new block: collects payouts that are in blocks, for what that may cost (STAKE-5). */
  async sweep(estimate: FeeRate): Promise<void> {
    const ready = [...this.#claims].filter(([key, claim]) => {
      const at = this.#chain.transaction(claim.output.outPoint.txid)?.height
      const spender = this.#chain.spenderOf(key)
      if (spender?.height !== undefined && this.#chain.height - spender.height >= 6) {
        this.#claims.delete(key)
      }
      return at !== undefined && spender === undefined
    })
    const { payouts, rate } = chooseSweep(
      ready.map(([key, { output, since }]) => ({
        key,
        value: output.value,
        waited: this.#chain.height - since
      })),
      estimate,
      ANY_SCRIPT
    )
    const total = payouts.reduce((sum, { value }) => sum + value, 0n)
    const fee = feeFor(rate, sweepVsize(payouts.length, ANY_SCRIPT))
    if (total < fee + DUST) return
    const script = this.nextScript()
    const sweep = makeTransaction({
      version: 2,
      inputs: payouts.map(({ key }) => input(key, ONE_BLOCK, PAYOUT_WITNESS)),
      outputs: [{ script, value: satoshi(total - fee) }]
    })
    await this.#broadcast(sweep).catch(() => {})
  }

  /** The free coins, the largest first. */
  #free(): Coin[] {
    const taken = new Set([...this.#reserved.values()].flat().map(({ outPoint }) => outPoint))
    return [...this.#coins.values()]
      .filter(({ outPoint }) => !taken.has(outPoint))
      .sort((a, b) =>
        a.value === b.value ? (a.outPoint < b.outPoint ? -1 : 1) : a.value < b.value ? 1 : -1
      )
  }

  /** Selects as few coins as possible, or the named ones when some are named. */
  #select(
    amount: Satoshi,
    rate: FeeRate,
    named?: readonly OutPoint[],
    beside?: FundingOutput
  ): { readonly coins: readonly Coin[]; readonly fee: Satoshi } {
    const free = this.#free()
    const offered = named === undefined ? free : named.map((coin) => coinNamed(free, coin))
    const coins: Coin[] = named === undefined ? [] : [...offered]
    let sum = coins.reduce((total, { value }) => total + value, beside?.value ?? 0n)
    for (;;) {
      const vsize =
        spendVsize(coins.length, [new Uint8Array(34), new Uint8Array(22)]) +
        (beside === undefined ? 0 : FUNDING_INPUT_VSIZE)
      const fee = feeFor(rate, vsize)
      if ((coins.length > 0 || beside !== undefined) && sum >= amount + fee) {
        if (vsize > MAX_TRUC_VSIZE) throw tooManyCoins(amount, coins.length, MAX_TRUC_VSIZE)
        return { coins, fee }
      }
      const next = offered[coins.length]
      if (next === undefined) throw insufficientFunds(amount, satoshi(sum), fee)
      coins.push(next)
      sum += next.value
    }
  }
}

function coinNamed(free: readonly Coin[], named: OutPoint): Coin {
  const outPoint = outPointText(named)
  const found = free.find((coin) => coin.outPoint === outPoint)
  if (found === undefined) {
    throw new PaychanError('ERR_COIN_UNKNOWN', `The wallet has no free coin ${outPoint}.`, {
      coin: outPoint
    })
  }
  return found
}

function input(
  outPoint: string,
  sequence: number,
  witness: readonly Uint8Array[]
): TransactionParts['inputs'][number] {
  return { outPoint: outPointFromText(outPoint), sequence, witness }
}
