/** The record of one channel of a simulation, as it goes. */
import { balances } from '../../channel/ledger.js'
import { kindOf, payeeOf, payerOf, stateOfLock, type StateRef } from '../../channel/schedule.js'
import type { Established } from '../../channel/state.js'
import { type ChannelId, outPointText, toHex } from '../../types/bytes.js'
import type { SimNode } from '../node.js'
import type { PlannedOpening } from '../plan/traffic.js'
import type { CapitalTotals, ChannelResult } from '../results.js'
import { summaryOf } from './payments.js'
import { payoutWitnessScript, p2wsh } from '../../bitcoin/scripts.js'
import { partyOf } from '../../channel/terms.js'
import type { Role } from '../../bitcoin/keys.js'
import type { SimTransaction } from '../../testing/mempool.js'

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
