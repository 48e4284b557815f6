/**
 * The ports `Wallet` and `Signer` for tests and simulated nodes: real keys and real transactions
 * from a seed that may be any text, over coins that are made up. No chain, no disk, no waiting.
 */
import { masterKey, type HDKey } from '../bitcoin/paths.js'
import { sha256OfText } from '../bitcoin/hashes.js'
import { makeTransaction, type Transaction } from '../bitcoin/transaction.js'
import {
  outPointText,
  sameOutPoint,
  txidFromHash,
  type ChannelId,
  type OutPoint,
  type Txid
} from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { blockHeight, satoshi, type FeeRate, type Satoshi } from '../types/units.js'
import { AddressBook, type OwnScript } from './addresses.js'
import { selectCoins } from '../bitcoin/coin-selection.js'
import {
  ANY_FUNDING_SCRIPT,
  buildFundingTransaction,
  requireNoDust,
  selectFunding
} from './funding.js'
import { previousOf } from './previous.js'
import { createSigner } from './signer.js'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import type { BuiltFunding, CsvOutput, FundingRequest, Signer, Wallet } from '../engine/ports.js'

export interface MemoryWalletInit {
  /** The same seed gives the same scripts, coins and transactions. */
  readonly seed: string
  /** The values of the coins it starts with: one of 1 bitcoin, when left out. */
  readonly coins?: readonly Satoshi[]
  readonly network?: Network
}

export interface MemoryWallet extends Wallet {
  /** What was claimed, in the order of the claims. */
  readonly claims: readonly CsvOutput[]
  /** The channels for which coins are set aside. */
  readonly reservedFor: () => ChannelId[]
  /** The sum of the coins that are not set aside. */
  readonly available: () => Satoshi
  /** Adds a coin, confirmed at once. */
  readonly receive: (value: Satoshi) => OutPoint
}

interface MadeUpCoin {
  readonly outPoint: OutPoint
  readonly value: Satoshi
  readonly own: OwnScript
}

/**
 * @example
 * const wallet = createMemoryWallet({ seed: 'alice', coins: [satoshi(1_000_000n)] })
 */
export function createMemoryWallet(init: MemoryWalletInit): MemoryWallet {
  return new InMemoryWallet(init)
}

/** A signer whose keys come from a text: never for money. */
export function createTestSigner(seed: string, network: Network = 'regtest'): Signer {
  return createSigner(testRoot(seed), network)
}

/** The BIP32 master key of a text: never for money. */
export function testRoot(seed: string): HDKey {
  return masterKey(sha256OfText(`paychan test seed ${seed}`))
}

class InMemoryWallet implements MemoryWallet {
  readonly claims: CsvOutput[] = []
  private readonly addresses: AddressBook
  private readonly free: MadeUpCoin[] = []
  private readonly reserved = new Map<ChannelId, readonly MadeUpCoin[]>()
  /** The transactions that the coins come from. */
  private readonly origins = new Map<Txid, Transaction>()
  private received = 0

  constructor(private readonly init: MemoryWalletInit) {
    this.addresses = new AddressBook(testRoot(init.seed), init.network ?? 'regtest')
    for (const value of init.coins ?? [satoshi(100_000_000n)]) this.receive(value)
  }

  receive(value: Satoshi): OutPoint {
    const own = this.take('receive')
    const nowhere = txidFromHash(sha256OfText(`${this.init.seed} coin ${this.received++}`))
    const origin = makeTransaction({
      version: 1,
      inputs: [{ outPoint: { txid: nowhere, vout: 0 }, sequence: 0xffffffff }],
      outputs: [{ script: own.scriptPubKey, value }]
    })
    const { txid } = origin
    this.origins.set(txid, origin)
    const coin = { outPoint: { txid, vout: 0 }, value, own }
    this.free.push(coin)
    return coin.outPoint
  }

  async newScript(): Promise<Uint8Array> {
    await Promise.resolve()
    return this.take('receive').scriptPubKey
  }

  async recognise(scriptPubKey: Uint8Array): Promise<boolean> {
    await Promise.resolve()
    this.addresses.watched()
    this.addresses.deriveCloseScripts()
    const own = this.addresses.find(scriptPubKey)
    if (own !== undefined) {
      this.addresses.next[own.branch] = Math.max(this.addresses.next[own.branch], own.index + 1)
    }
    return own !== undefined
  }

  closeScript(index: number): Uint8Array {
    return this.addresses.at('close', index).scriptPubKey
  }

  checkFunds(amount: Satoshi, feeRate: FeeRate, named?: readonly OutPoint[]): Satoshi {
    return selectCoins({
      ...this.offered(named),
      scriptPubKey: ANY_FUNDING_SCRIPT,
      amount,
      feeRate,
      changeScript: this.addresses.upcoming('change').scriptPubKey
    }).fee
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
    requireNoDust(scriptPubKey, amount)
    if (this.reserved.has(channel)) {
      throw new PaychanError(
        'ERR_FUNDING_EXISTS',
        `Coins are set aside for channel ${channel} already.`,
        { channel }
      )
    }
    const changeScript = this.addresses.upcoming('change').scriptPubKey
    const selection = selectFunding(
      { ...this.offered(coins), scriptPubKey, amount, feeRate, changeScript },
      beside
    )
    if (selection.change > 0n) this.take('change')
    const chosen = new Set(selection.inputs.map(({ outPoint }) => outPointText(outPoint)))
    this.reserved.set(channel, selection.inputs)
    const left = this.free.filter(({ outPoint }) => !chosen.has(outPointText(outPoint)))
    this.free.splice(0, this.free.length, ...left)
    const funding = buildFundingTransaction({
      ...selection,
      scriptPubKey,
      amount,
      changeScript,
      changeFirst: false,
      lockTime: blockHeight(0),
      secretOf: ({ own }) => this.addresses.secret(own),
      beside
    })
    return beside === undefined
      ? funding
      : { ...funding, previous: previousOf(selection.inputs, (id) => this.origins.get(id)) }
  }

  private offered(named: readonly OutPoint[] | undefined): {
    readonly coins: readonly MadeUpCoin[]
    readonly exact: boolean
  } {
    if (named === undefined) return { coins: this.free, exact: false }
    const coins = named.map((outPoint) => {
      const found = this.free.find((coin) => sameOutPoint(coin.outPoint, outPoint))
      if (found === undefined) {
        throw new PaychanError(
          'ERR_COIN_UNKNOWN',
          `The wallet has no free coin ${outPointText(outPoint)}.`,
          { coin: outPointText(outPoint) }
        )
      }
      return found
    })
    return { coins, exact: true }
  }

  async releaseFunding(channel: ChannelId): Promise<void> {
    await Promise.resolve()
    this.free.push(...(this.reserved.get(channel) ?? []))
    this.reserved.delete(channel)
  }

  /** Its coins are made up, and so is nothing in a mempool that a child could help. */
  async bumpFunding(): Promise<void> {
    await Promise.resolve()
  }

  async claim(output: CsvOutput): Promise<void> {
    await Promise.resolve()
    if (!this.claims.some(({ outPoint }) => sameOutPoint(outPoint, output.outPoint))) {
      this.claims.push(output)
    }
  }

  reservedFor(): ChannelId[] {
    return [...this.reserved.keys()]
  }

  available(): Satoshi {
    return satoshi(this.free.reduce((sum, { value }) => sum + value, 0n))
  }

  private take(branch: 'receive' | 'change'): OwnScript {
    const own = this.addresses.upcoming(branch)
    this.addresses.next[branch]++
    return own
  }
}
