/** What is known of one channel of a simulation, as it goes. */
import { balances } from '../../channel/ledger.js'
import { payeeOf, turnOfLock, payerOf } from '../../channel/schedule.js'
import type { Established } from '../../channel/state.js'
import { type ChannelId, outPointText, toHex } from '../../types/bytes.js'
import type { SimNode } from '../node.js'
import type { PlannedOpening } from '../plan.js'
import type { CapitalTotals, ChannelResult } from '../results.js'
import { summaryOf } from './payments.js'
import { payoutWitnessScript, p2wsh } from '../../bitcoin/scripts.js'
import { partyOf } from '../../channel/terms.js'
import type { Role } from '../../bitcoin/keys.js'
import type { SimTransaction } from '../../testing/transactions.js'

export class ChannelRecord {
  id: ChannelId | undefined
  /** Of the funding output, as text. */
  outPoint: string | undefined
  /** Of the server, at the beginning: what a renewal takes over. */
  serverBegin = 0
  /** Why it came to nothing. */
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

  /** T1 is signed: the channel is there. */
  learn(state: Established): void {
    this.id = state.id
    this.outPoint = outPointText(state.outPoint)
    this.capacity = Number(state.terms.capacity)
    this.serverBegin = Number(state.terms.serverBalance)
  }

  /** What callers were told has come to the server, in satoshis. */
  get serverTold(): number {
    return this.serverBegin + this.forth.volume - this.back.volume
  }

  /** As a side knows it now, or knew it last. */
  stateOf(node: SimNode): Established | undefined {
    const state = this.id === undefined ? undefined : node.engine?.find(this.id)
    return state?.stage === 'established' ? state : undefined
  }

  /** Of the two sides' states the payee's of the newest turn: it holds the signature. */
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

/**
 * What the results say of a channel and of all of them, whether it was between simulated nodes or
 * real ones.
 */

/**
 * Payments of one direction: how many callers were told that they are made, their sum, and the sum
 * of those of which nobody was told.
 */
export interface Flow {
  made: number
  volume: number
  unknown: number
}

/** What is kept of a channel as it goes. */
export interface TrackedChannel {
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

/** `sampled`: what the curves say of capital. */
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

/** How a channel has ended on the chain, and who has what of it. */
export interface Ending {
  readonly end: Exclude<ChannelResult['end'], 'open' | 'abandoned' | 'unfunded'>
  /** Of a settlement or refund. */
  readonly turn: number | undefined
  /**
   * What it gives the server before fees, in satoshis; undefined when that is for the next channel
   * to say.
   */
  readonly server: number | undefined
  readonly payer: Role
  /** What the payer of the fee has paid of it; the rest was dust of the other side's. */
  readonly fee: number
}

/** @param states - of both sides, as far as there are any */
export function endingOf(
  spend: SimTransaction,
  states: readonly Established[]
): Ending | undefined {
  const [state] = states
  if (state === undefined) return undefined
  const close = states.flatMap(({ closes }) => closes).find(({ txid }) => txid === spend.txid)
  if (close?.renewedAs !== undefined) {
    return { end: 'renewal', turn: undefined, server: undefined, payer: 'client', fee: spend.fee }
  }
  if (close !== undefined) return closeOf(spend, state, close.asker)
  const { terms, outPoint } = state
  const turn = turnOfLock(terms, spend.lockTime)
  if (turn === undefined) return undefined
  const index = spend.inputs.findIndex(
    (input) => input.outPoint === `${outPoint.txid}:${outPoint.vout}`
  )
  const payer = payerOf(turn)
  const script = toHex(p2wsh(payoutWitnessScript(partyOf(terms, payer).payoutKey)))
  const output = spend.outputs[index]
  const payersOwn = output?.script === script ? output.value : 0
  const server = payer === 'server' ? payersOwn : Number(terms.capacity) - payersOwn
  return {
    end: turn === -1 ? 'refund' : 'settlement',
    turn,
    server,
    payer: payeeOf(turn),
    fee: spend.fee
  }
}

function closeOf(spend: SimTransaction, { terms }: Established, asker: Role): Ending {
  const other = asker === 'client' ? 'server' : 'client'
  const script = toHex(partyOf(terms, other).closeScript)
  const others = spend.outputs.find((output) => output.script === script)?.value ?? 0
  const server = other === 'server' ? others : Number(terms.capacity) - others
  return { end: 'close', turn: undefined, server, payer: asker, fee: spend.fee }
}
