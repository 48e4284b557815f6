/**
 * The congestion by height: the feerate in sat/vB for the next block. A trace holds each value
 * until the next one; heights count from the beginning of the load.
 */
import { PaychanError } from '../types/errors.js'
import { feeFor, feeRate, type FeeRate, satoshi } from '../types/units.js'
import type { Coin } from './coins.js'
import type { PoolEntry } from './mempool.js'
import { MinerWallet } from './miner-wallet.js'
import type { Tx } from './transaction.js'

export interface TracePoint {
  readonly height: number
  readonly rate: FeeRate
}
export type Trace = readonly TracePoint[]

const LINE = /^(\d{1,9})\s*,\s*(\d{1,7}(?:\.\d{1,3})?)$/

/**
 * Reads lines of `height,feerate` (sat/vB, up to three decimals), in the order of the heights; `#`
 * begins a comment.
 *
 * @throws PaychanError `ERR_INVALID_TRACE` (facts: line)
 * @example parseTrace('0,5\n10,120.5') // 5 sat/vB for ten blocks, then 120.5
 */
export function parseTrace(text: string): Trace {
  const points: TracePoint[] = []
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const content = line.replace(/#.*/, '').trim()
    if (content === '') continue
    const [, height, rate] = LINE.exec(content) ?? []
    if (height === undefined || rate === undefined) {
      throw invalid(
        index + 1,
        `'${content}' is not a height and a fee rate in sat/vB, such as 10,120.5`
      )
    }
    if (Number(height) <= (points.at(-1)?.height ?? -1)) {
      throw invalid(index + 1, `the height ${height} does not come after the one before`)
    }
    points.push({ height: Number(height), rate: feeRate(BigInt(Math.round(Number(rate) * 1_000))) })
  }
  if (points.length === 0) throw invalid(0, 'there is no line of the form height,feerate')
  return points
}

function invalid(line: number, what: string): PaychanError {
  return new PaychanError(
    'ERR_INVALID_TRACE',
    `The trace cannot be used: ${line === 0 ? '' : `line ${line}: `}${what}.`,
    { line }
  )
}

/** The rate at a height; before the first point, that of the first. */
export function rateAt(trace: Trace, height: number): FeeRate {
  let rate = trace[0]?.rate ?? feeRate(1_000n)
  for (const point of trace) {
    if (point.height > height) break
    rate = point.rate
  }
  return rate
}

/** Writes the form that `parseTrace` reads. */
export function formatTrace(trace: Trace): string {
  return trace.map(({ height, rate }) => `${height},${Number(rate) / 1_000}`).join('\n')
}

/**
 * Numbers between 0 and 1, the same ones for the same seed (mulberry32, a generator in the public
 * domain).
 */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let word = Math.imul(state ^ (state >>> 15), state | 1)
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61)
    return ((word ^ (word >>> 14)) >>> 0) / 4_294_967_296
  }
}

const DAY = 144
const MONTH = 30 * DAY

/**
 * A congested month: 4,320 blocks, a value every 6. The shape is that of the waves of 2023 (May:
 * BRC-20 mints took the next block from some 10 to above 400 sat/vB within days and kept it above
 * 50 for two weeks; December: some 50 to 600): a daily rhythm with quiet nights, quieter weekends,
 * and bursts that rise within hours and decay over a day or two.
 */
export function congestedMonth(seed = 1): Trace {
  const random = randomFrom(seed)
  const bursts = Array.from({ length: 7 }, () => ({
    at: random() * MONTH,
    height: 60 + 540 * random() ** 2,
    days: 0.5 + 2 * random()
  }))
  return Array.from({ length: MONTH / 6 }, (_, i) => {
    const height = i * 6
    const day = 1 + 0.35 * Math.sin((2 * Math.PI * (height % DAY)) / DAY)
    const week = Math.floor(height / DAY) % 7 >= 5 ? 0.7 : 1
    const wave = bursts.reduce(
      (sum, burst) => sum + burst.height * shapeOf((height - burst.at) / (burst.days * DAY)),
      0
    )
    const rate = (18 * day * week + wave) * (0.85 + 0.3 * random())
    return { height, rate: feeRate(BigInt(Math.max(1_000, Math.round(rate * 1_000)))) }
  })
}

/** The shape of a burst: up within a twentieth of its length, down with a half-life of a third. */
function shapeOf(time: number): number {
  return time < 0 ? 0 : Math.min(1, time * 20) * 0.5 ** (time * 3)
}

/*
 * Other people's transactions: keeps the mempool so full that the next block costs the trace's
 * rate. They are signed and valid, a few large ones rather than many small ones, since checking a
 * signature costs this chain milliseconds. When the rate rises, dearer ones come in on top; when it
 * falls, the dearer rest is mined first, as elsewhere.
 */

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
