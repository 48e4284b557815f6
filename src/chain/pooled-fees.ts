/**
 * Fees as several servers tell them: the median, so that none decides alone. A server that is
 * silent counts with its last answer.
 */
import type { Chain, Clock, RelayRates } from '../engine/ports.js'
import type { BlockDelta, FeeRate } from '../types/units.js'
import { LAST_GOOD_MS } from './estimate.js'
import { gather, lowerMedian, nextBlockOf } from './waiting.js'

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
