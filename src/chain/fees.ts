/** Fees: the rate to use given the answers of one server, and given those of several. */
import { LOWEST_RELAY_RATE, SAFE_RELAY_RATE } from '../bitcoin/relay.js'
import type { Chain, Clock, RelayRates } from '../engine/ports.js'
import { type BlockDelta, feeRate, type FeeRate, max, min } from '../types/units.js'
import { codeOf, messageOf } from '../types/errors.js'
import type { ServerCalls } from './electrum/client.js'
import { gather, type Log, lowerMedian, nextBlockOf } from './waiting.js'

/*
 * The fee rate to use, given a server's answers: never absurd, never below the relay minimum. Pure.
 */

/** 1,000 sat/vB bounds estimates (never a bid against a conflict that we have seen). */
export const HIGHEST_FEE_RATE = feeRate(1_000_000n)

/** The rate while no server ever gave a better one: 10 sat/vB. */
export const FALLBACK_FEE_RATE = feeRate(10_000n)

/** `estimatefee` answers -1 on regtest for want of traffic; there the lowest rate confirms. */
export const REGTEST_FALLBACK_FEE_RATE = SAFE_RELAY_RATE

/** Milliseconds that an earlier answer stands in for a missing one: about six blocks. */
export const LAST_GOOD_MS = 3_600_000

/**
 * Bound of honest estimates: above 0.1 BTC/kvB Bitcoin Core refuses to send
 * (`DEFAULT_MAX_RAW_TX_FEE_RATE`).
 */
const ABSURD_BTC_PER_KVB = 0.1

interface EstimateInput {
  /** The answer of `blockchain.estimatefee`, in BTC/kvB; undefined when it was not usable. */
  readonly answer: number | undefined
  /** The mempool's rate for blocks of a million vB; see `histogramRate`. */
  readonly mempool?: FeeRate | undefined
  /** The least that the mempool asks for, in BTC/kvB. */
  readonly relayFee: number | undefined
  /** The newest good answer, if younger than `LAST_GOOD_MS`. */
  readonly lastGood: FeeRate | undefined
  readonly fallback: FeeRate
}

interface Estimate {
  readonly rate: FeeRate
  readonly source: 'server' | 'mempool' | 'last' | 'fallback'
}

/**
 * @example
 * boundedEstimate({ answer: 0.00002, relayFee: 0.00001, lastGood: undefined, fallback })
 * // { rate: 2000n sat/kvB, source: 'server' }
 */
export function boundedEstimate({
  answer,
  mempool,
  relayFee,
  lastGood,
  fallback
}: EstimateInput): Estimate {
  const floor = max(LOWEST_RELAY_RATE, plausible(relayFee) ?? SAFE_RELAY_RATE)
  // An estimate looks back at blocks; what waits already has to be outbid all the same.
  const waiting = mempool ?? floor
  const bounded = (rate: FeeRate): FeeRate => min(max(max(rate, waiting), floor), HIGHEST_FEE_RATE)
  const rate = plausible(answer)
  if (rate !== undefined) return { rate: bounded(rate), source: 'server' }
  if (mempool !== undefined) {
    return { rate: bounded(max(mempool, lastGood ?? mempool)), source: 'mempool' }
  }
  if (lastGood !== undefined) return { rate: bounded(lastGood), source: 'last' }
  return { rate: bounded(fallback), source: 'fallback' }
}

/** Bound of a server's increment: more than 10 sat/vB would only burn our fees. */
const HIGHEST_INCREMENT = feeRate(10_000n)

/** The rates that a mempool asks for, out of a server's answer in BTC/kvB. */
export function boundedRelayRates({
  minimum,
  incremental
}: {
  readonly minimum?: number | undefined
  readonly incremental?: number | undefined
}): RelayRates {
  const within = (rate: FeeRate | undefined, most: FeeRate): FeeRate =>
    min(max(rate ?? SAFE_RELAY_RATE, LOWEST_RELAY_RATE), most)
  return {
    minimum: within(plausible(minimum), HIGHEST_FEE_RATE),
    incremental: within(plausible(incremental), HIGHEST_INCREMENT)
  }
}

/** Room of a block: 1,000,000 vB. */
const BLOCK_VSIZE = 1_000_000

/**
 * The rate below which nothing that waits now is among the next `blocks` blocks; undefined while
 * all of it fits, or when the server's answer makes no sense.
 *
 * @param histogram - as `mempool.get_fee_histogram`: pairs of a rate in sat/vB and the virtual
 *   bytes
 *   that pay it, or more, up to the pair before
 * @example histogramRate([[50, 600_000], [20, 700_000], [3, 4_000_000]], 1) // 20 sat/vB
 */
export function histogramRate(
  histogram: ReadonlyArray<readonly [number, number]>,
  blocks: number
): FeeRate | undefined {
  let room = blocks * BLOCK_VSIZE
  for (const [rate, vsize] of [...histogram].sort(([a], [b]) => b - a)) {
    if (!(rate >= 0) || !(vsize >= 0) || rate > 1e9) return undefined
    room -= vsize
    if (room < 0) return feeRate(BigInt(Math.ceil(rate * 1_000)))
  }
  return undefined
}

/**
 * BTC/kvB to sat/kvB; undefined for what cannot be a fee rate: -1 (no estimate), 0, NaN, a fortune.
 */
function plausible(btcPerKvB: number | undefined): FeeRate | undefined {
  if (btcPerKvB === undefined || !(btcPerKvB > 0) || btcPerKvB > ABSURD_BTC_PER_KVB) {
    return undefined
  }
  // Rounded, since 0.00001 x 100,000,000 = 1000.0000000000001 in floating point.
  return feeRate(BigInt(Math.round(btcPerKvB * 100_000_000)))
}

