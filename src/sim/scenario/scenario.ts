/**
 * A scenario for the simulator: checked, with all defaults filled in. `scenario-file.ts` makes it
 * from YAML. Amounts are bigint satoshis, times are seconds of virtual time from the beginning, fee
 * rates satoshis per 1,000 vB. All random values are drawn from the seed.
 */
import type { Policy } from '../../channel/policy.js'
import type { NetworkSetup } from '../../testing/network.js'
import type { ServerLie } from '../../testing/servers.js'
import type { FeeRate, Satoshi } from '../../types/units.js'
import type { Distribution, Span } from '../../testing/calendar.js'

export type { NetworkSetup } from '../../testing/network.js'
export type { ServerLie } from '../../testing/servers.js'
export type { Distribution, Span } from '../../testing/calendar.js'

/**
 * Nodes that are alike. They are called `name` when there is one, `name-1`, `name-2`, ...
 * otherwise.
 */
export interface NodeGroup {
  readonly name: string
  readonly count: number
  /** The initial coins of each wallet. */
  readonly coins: Satoshi
  /** The differences from the node's own defaults. */
  readonly policy: Partial<Policy>
}

/** A group of channels. `from` are the clients, who fund them. Both name a group. */
export interface ChannelGroup {
  readonly from: string
  readonly to: string
  /**
   * `each`: every `from` with every `to`; `random`: every `from` with `degree` others at random;
   * `ring`: each with the next; `scale-free`: each newcomer with `degree` others, the more likely
   * the more channels they have (Barabási-Albert).
   */
  readonly shape: 'each' | 'random' | 'ring' | 'scale-free'
  readonly degree: number
  readonly capacity: Satoshi
  /** L minus the height at the opening. */
  readonly blocks: number
  /** Blocks between two turns of a two-way channel; undefined: one-way. */
  readonly step: number | undefined
  /** The times of the openings. */
  readonly opens: Span
  /**
   * The event at the end of a channel's life: nothing, another one is opened, or it renews itself.
   */
  readonly then: 'nothing' | 'reopen' | 'renew'
}

/** Payers, payees, amounts and frequency: an activity as in sim-ln. */
export interface Activity {
  readonly from: string
  readonly to: string
  /** Seconds between two payments of one payer. */
  readonly every: Distribution
  /** Satoshis of a payment. */
  readonly amount: Distribution
  /** The part of the payments that goes back, from the channel's partner: 0 to 1. */
  readonly back: number
  /**
   * A payer's choice: one payee for good (`partner`, drawn among its channels), or another one each
   * time.
   */
  readonly payee: 'partner' | 'any'
  readonly during: Span
  /** Hours of the day (0 to 24) with payments; undefined: all. */
  readonly hours: { readonly from: number; readonly until: number } | undefined
}

/** The feerate for the next block, by block. */
export type FeeSource =
  | { readonly kind: 'constant'; readonly rate: FeeRate }
  /** The generator of `paychan devnet trace`. */
  | { readonly kind: 'congested'; readonly seed: number }
  | {
      readonly kind: 'trace'
      readonly points: ReadonlyArray<{ readonly height: number; readonly rate: FeeRate }>
    }

interface ChainSetup {
  /** Seconds between two blocks. */
  readonly interval: Distribution
  /** Virtual bytes of a block; the nodes' transactions compete with the demand of `fees` for it. */
  readonly blockVsize: number
  readonly fees: FeeSource
  /** The mempools' minimum feerate, and the least increase of a replacement. */
  readonly relay: FeeRate
  /** Reorganisations: interval in seconds, and depth. */
  readonly reorgs: { readonly every: Distribution; readonly depth: Distribution } | undefined
}

export type Fault =
  /**
   * Up for a while, then gone for a while: churn when it stops in order, a crash otherwise.
   * `losesWrites`: number of the newest commits that a crash loses.
   */
  | {
      readonly kind: 'crash'
      readonly who: string
      readonly every: Distribution
      readonly down: Distribution
      readonly orderly: boolean
      readonly losesWrites: number
    }
  /** Commits fail: the node stops, as it must, until it is restarted with room on its disk. */
  | {
      readonly kind: 'disk-full'
      readonly who: string
      readonly every: Distribution
      readonly down: Distribution
    }
  /** No server of the chain answers. */
  | {
      readonly kind: 'electrum-outage'
      readonly who: string
      readonly every: Distribution
      readonly down: Distribution
    }
  /**
   * The only server of the chain hides unconfirmed transactions, or everything (`all`) that has
   * happened since.
   */
  | {
      readonly kind: 'electrum-hides'
      readonly who: string
      readonly every: Distribution
      readonly down: Distribution
      readonly all: boolean
    }
  /** The clock of each node is off by some seconds, drawn once. */
  | { readonly kind: 'clock-skew'; readonly who: string; readonly seconds: Distribution }

