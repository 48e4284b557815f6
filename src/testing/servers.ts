/**
 * The servers that a node asks, taken together as in `src/chain/pool.ts`: a history is everything
 * that any server shows, a broadcast goes to all, fees are the lower median. No server can make up
 * the contents of a block.
 */
import { LOWEST_RELAY_RATE, SAFE_RELAY_RATE } from '../bitcoin/relay.js'
import type { Transaction } from '../bitcoin/transaction.js'
import { broadcastRefused, refusalKind } from '../chain/broadcasting.js'
import { HIGHEST_FEE_RATE } from '../chain/fees.js'
import { nextBlockOf } from '../chain/waiting.js'
import type { FeeView } from '../engine/fee-estimates.js'
import type { ChainTransaction, Verdict } from '../engine/ports.js'
import { PaychanError } from '../types/errors.js'
import { isFeeRefusal } from '../types/refusals.js'
import { blockHeight, type FeeRate, feeRate, max, min } from '../types/units.js'
import type { SimChain } from './chain.js'
import type { SimTransaction } from './mempool.js'

/**
 * The behaviour of a lying server of the chain; otherwise it is like an honest one. `shows`: shows
 * what adversaries make up; `hides`: hides what is in no block; `refuses`, `refuses-fees`: refuses
 * every broadcast, for something else or for its fee; `swallows`: says that it has taken a
 * transaction, and sends it to nobody; `low-fees`, `high-fees`: says false rates of blocks;
 * `declines`: watches nothing.
 */
export type ServerLie =
  | 'shows'
  | 'hides'
  | 'refuses'
  | 'refuses-fees'
  | 'swallows'
  | 'low-fees'
  | 'high-fees'
  | 'declines'

/** Number of honest servers of a node, and the lie of each other server. */
export interface ServerSetup {
  readonly honest: number
  readonly lying: readonly ServerLie[]
}

export const ONE_HONEST: ServerSetup = { honest: 1, lying: [] }

/** The answers of servers that refuse everything, worded as Bitcoin Core words them. */
const REFUSALS: Partial<Record<ServerLie, string>> = {
  refuses: 'bad-txns-nonstandard-inputs',
  'refuses-fees': 'insufficient fee, rejecting replacement'
}

export class Servers implements FeeView {
  readonly #count: number
  readonly #lies: { readonly [Lie in ServerLie]: number }
  /** The median feerate of all servers; undefined when an honest server is in the middle. */
  readonly #told: FeeRate | undefined
  readonly #toldUpper: FeeRate | undefined
  readonly #setup: ServerSetup
  readonly #chain: SimChain
  readonly #fees: SharedFees
  readonly #phantoms: Phantoms

