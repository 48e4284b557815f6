/** The record of one channel of a simulation, as it goes. */
import type { Role } from '../../bitcoin/keys.js'
import { p2wsh, payoutWitnessScript } from '../../bitcoin/scripts.js'
import { balances } from '../../channel/ledger.js'
import { kindOf, payeeOf, payerOf, stateOfLock, type StateRef } from '../../channel/schedule.js'
import type { Established } from '../../channel/state.js'
import { partyOf } from '../../channel/terms.js'
import type { SimTransaction } from '../../testing/mempool.js'
import { type ChannelId, outPointText, toHex } from '../../types/bytes.js'
import type { SimNode } from '../node.js'
import type { PlannedOpening } from '../plan.js'
import type { CapitalTotals, ChannelResult, PaymentTotals, Summary } from '../results.js'

/* The outcomes of payments. */

export class PaymentCounts {
  /** Number of payments of the plan so far, and index of the next. */
  planned = 0
  /**
   * Payments while the payer's or the payee's node was switched off: they do not count as asked.
   */
  off = 0
  made = 0
  unknown = 0
  volume = 0
  readonly #failed = new Map<string, number>()
  readonly #latencies: number[] = []
  failed = 0

  /** `seconds`: from the request to the acknowledgement. */
  succeeded(amount: number, seconds: number): void {
    this.made += 1
    this.volume += amount
    this.#latencies.push(seconds)
  }

  get asked(): number {
    return this.planned - this.off
  }

  refused(code: string): void {
    this.failed += 1
    this.#failed.set(code, (this.#failed.get(code) ?? 0) + 1)
  }

