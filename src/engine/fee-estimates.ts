/**
 * The fee rates for transactions: asked for with every block, so that transitions have them
 * at hand. Next-block rates are kept over restarts, since risks are computed from them:
 *
 *     fees/history   the rates in sat/kvB, the newest last
 */
import type { RelayRates } from '../channel/env.js'
import { SAFE_RELAY_RATE } from '../bitcoin/relay.js'
import { codeOf, messageOf, PaychanError, STORE_FAILED } from '../types/errors.js'
import { blockDelta, feeRate, max, type FeeRate } from '../types/units.js'
import type { Chain, Store } from './ports.js'
import { decodeRecord, recordChange } from '../types/records.js'

/** The record of the fees seen. */
export const FEES_KEY = 'fees/history'

/** Number of blocks between two writes: an hour may be forgotten. */
const WRITE_EVERY = 6

/** The target of estimates, in blocks: a confirmation within an hour. */
const FEE_TARGET = blockDelta(6)
const NEXT_BLOCK = blockDelta(1)
/** Four weeks of blocks. */
const MOST_HISTORY = 4_032

/**
 * The fees as transitions know them. Nodes that see the same chain may share one
 * (`EngineOptions.fees`).
 */
export interface FeeView {
  readonly current: {
    readonly feeRate: FeeRate
    readonly nextBlockRate: FeeRate
    readonly relay: RelayRates
    readonly feeHistory: readonly FeeRate[]
  }
  load: () => Promise<void>
  /** Writes unsaved rates; rejects when the disk fails. */
  save: () => Promise<void>
  /** Called with each new tip. Never rejects. */
  refresh: () => Promise<void>
}

export class FeeEstimates implements FeeView {
  #hour: FeeRate
  #nextBlock: FeeRate
  #relay: RelayRates = { minimum: SAFE_RELAY_RATE, incremental: SAFE_RELAY_RATE }
  /** Another one with each block: what was reckoned from it holds as long as it is the same. */
  #history: readonly FeeRate[] = []
  #unwritten = 0
  readonly #chain: Pick<Chain, 'estimateFeeRate' | 'relayRates'>
  readonly #store: Pick<Store, 'get' | 'commit'>
  readonly #onMissing: (error: PaychanError) => void

  /** @param initial - used until the chain has been asked */
  constructor(
    chain: Pick<Chain, 'estimateFeeRate' | 'relayRates'>,
    store: Pick<Store, 'get' | 'commit'>,
    initial: FeeRate,
    onMissing: (error: PaychanError) => void
  ) {
    this.#chain = chain
    this.#store = store
    this.#onMissing = onMissing
    this.#hour = initial
    this.#nextBlock = initial
  }

  get current(): FeeView['current'] {
    return {
      feeRate: this.#hour,
      nextBlockRate: this.#nextBlock,
      relay: this.#relay,
      feeHistory: this.#history
    }
  }

  /**
   * Loads the fees seen before a restart; a damaged record loses nothing.
   *
   * @throws PaychanError `ERR_STORE_FAILED`
   */
  async load(): Promise<void> {
    try {
      const record = await this.#store.get(FEES_KEY)
      if (record === undefined) return
      const { rates } = decodeRecord<{ readonly rates: readonly number[] }>(FEES_KEY, record)
      this.#history = rates.slice(-MOST_HISTORY).map((rate) => feeRate(BigInt(rate)))
    } catch (error) {
      if (codeOf(error) === STORE_FAILED) throw error
    }
  }

  /** Writes new rates every few blocks; rejects when the disk fails. */
  async save(): Promise<void> {
    if (this.#unwritten < WRITE_EVERY) return
    this.#unwritten = 0
    await this.#store.commit([recordChange(FEES_KEY, { rates: this.#history.map(Number) })])
  }

  /** Asks the chain. Never rejects: without an answer the last one stays in use. */
  async refresh(): Promise<void> {
    try {
      // All at once: a tip waits for them no longer than for the slowest (COST-3).
      const [hour, nextBlock, relay] = await Promise.all([
        this.#chain.estimateFeeRate(FEE_TARGET),
        this.#chain.estimateFeeRate(NEXT_BLOCK),
        this.#chain.relayRates()
      ])
      this.#hour = hour
      this.#nextBlock = max(hour, nextBlock)
      this.#relay = relay
      this.#history = [...this.#history, this.#nextBlock].slice(-MOST_HISTORY)
      this.#unwritten += 1
    } catch (error) {
      this.#onMissing(
        new PaychanError(
          'ERR_NO_FEE_ESTIMATE',
          `The last fee estimate stays in use: ${messageOf(error)}`,
          { cause: codeOf(error) }
        )
      )
    }
  }
}
