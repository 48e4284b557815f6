/**
 * The holdings of a node's channels: whether a share is in the channel or among the coins of the
 * wallet, and which channels can be paid on.
 */
import { fits, quote, type Quote } from '../channel/quote.js'
import type { Env } from '../channel/env.js'
import { mayPay, payerOf } from '../channel/schedule.js'
import type { Channel, Established } from '../channel/state.js'
import { type ChannelStatus, statusOf, SUMMARY_SEES, type SummaryEnv } from '../channel/summary.js'
import type { ChannelId, Txid } from '../types/bytes.js'

/* The place of our share of a channel: in the channel, or among the coins of the wallet. */

/** True when T1 is in sight, and the transaction that pays us out is not. */
export function isInChannel(channel: Channel): channel is Established {
  if (channel.stage !== 'established' || !channel.onChain.fundingSeen) return false
  if (channel.onChain.spend !== undefined) return false
  // The wallet takes charge of the payer's output of a settlement once that is in a block; what it
  // is paid besides it sees at once.
  const [shown] = channel.onChain.shown
  return (
    shown === undefined ||
    (shown.state !== undefined && shown.state !== 'refund' && payerOf(shown.state) === channel.role)
  )
}

/** T1 with this id of a channel of which this node is the client, as its own record has it. */
export function ownFunding(
  channels: Iterable<{ readonly state: Channel }>,
  id: Txid
): Uint8Array | undefined {
  for (const { state } of channels) {
    if (state.stage === 'established' && state.role === 'client' && state.outPoint.txid === id) {
      return state.fundingTx
    }
  }
  return undefined
}

/*
 * What people are shown of channels. Whoever asks, and however often: it is reckoned once for each
 * state, and for what is known of the chain then.
 */

export class Summaries<Shown extends object> {
  readonly #known = new WeakMap<Channel, { readonly seen: SummaryEnv; readonly shown: Shown }>()
  readonly #make: (channel: Channel, env: SummaryEnv) => Shown

  constructor(make: (channel: Channel, env: SummaryEnv) => Shown) {
    this.#make = make
  }

  /** As `make`, of the same values: another payment is another state, and another block is seen. */
  of(channel: Channel, env: SummaryEnv): Shown {
    const known = this.#known.get(channel)
    if (known !== undefined && SUMMARY_SEES.every((part) => known.seen[part] === env[part])) {
      return { ...known.shown }
    }
    const { policy, height, isWatched, feeRate, nextBlockRate, feeHistory } = env
    const seen = { policy, height, isWatched, feeRate, nextBlockRate, feeHistory }
    const shown = this.#make(channel, seen)
    this.#known.set(channel, { seen, shown })
    return { ...shown }
  }
}

/*
 * The channels that can be paid on, and the short way to one that can carry a payment as it is.
 * Everything else is planned (src/node).
 */

/** A channel with a peer, and the amount that this node could pay on it. */
export interface Payable {
  readonly id: ChannelId
  readonly peerId: string
  readonly status: ChannelStatus
  /** True when this node pays on the channel at all: on a one-way channel only its client does. */
  readonly isOurs: boolean
  readonly quote: Quote
}

/** What is known of the chain, and of whether a channel is watched there. */
export type SeenOf = (channel: Channel) => Pick<Env, 'height' | 'isWatched'>

export function payableOf(channel: Channel, seenOf: SeenOf): Payable {
  const { id, peer, role } = channel
  const seen = seenOf(channel)
  return {
    id,
    peerId: peer,
    status: statusOf(channel, seen),
    isOurs: channel.stage === 'established' ? mayPay(channel.terms, role) : role === 'client',
    quote: quote(channel, seen)
  }
}

/**
 * The last answer for a state, and what was seen then: thousands of callers ask for the same one.
 */
const taken = new WeakMap<Channel, ReturnType<SeenOf> & { readonly quote: Quote | undefined }>()

/** The payments that an open channel carries without taking the turn; undefined when none. */
function directQuote(channel: Channel, seen: ReturnType<SeenOf>): Quote | undefined {
  const known = taken.get(channel)
  if (known !== undefined && known.height === seen.height && known.isWatched === seen.isWatched) {
    return known.quote
  }
  const found = quote(channel, seen)
  const answer = found.takesTurn || found.refusal !== undefined ? undefined : found
  taken.set(channel, { ...seen, quote: answer })
  return answer
}

/**
 * Finds the open channel for a payment without taking the turn. `to` is a channel's id or the
 * PeerId of its payee. Of those with room for `amount`, takes the one with the least room;
 * undefined when there is none.
 */
export function channelFor(
  channels: Iterable<{ readonly state: Channel }>,
  to: string,
  amount: bigint,
  seenOf: SeenOf
): ChannelId | undefined {
  let best: { readonly id: ChannelId; readonly room: bigint } | undefined
  for (const { state: channel } of channels) {
    if (channel.id !== to && channel.peer !== to) continue
    const direct = directQuote(channel, seenOf(channel))
    if (direct === undefined || !fits(direct, amount)) continue
    if (best === undefined || direct.room < best.room) best = { id: channel.id, room: direct.room }
  }
  return best?.id
}
