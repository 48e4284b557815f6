/**
 * Other people's transactions: keeps the mempool so full that the next block costs the trace's
 * rate. They are signed and valid, a few large ones rather than many small ones, since checking a
 * signature costs this chain milliseconds. When the rate rises, dearer ones come in on top; when it
 * falls, the dearer rest is mined first, as elsewhere.
 */
import { feeFor, feeRate, satoshi, type FeeRate } from '../types/units.js'
import type { Coin } from './coins.js'
import type { PoolEntry } from './mempool.js'
import { MinerWallet } from './miner-wallet.js'
import { randomFrom, rateAt, type Trace } from './trace.js'
import type { Tx } from './transaction.js'

/** The load's port to the chain that it fills. */
export interface LoadedChain {
  readonly height: () => number
  /** The virtual bytes of a block. */
  readonly blockVsize: number
  /** Confirmed coins of a script that nothing in the mempool spends. */
  readonly freeCoins: (script: Uint8Array) => readonly Coin[]
  readonly waiting: () => readonly PoolEntry[]
  /** Returns true when the transaction came in. */
  readonly accept: (tx: Tx) => boolean
}

/** Transactions that fill a block: the resolution of a block's rate. */
const PER_BLOCK = 10
/** Blocks' worth of transactions that wait behind the next one, each a tenth cheaper. */
const BLOCKS_WAITING = 6
/** Below the mempool's minimum (1 sat/vB) there is no load at all. */
const LEAST_RATE = 1_000n
/** Coins of the load: each waiting transaction needs a new one. */
const COINS = 150
const COIN = satoshi(100_000_000n)
/** An unspendable output as filling: 31 vB. Above the dust limit of P2WPKH. */
const FILLING_SCRIPT = Uint8Array.of(0, 20, ...new Uint8Array(20).fill(0xee))
const FILLING = 330n
const FILLING_VSIZE = 31
/** One input, and an output back to the load. */
const FRAME_VSIZE = 11 + 68 + 31

export class Load {
  readonly #wallet: MinerWallet
  readonly #random: () => number
  /** The height at which the first block was filled. */
  #start: number | undefined
  readonly #chain: LoadedChain
  readonly #trace: Trace

  constructor(chain: LoadedChain, trace: Trace, seed: string) {
    this.#chain = chain
    this.#trace = trace
    this.#wallet = new MinerWallet(`${seed} load`)
    this.#random = randomFrom(
      [...seed].reduce((sum, letter) => (Math.imul(sum, 31) + letter.charCodeAt(0)) >>> 0, 7)
    )
  }

  get script(): Uint8Array {
    return this.#wallet.script
  }

  /** The value of a coin for the load, and the number of coins. */
  static get funds(): { readonly count: number; readonly value: typeof COIN } {
    return { count: COINS, value: COIN }
  }

  /** The rate of the next block by the trace. */
  get rate(): FeeRate {
    return rateAt(this.#trace, this.#chain.height() - (this.#start ?? this.#chain.height()))
  }

  /**
   * Called after each block: admits transactions until the next block is full at the rate of the
   * trace.
   */
  top(): void {
    this.#start ??= this.#chain.height()
    const { rate } = this
    if (rate < LEAST_RATE) return
    const coins = [...this.#chain.freeCoins(this.script)]
    for (let block = 0; block < BLOCKS_WAITING; block++) {
      // A tenth less for each block of waiting: the basis of estimates.
      if (
        !this.#fill(
          (block + 1.2) * this.#chain.blockVsize,
          feeRate((rate * BigInt(10 - block)) / 10n),
          coins
        )
      ) {
        return
      }
    }
  }

  /**
   * Admits transactions until `vsize` of the waiting ones pays at least a rate; false when coins or
   * room are missing.
   */
  #fill(vsize: number, rate: FeeRate, coins: Coin[]): boolean {
    let missing = vsize
    for (const { tx, fee } of this.#chain.waiting()) {
      if (fee * 1_000n >= rate * BigInt(tx.vsize)) missing -= tx.vsize
    }
    while (missing > 0) {
      const coin = coins.pop()
      if (coin === undefined) return false
      // Up to a tenth above the rate: the dearest are in first, and the last one in pays about the
      // rate.
      const tx = this.#build(
        coin,
        feeRate(rate + BigInt(Math.floor((Number(rate) / 10) * this.#random())))
      )
      if (!this.#chain.accept(tx)) return false
      missing -= tx.vsize
    }
    return true
  }

  #build(coin: Coin, rate: FeeRate): Tx {
    const count = Math.max(
      0,
      Math.floor((this.#chain.blockVsize / PER_BLOCK - FRAME_VSIZE) / FILLING_VSIZE)
    )
    const fee = feeFor(rate, FRAME_VSIZE + count * FILLING_VSIZE + 3)
    return this.#wallet.signed(
      [coin],
      [
        { script: this.script, value: satoshi(coin.value - fee - BigInt(count) * FILLING) },
        ...Array.from({ length: count }, () => ({
          script: FILLING_SCRIPT,
          value: satoshi(FILLING)
        }))
      ]
    )
  }
}
