/**
 * The results of a simulation: the shape of `results.json`. The same scenario and seed give the
 * same file, byte for byte; machine-dependent figures (seconds, memory) are not in it, but in
 * `run.json`. Amounts are satoshis as numbers, times seconds of virtual time from the beginning.
 */

/** A summary of a set of numbers; all 0 when `count` is. */
export interface Summary {
  readonly count: number
  readonly mean: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly max: number
}

export interface PaymentTotals {
  /** Payments of the plan that are not `off`. */
  readonly asked: number
  /**
   * Payments of the plan whose payer was switched off just then, so that nobody asked, or whose
   * payee was, so that nobody answered: a phone in a drawer is not a failure of the network.
   */
  readonly off: number
  readonly made: number
  /** `unknown` at the end: signed, and neither acknowledged nor excluded by the chain. */
  readonly unknown: number
  /** Failed payments by error code. */
  readonly failed: Readonly<Record<string, number>>
  /** Satoshis of the payments made. */
  readonly volume: number
  /** Seconds from `pay` to the acknowledgement. */
  readonly latency: Summary
  /** Payments made, per second of virtual time. */
  readonly throughput: number
}

export interface ChainTotals {
  readonly blocks: number
  readonly reorgs: number
  /** Transactions of the scenario that were mined, by kind. */
  readonly transactions: Readonly<
    Record<'funding' | 'close' | 'settlement' | 'refund' | 'sweep' | 'other', number>
  >
  /** Fees of these, in satoshis. */
  readonly fees: number
  readonly feesPerPayment: number
}

export interface CapitalTotals {
  /** Mean over time of the amount in open channels. */
  readonly locked: number
  /** The part of it (0 to 1) in channels without a payment for a day. */
  readonly idle: number
  /** Blocks from the funding's confirmation to the spend's. */
  readonly lifetime: Summary
  readonly turns: number
}

/**
 * The flow of a node's money. `end` = `begin` + `received` - `sent` - `fees` - `lost` + `gained`.
 */
export interface NodeResult {
  readonly name: string
  readonly group: string
  readonly honest: boolean
  /** Satoshis on the chain and in channels at the beginning. */
  readonly begin: number
  readonly end: number
  readonly sent: number
  readonly received: number
  /** Fees of its transactions on the chain. */
  readonly fees: number
  /** Losses beyond fees and payments, as in `losses`. */
  readonly lost: number
  readonly gained: number
  readonly payments: { readonly asked: number; readonly made: number }
  readonly crashes: number
}

export interface ChannelResult {
  /** A number in the order of the openings; `results` never name keys. */
  readonly number: number
  readonly client: string
  readonly server: string
  readonly capacity: number
  readonly step: number
  /** Height of the funding's and of the spend's block; null while there is none. */
  readonly fundedAt: number | null
  readonly spentAt: number | null
  readonly end: 'open' | 'close' | 'settlement' | 'refund' | 'renewal' | 'abandoned' | 'unfunded'
  readonly turns: number
  readonly payments: { readonly forth: number; readonly back: number }
  readonly volume: { readonly forth: number; readonly back: number }
  /**
   * The client's balance at each sample of `series.times` from `firstSample` on, as long as the
   * channel lives; empty in runs of more than 2,000 channels.
   */
  readonly firstSample: number
  readonly balances: readonly number[]
}

export interface Loss {
  readonly node: string
  readonly honest: boolean
  readonly channel: number
  readonly height: number
  readonly amount: number
  /**
   * `economics`: not worth its fee, or outbid by more than it was worth; `absence`: the node was
   * down past a deadline; `stuck`: in no block in time; `lied`: none of its servers told the truth,
   * or answered; `forgot`: its disk lost writes that it had called safe; `dishonest`: an adversary
   * plays it, in addition to the reason in `text`; `unexplained`: a bug.
   */
  readonly why: 'economics' | 'absence' | 'stuck' | 'lied' | 'forgot' | 'dishonest' | 'unexplained'
  readonly text: string
}

export interface Attack {
  readonly node: string
  readonly kind: string
  readonly channel: number
  readonly height: number
  /** Its amount beyond its newest share, less its cost; negative when the attack did not pay. */
  readonly profit: number
  readonly succeeded: boolean
}