  totals(seconds: number): PaymentTotals {
    return {
      asked: this.asked,
      off: this.off,
      made: this.made,
      unknown: this.unknown,
      failed: Object.fromEntries([...this.#failed].sort(([a], [b]) => (a < b ? -1 : 1))),
      volume: this.volume,
      latency: summaryOf(this.#latencies),
      throughput: seconds > 0 ? rounded(this.made / seconds) : 0
    }
  }
}

/** Summarizes a set of numbers. */
export function summaryOf(numbers: readonly number[]): Summary {
  const sorted = [...numbers].sort((a, b) => a - b)
  const at = (part: number): number =>
    rounded(sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0)
  return {
    count: sorted.length,
    mean: rounded(sorted.reduce((sum, value) => sum + value, 0) / Math.max(1, sorted.length)),
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    max: rounded(sorted.at(-1) ?? 0)
  }
}

/** Rounds to six decimals, which are enough for readers and keep files small. */
export function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6
}

/** The payer's error when nobody answers. */
const UNREACHABLE = 'ERR_PEER_UNREACHABLE'

/** The outcome of one requested payment, for a record of each. */
export interface PaymentOutcome {
  /** Its index in the plan's payments. */
  readonly id: number
  /**
   * `unknown`: signed, without an answer before the end. `off`: the scenario had switched off the
   * payer's node, so nobody asked, or the payee's, so nobody answered (`code` is set then).
   */
  readonly status: 'made' | 'failed' | 'unknown' | 'off'
  /** The reason for the failure. */
  readonly code?: string
  /** Seconds from the request to the answer. */
  readonly seconds?: number
  /** The number of its channel; undefined when there was none. */
  readonly channel?: number
}

/**
 * True when a refusal is due to the payee's node, which was switched off during the request. Every
 * other error counts as a failure, also then.
 */
export function isForOff(code: string, payeeStayedUp: boolean): boolean {
  return code === UNREACHABLE && !payeeStayedUp
}

export class ChannelRecord {
  id: ChannelId | undefined
  /** The funding output's outpoint, as text. */
  outPoint: string | undefined
  /** The server's balance at the beginning, taken over by a renewal. */
  serverBegin = 0
  /** The reason for a failed opening. */
  failure: string | undefined
  readonly forth: Flow = { made: 0, volume: 0, unknown: 0 }
  readonly back: Flow = { made: 0, volume: 0, unknown: 0 }
  lastPaidAt = 0
  firstSample = -1
  readonly balances: number[] = []

  constructor(
    readonly number: number,
    readonly opening: PlannedOpening,
    readonly client: SimNode,
    readonly server: SimNode,
    public capacity: number
  ) {}

  /** Records the channel once T1 is signed. */
  learn(state: Established): void {
    this.id = state.id
    this.outPoint = outPointText(state.outPoint)
    this.capacity = Number(state.terms.capacity)
    this.serverBegin = Number(state.terms.serverBalance)
  }

  /** The server's balance according to the answers to callers, in satoshis. */
  get serverTold(): number {
    return this.serverBegin + this.forth.volume - this.back.volume
  }

  /** The state as a side knows it now, or knew it last. */
  stateOf(node: SimNode): Established | undefined {
    const state = this.id === undefined ? undefined : node.engine?.find(this.id)
    return state?.stage === 'established' ? state : undefined
  }

  /** The newer state of both sides; in the same turn the payee's, which holds the signature. */
  newest(): Established | undefined {
    const [one, other] = [this.stateOf(this.client), this.stateOf(this.server)]
    if (one === undefined || other === undefined) return one ?? other
    if (one.ledger.turn !== other.ledger.turn) {
      return one.ledger.turn > other.ledger.turn ? one : other
    }
    return payeeOf(one.ledger.turn) === one.role ? one : other
  }

  /** The server's share of the newest state. */
  static serverShare({ terms, ledger }: Established): number {
    return Number(balances(terms, ledger).server)
  }
}

/** The results for one channel and for all, with simulated nodes or real ones. */

/**
 * Payments of one direction: number of payments reported as made, their sum, and the sum of
 * payments without a report.
 */
export interface Flow {
  made: number
  volume: number
  unknown: number
}

/** The record of a channel as it goes. */
interface TrackedChannel {
  readonly number: number
  readonly opening: Pick<PlannedOpening, 'step'>
  readonly client: { readonly name: string }
  readonly server: { readonly name: string }
  readonly capacity: number
  readonly forth: Flow
  readonly back: Flow
  /** Index of the first curve point with a balance; -1 before there is one. */
  readonly firstSample: number
  readonly balances: readonly number[]
}

export function channelResult(
  channel: TrackedChannel,
  { end, turns, fundedAt, spentAt }: Pick<ChannelResult, 'end' | 'turns' | 'fundedAt' | 'spentAt'>
): ChannelResult {
  const { number, opening, client, server, capacity, forth, back, firstSample, balances } = channel
  return {
    number,
    client: client.name,
    server: server.name,
    capacity,
    step: opening.step ?? 0,
    fundedAt,
    spentAt,
    end,
    turns,
    payments: { forth: forth.made, back: back.made },
    volume: { forth: forth.volume, back: back.volume },
    firstSample: Math.max(0, firstSample),
    balances
  }
}

/** `sampled`: the capital as sampled for the curves. */
export function capitalTotals(
  sampled: Pick<CapitalTotals, 'locked' | 'idle'>,
  channels: readonly ChannelResult[]
): CapitalTotals {
  const lifetimes = channels.flatMap(({ fundedAt, spentAt }) =>
    fundedAt === null || spentAt === null ? [] : [spentAt - fundedAt]
  )
  return {
    ...sampled,
    lifetime: summaryOf(lifetimes),
    turns: channels.reduce((sum, { turns }) => sum + turns, 0)
  }
}

/** The end of a channel on the chain, and each side's amount. */
export interface Ending {
  readonly end: Exclude<ChannelResult['end'], 'open' | 'abandoned' | 'unfunded'>
  /** Undefined for a close, also one that renews. */
  readonly state: StateRef | undefined
  /** The server's amount before fees, in satoshis; undefined when the next channel decides it. */
  readonly server: number | undefined
  readonly payer: Role
  /** The part of the fee that its payer paid; the rest was dust of the other side's. */
  readonly fee: number
}

/** @param states - the known states of both sides */
export function endingOf(
  spend: SimTransaction,
  states: readonly Established[]
): Ending | undefined {
  const [state] = states
  if (state === undefined) return undefined
  const close = states.flatMap(({ closes }) => closes).find(({ txid }) => txid === spend.txid)
  if (close?.renewedAs !== undefined) {
    return { end: 'renewal', state: undefined, server: undefined, payer: 'client', fee: spend.fee }
  }
  if (close !== undefined) return closeOf(spend, state, close.asker)
  const { terms, outPoint } = state
  const found = stateOfLock(terms, spend.lockTime)
  if (found === undefined) return undefined
  const index = spend.inputs.findIndex(
    (input) => input.outPoint === `${outPoint.txid}:${outPoint.vout}`
  )
  const payer = payerOf(found)
  const script = toHex(p2wsh(payoutWitnessScript(partyOf(terms, payer).payoutKey)))
  const output = spend.outputs[index]
  const payersOwn = output?.script === script ? output.value : 0
  const server = payer === 'server' ? payersOwn : Number(terms.capacity) - payersOwn
  return {
    end: kindOf(found),
    state: found,
    server,
    payer: payeeOf(found),
    fee: spend.fee
  }
}

function closeOf(spend: SimTransaction, { terms }: Established, asker: Role): Ending {
  const other = asker === 'client' ? 'server' : 'client'
  const script = toHex(partyOf(terms, other).closeScript)
  const others = spend.outputs.find((output) => output.script === script)?.value ?? 0
  const server = other === 'server' ? others : Number(terms.capacity) - others
  return { end: 'close', state: undefined, server, payer: asker, fee: spend.fee }
}