/* The fees that one Electrum server tells, within these bounds. */

export class ServerFees {
  /** By target: a rate that was good for a day is too low for the next block. */
  readonly #lastGood = new Map<BlockDelta, { readonly rate: FeeRate; readonly at: number }>()
  readonly #calls: ServerCalls
  readonly #clock: Clock
  readonly #log: Log
  readonly #fallback: FeeRate

  /** @param fallback - the fee rate while the server never gave an estimate */
  constructor(calls: ServerCalls, clock: Clock, log: Log, fallback: FeeRate) {
    this.#calls = calls
    this.#clock = clock
    this.#log = log
    this.#fallback = fallback
  }

  async estimate(target: BlockDelta): Promise<FeeRate> {
    return await this.#calls.make('estimate the fee', async (session) => {
      const [answer, relay, histogram] = await Promise.all([
        this.#answer(session.estimateFee(target)),
        this.#answer(session.relayFees()),
        this.#answer(session.feeHistogram())
      ])
      const last = this.#lastGood.get(target)
      const lastGood =
        last !== undefined && this.#clock.now() - last.at < LAST_GOOD_MS ? last.rate : undefined
      const { rate, source } = boundedEstimate({
        answer,
        mempool: histogramRate(histogram ?? [], target),
        relayFee: relay?.minimum,
        lastGood,
        fallback: this.#fallback
      })
      if (source === 'server') this.#lastGood.set(target, { rate, at: this.#clock.now() })
      return rate
    })
  }

  async relayRates(): Promise<RelayRates> {
    return await this.#calls.make('ask for the relay fee', async (session) => {
      return boundedRelayRates((await this.#answer(session.relayFees())) ?? {})
    })
  }

  /** A server's answer, or undefined when it refuses to give one, or gives something else. */
  async #answer<T>(promise: Promise<T>): Promise<T | undefined> {
    try {
      return await promise
    } catch (error) {
      if (codeOf(error) === 'ERR_CHAIN_UNAVAILABLE') throw error
      this.#log(`No usable fee estimate: ${messageOf(error)}`)
      return undefined
    }
  }
}

/*
 * Fees as several servers tell them: the median, so that none decides alone. A server that is
 * silent counts with its last answer.
 */

/** An answer, and when it came. */
export interface Said {
  readonly value: unknown
  readonly at: number
}

/** A server that tells fees. */
export interface Teller {
  readonly chain: Pick<Chain, 'estimateFeeRate' | 'relayRates' | 'status'>
  /** Its last answer to each question about fees, and its time. */
  readonly said: Map<string, Said>
}

export class PooledFees {
  readonly #clock: Clock
  readonly #patience: number
  readonly #servers: {
    readonly used: () => readonly Teller[]
    readonly throwNobody: (what: string) => never
  }

  /**
   * @param patience - milliseconds that the others have to answer, once one has
   * @param servers - those in use, and the error when none can be asked
   */
  constructor(
    clock: Clock,
    patience: number,
    servers: {
      readonly used: () => readonly Teller[]
      readonly throwNobody: (what: string) => never
    }
  ) {
    this.#clock = clock
    this.#patience = patience
    this.#servers = servers
  }

  async estimate(target: BlockDelta): Promise<FeeRate> {
    const rates = await this.#ask(
      questionOf(target),
      async (chain) => await chain.estimateFeeRate(target),
      ({ said }) => saidOf(said, target)
    )
    return (
      (target === 1 ? nextBlockOf(rates) : lowerMedian(rates)) ??
      this.#servers.throwNobody('estimate the fee')
    )
  }

  async relayRates(): Promise<RelayRates> {
    const rates = await this.#ask(
      'ask for the relay fee',
      async (chain) => await chain.relayRates()
    )
    const [minimum, incremental] = [
      lowerMedian(rates.map((rate) => rate.minimum)),
      lowerMedian(rates.map((rate) => rate.incremental))
    ]
    return minimum === undefined || incremental === undefined
      ? this.#servers.throwNobody('ask for the relay fee')
      : { minimum, incremental }
  }

  /**
   * Asks all servers. A server that is silent, or away for a moment, counts with its last answer:
   * else the fastest server would decide alone.
   *
   * @param instead - what it has said that will do in the place of an answer, the best first
   */
  async #ask<T>(
    what: string,
    ask: (chain: Teller['chain']) => Promise<T>,
    instead: (server: Teller) => ReadonlyArray<Said | undefined> = ({ said }) => [said.get(what)]
  ): Promise<T[]> {
    const used = this.#servers.used()
    if (used.length === 0) this.#servers.throwNobody(what)
    const synced = used.filter(({ chain }) => chain.status === 'synced')
    const heard = new Set<Teller>()
    const answers = await gather(
      this.#clock,
      this.#patience,
      (synced.length === 0 ? used : synced).map(async (server) => {
        const value = await ask(server.chain)
        heard.add(server)
        server.said.set(what, { value, at: this.#clock.now() })
        return value
      })
    )
    const isRecent = (last: Said | undefined): last is Said =>
      last !== undefined && this.#clock.now() - last.at < LAST_GOOD_MS
    const recent = used.flatMap((server) =>
      heard.has(server)
        ? []
        : instead(server)
            .filter(isRecent)
            .slice(0, 1)
            .map(({ value }) => value as T)
    )
    return [...answers, ...recent]
  }
}

function questionOf(target: number): string {
  return `estimate the fee for ${target} blocks`
}

/**
 * A server's answers for so many blocks, and for fewer, which are no cheaper: a wallet asks once in
 * a month for the fee of a sweep.
 */
function saidOf(said: Teller['said'], target: number): ReadonlyArray<Said | undefined> {
  return Array.from({ length: target }, (_, sooner) => said.get(questionOf(target - sooner)))
}