/** Publications with a predicted risk in this range, and the number of those that came too late. */
export interface RiskBucket {
  readonly from: number
  readonly to: number
  readonly predicted: number
  readonly publications: number
  readonly tooLate: number
}

/**
 * One side publishes the newest state that it holds: the race is won when that or a newer one is in
 * a block before an older one can be.
 */
export interface RaceResult {
  readonly channel: number
  readonly node: string
  readonly honest: boolean
  readonly turn: number
  /**
   * Height of the tip at the first bid, and the first height at which the other side can publish
   * its older state.
   */
  readonly height: number
  readonly deadline: number
  /** The possible loss, and the fee of the first bid, in satoshis. */
  readonly stake: number
  readonly fee: number
  /** The chance of coming too late, as predicted at the first bid. */
  readonly risk: number
  /** Null: in no block until the end. */
  readonly spentAt: number | null
  readonly tooLate: boolean
}

/** Curves: each array has one value for each time. */
export interface Series {
  readonly times: readonly number[]
  readonly heights: readonly number[]
  /** Feerate of the next block, in sat/vB. */
  readonly nextSatPerVByte: readonly number[]
  /** Payments made since the sample before. */
  readonly made: readonly number[]
  readonly failed: readonly number[]
  readonly volume: readonly number[]
  readonly locked: readonly number[]
  readonly openChannels: readonly number[]
  readonly nodesUp: readonly number[]
  /** Fees on the chain so far. */
  readonly fees: readonly number[]
  /** The highest risk among the channels with something at stake (0 to 1), and the mean. */
  readonly riskMax: readonly number[]
  readonly riskMean: readonly number[]
}

export interface Results {
  readonly format: 'paychan-simulation'
  readonly version: 1
  readonly scenario: {
    readonly name: string
    readonly description: string
    readonly seed: number
    readonly days: number
    readonly nodes: number
    readonly channels: number
    readonly model: boolean
  }
  /** False when it was interrupted: everything is as it was then. */
  readonly complete: boolean
  /** Virtual seconds that were simulated. */
  readonly simulated: number
  readonly events: number
  readonly payments: PaymentTotals
  readonly chain: ChainTotals
  readonly capital: CapitalTotals
  readonly groups: ReadonlyArray<{
    readonly name: string
    readonly honest: boolean
    readonly nodes: number
    readonly made: number
    readonly asked: number
    readonly fees: number
    readonly lost: number
    readonly gained: number
  }>
  readonly nodes: readonly NodeResult[]
  readonly channels: readonly ChannelResult[]
  readonly losses: readonly Loss[]
  readonly attacks: readonly Attack[]
  readonly risk: readonly RiskBucket[]
  /** Decided races with something at stake, in the order in which they began. */
  readonly races: readonly RaceResult[]
  readonly series: Series
  /** Invariants that did not hold; empty unless there is a bug. */
  readonly broken: ReadonlyArray<{
    readonly time: number
    readonly rule: string
    readonly text: string
  }>
}

/** One run of a sweep: its values, and its outcome. */
export interface SweepPoint {
  readonly values: Readonly<Record<string, number | string>>
  readonly runs: number
  readonly publications: number
  readonly tooLate: number
  /** The chance that a publication of an honest node comes too late: `tooLate` / `publications`. */
  readonly lossProbability: number
  /**
   * The same chance as the nodes predicted it at their first bids: the mean of `risk`. 0 without a
   * publication, as `lossProbability` is.
   */
  readonly foretold: number
  /** The losses of honest nodes, and their stakes when they published, in satoshis. */
  readonly lost: number
  readonly staked: number
  readonly successRate: number
  readonly feesPerPayment: number
}

/** The shape of `sweep.json`. */
export interface Sweep {
  readonly format: 'paychan-sweep'
  readonly version: 1
  readonly scenario: string
  readonly seeds: readonly number[]
  /**
   * The varied settings and their values, in order; the first is the horizontal axis, the second
   * the colour.
   */
  readonly axes: ReadonlyArray<{
    readonly name: string
    readonly values: ReadonlyArray<number | string>
  }>
  readonly points: readonly SweepPoint[]
}