  constructor(setup: ServerSetup, chain: SimChain, fees: SharedFees, phantoms: Phantoms) {
    this.#setup = setup
    this.#chain = chain
    this.#fees = fees
    this.#phantoms = phantoms
    const count = (lie: ServerLie): number => setup.lying.filter((each) => each === lie).length
    this.#count = setup.honest + setup.lying.length
    this.#lies = {
      shows: count('shows'),
      hides: count('hides'),
      refuses: count('refuses'),
      'refuses-fees': count('refuses-fees'),
      swallows: count('swallows'),
      'low-fees': count('low-fees'),
      'high-fees': count('high-fees'),
      declines: count('declines')
    }
    const at = (place: number): FeeRate | undefined =>
      place < this.#lies['low-fees']
        ? LOWEST_RELAY_RATE
        : place >= this.#count - this.#lies['high-fees']
          ? HIGHEST_FEE_RATE
          : undefined
    this.#told = at(Math.floor((this.#count - 1) / 2))
    this.#toldUpper = at(Math.floor(this.#count / 2))
  }

  get areAllLying(): boolean {
    return this.#setup.honest === 0
  }

  /** True when one server shows what adversaries make up, and one refuses bids for their fee. */
  get canPretend(): boolean {
    return this.#lies.shows > 0 && this.#lies['refuses-fees'] > 0
  }

  /** True when a server tells what becomes of a script. */
  get tellsHistories(): boolean {
    return this.#lies.declines < this.#count
  }

  /** The history of a script: blocks first, then the transactions that servers show unconfirmed. */
  historyOf(script: string, hidesMempool: boolean): ChainTransaction[] {
    const history = this.#chain.historyOf(script)
    const shownBy = hidesMempool ? 0 : this.#count - this.#lies.hides - this.#lies.declines
    const real = history
      .filter(({ height }) => height !== undefined || shownBy > 0)
      .flatMap((each) => shown(each, shownBy))
    if (this.#lies.shows === 0) return real
    const made = [...this.#phantoms.of(script)].filter((phantom) => this.#couldStill(phantom))
    return [...real, ...made.flatMap((each) => shown(each, this.#lies.shows))]
  }

  /** @throws PaychanError `ERR_BROADCAST_REFUSED` when no server takes it */
  broadcast(transaction: Transaction): Verdict {
    if (this.#count === this.#setup.honest && this.#count === 1) {
      return { txid: this.#chain.broadcast(transaction), taken: 1, of: 1, refusals: [] }
    }
    const { txid } = transaction
    const reasons = this.#setup.lying.flatMap((lie) => REFUSALS[lie] ?? [])
    const real = this.#count - reasons.length - this.#lies.swallows
    let taken = this.#lies.swallows
    try {
      if (real > 0) this.#chain.broadcast(transaction)
      taken += real
    } catch (error) {
      if (!(error instanceof PaychanError) || error.code !== 'ERR_BROADCAST_REFUSED') throw error
      reasons.push(...Array.from({ length: real }, () => String(error.facts.reason)))
    }
    const refusals = reasons.map((reason) => ({ kind: refusalKind(reason), reason }))
    if (taken === 0) {
      throw broadcastRefused(
        txid,
        (refusals.find(({ kind }) => isFeeRefusal(kind)) ?? refusals[0])?.reason ?? ''
      )
    }
    return { txid, taken, of: this.#count, refusals }
  }

  get current(): FeeView['current'] {
    const { current } = this.#fees
    if (this.#told === undefined && this.#toldUpper === undefined) return current
    const feeRate = this.#told ?? current.feeRate
    const next = nextBlockOf([
      this.#told ?? current.nextBlockRate,
      this.#toldUpper ?? current.nextBlockRate
    ])
    return { ...current, feeRate, nextBlockRate: max(feeRate, next ?? feeRate) }
  }

  async load(): Promise<void> {}
  async save(): Promise<void> {}
  async refresh(): Promise<void> {}

  /**
   * False for a transaction that a mined one has replaced: it is dropped, whoever shows it
   * (`pooled-script.ts`); and for one that every mempool has, which all show.
   */
  #couldStill({ txid, inputs }: SimTransaction): boolean {
    return (
      this.#chain.transaction(txid) === undefined &&
      inputs.every(({ outPoint }) => this.#chain.spenderOf(outPoint)?.height === undefined)
    )
  }
}

/** Shows a transaction. One server is the default. */
function shown({ transaction, height }: SimTransaction, shownBy: number): ChainTransaction[] {
  if (transaction === undefined) return []
  return height === undefined
    ? [{ transaction, height, ...(shownBy === 1 ? {} : { shownBy }) }]
    : [{ transaction, height: blockHeight(height) }]
}

/**
 * Transactions that no honest mempool holds, and that lying servers show all the same: adversaries
 * make them up for those who ask such a server.
 */
export class Phantoms {
  readonly #byScript = new Map<string, Map<string, SimTransaction>>()
  readonly #onShown: (script: string) => void

  /** @param onShown - told of a script (hex) for which something else is shown from now on */
  constructor(onShown: (script: string) => void) {
    this.#onShown = onShown
  }

  show(script: string, transaction: SimTransaction): void {
    const shown = this.#byScript.get(script) ?? new Map<string, SimTransaction>()
    if (shown.has(transaction.txid)) return
    this.#byScript.set(script, shown.set(transaction.txid, transaction))
    this.#onShown(script)
  }

  /** No longer shows a transaction. */
  hide(script: string, { txid }: Pick<SimTransaction, 'txid'>): void {
    if (this.#byScript.get(script)?.delete(txid) === true) this.#onShown(script)
  }

  of(script: string): Iterable<SimTransaction> {
    return this.#byScript.get(script)?.values() ?? []
  }
}

/* Fee estimates that nodes make from the blocks that they have seen. */

/** Numbers of blocks whose thresholds make an estimate for the next block, and one for an hour. */
const SEEN_FOR_NEXT = 3
const SEEN_FOR_HOUR = 12
/** Four weeks of blocks, as many as the engine keeps. */
const MOST_HISTORY = 4_032

/**
 * Estimates from the newest blocks, as servers make them: nobody knows the rate for the next block.
 * For the next block it is the highest of the last three; for an hour the median of the last
 * twelve. All nodes see the same blocks, so all share one.
 */
export class SharedFees implements FeeView {
  #current: FeeView['current']
  #history: readonly FeeRate[] = []
  readonly #relay: FeeRate

  /**
   * @param before - the rates of the blocks before the beginning, in sat/vB
   * @param relay - the least rate of mempools
   */
  constructor(before: readonly number[], relay: FeeRate = SAFE_RELAY_RATE) {
    this.#relay = relay
    this.#current = {
      feeRate: relay,
      nextBlockRate: relay,
      relay: { minimum: relay, incremental: relay },
      feeHistory: []
    }
    this.update(before)
  }

  get current(): FeeView['current'] {
    return this.#current
  }

  /** Called with each block; `thresholds` in sat/vB, the newest last. */
  update(thresholds: readonly number[]): void {
    const next = this.#bounded(Math.max(...thresholds.slice(-SEEN_FOR_NEXT)))
    const seen = thresholds.slice(-SEEN_FOR_HOUR).sort((a, b) => a - b)
    const hour = this.#bounded(seen[seen.length >> 1] ?? 1)
    this.#history = [...this.#history, max(hour, next)].slice(-MOST_HISTORY)
    this.#current = {
      ...this.#current,
      feeRate: hour,
      nextBlockRate: max(hour, next),
      feeHistory: this.#history
    }
  }

  #bounded(satPerVb: number): FeeRate {
    return min(max(feeRate(BigInt(Math.ceil(satPerVb * 1_000))), this.#relay), HIGHEST_FEE_RATE)
  }

  async load(): Promise<void> {}
  async save(): Promise<void> {}
  async refresh(): Promise<void> {}
}
