/** The fees that one Electrum server tells, within the bounds of `estimate.ts`. */
import type { Clock, RelayRates } from '../engine/ports.js'
import { codeOf, messageOf } from '../types/errors.js'
import type { BlockDelta, FeeRate } from '../types/units.js'
import type { ServerCalls } from './electrum/client.js'
import { boundedEstimate, boundedRelayRates, histogramRate, LAST_GOOD_MS } from './estimate.js'
import type { Log } from './listeners.js'

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