/** The servers that the nodes of a group ask; a node without any asks one that is honest. */
export interface ServerGroup {
  readonly who: string
  readonly honest: number
  readonly lying: readonly ServerLie[]
}

export type Adversary =
  /**
   * Publishes the state that is best for it, at the first height at which it can, and bids up to
   * the part `upTo` of its gain.
   */
  | { readonly kind: 'publish-old'; readonly who: string; readonly upTo: number }
  /**
   * Shows its newest state where no block takes it, since an input (`unknown`: only lying servers
   * show it) or a parent's fee (`unconfirmed`) is missing, until it can publish an old one, for
   * which it bids as `publish-old`, or which it hands to a miner (`direct`).
   */
  | {
      readonly kind: 'phantom-state'
      readonly who: string
      readonly input: 'unknown' | 'unconfirmed'
      readonly direct: boolean
      readonly upTo: number
    }
  /** Makes lying servers show a spend with a huge fee whose lock lies in the future. */
  | { readonly kind: 'premature-rival'; readonly who: string }
  /**
   * Takes a payment that leaves the payer less than dust, never acknowledges it, and publishes it
   * with an output to the payer of its own choice.
   */
  | { readonly kind: 'chosen-output'; readonly who: string }
  /** Bids an old state up to the part `upTo` of its gain, at once and once. */
  | { readonly kind: 'bluff'; readonly who: string; readonly upTo: number }
  /**
   * Publishes states with coins and outputs of its own, 10,000 vB that pay a little less than
   * blocks take.
   */
  | { readonly kind: 'fat-state'; readonly who: string }
  /**
   * Has a spend of nearly all that it has for a fee come in sight some blocks (`left`) before its
   * victim's deadline: a close that it asks for, or a state of its own. `shown`: in every mempool,
   * by lying servers alone, or by these for a moment in each block.
   */
  | {
      readonly kind: 'dear-close'
      readonly who: string
      readonly spend: 'close' | 'state'
      readonly shown: 'mempools' | 'server' | 'blinking'
      readonly left: number
    }
  /** Hands old states to a miner, past all mempools. */
  | { readonly kind: 'direct-miner'; readonly who: string; readonly upTo: number }
  /**
   * As client of a one-way channel renews it by a T1 of 10,000 vB that pays a little less than
   * blocks take, and falls silent.
   */
  | { readonly kind: 'pinning-renewal'; readonly who: string }
  /**
   * As server of a one-way channel makes each renewal end its payments at once, so that it is
   * renewed again.
   */
  | { readonly kind: 'draining-renewal'; readonly who: string }
  /**
   * Sends a number of strangers per hour to honest nodes, each with its own PeerId, who begin an
   * opening and never return.
   */
  | { readonly kind: 'free-peers'; readonly who: string; readonly perHour: number }
  /** Never grants a turn. */
  | { readonly kind: 'refuse-turns'; readonly who: string }
  /** Takes payments and never acknowledges them. */
  | { readonly kind: 'refuse-acks'; readonly who: string }
  /** Stops answering at a time, for good. */
  | { readonly kind: 'silent'; readonly who: string; readonly from: number }
  /** Sends a number of messages per second that no channel needs. */
  | { readonly kind: 'flood'; readonly who: string; readonly perSecond: number }

export interface Scenario {
  readonly name: string
  readonly description: string
  readonly seed: number
  /** Seconds of virtual time. */
  readonly duration: number
  readonly nodes: readonly NodeGroup[]
  readonly channels: readonly ChannelGroup[]
  readonly traffic: readonly Activity[]
  readonly chain: ChainSetup
  readonly network: NetworkSetup
  readonly faults: readonly Fault[]
  readonly servers: readonly ServerGroup[]
  readonly adversaries: readonly Adversary[]
  /** Seconds between two samples of the curves. */
  readonly sample: number
  /** Uses no real signatures: a signer that only records who has signed what. */
  readonly model: boolean
}
