/**
 * Chooses the channels that carry a payment: one when one is enough, several when none is alone.
 * The limits of each, the payee's included, are known before anything is signed.
 */
import { fits, type Quote } from '../channel/quote.js'
import type { Payable } from '../engine/holdings.js'
import type { Part } from '../engine/keyed-payments.js'
import { parseDialTarget } from '../p2p/dial-target.js'
import type { ChannelId } from '../types/bytes.js'
import { adviceOf } from '../types/error-advice.js'
import { PaychanError } from '../types/errors.js'
import { formatAmount, min, satoshi, type Satoshi } from '../types/units.js'
import { channelByPrefix, namesChannel } from './choose.js'
import type { PaymentInfo } from '../engine/payments.js'

/** A channel that can be paid on. */
interface Candidate extends Quote {
  readonly id: ChannelId
  /**
   * 0 open and ours to pay, 1 open when the turn is taken, 2 to be reconnected, 3 not ready yet.
   */
  readonly rank: number
}

/**
 * More signatures than this on one channel for one payment would be a loop that a payee's limits
 * cause.
 */
const MOST_PARTS_A_CHANNEL = 16

const RANKS: Partial<Record<Payable['status'], number>> = { open: 0, offline: 2, confirming: 3 }

/**
 * The parts of a payment: on the channel that was named, or, for a PeerId, on the open channel to
 * that peer with the least that is still enough, so that large channels stay free for large
 * payments; else on several open ones; then the same with those that have to be reconnected.
 *
 * @throws PaychanError `ERR_NO_CHANNEL`, `ERR_INSUFFICIENT_BALANCE` (facts: asked, left),
 *   `ERR_AMBIGUOUS_CHANNEL`, `ERR_INVALID_PEER`, `ERR_INVALID_MULTIADDR`
 */
export function planPayment(channels: readonly Payable[], to: string, amount: bigint): Part[] {
  if (namesChannel(to)) {
    const channel = channelByPrefix(channels, to)
    return split([candidateOf(channel)], amount) ?? [part(channel.id, amount)]
  }
  const alive = payable(channels, payeeOf(channels, to)).map(candidateOf)
  for (const rank of [0, 1, 2]) {
    const these = alive.filter((candidate) => candidate.rank === rank)
    const parts =
      whole(these, amount) ??
      split(
        alive.filter((candidate) => candidate.rank <= rank),
        amount
      )
    if (parts !== undefined) return parts
  }
  // None can; the channel that has enough states the reason in its own words.
  const [best] = alive.filter(({ room }) => room >= amount).sort(byFit)
  if (best !== undefined) return [part(best.id, amount)]
  const [only, ...others] = alive
  if (only !== undefined && others.length === 0) return [part(only.id, amount)]
  const left = alive.filter(({ rank }) => rank < 3).reduce((sum, { room }) => sum + room, 0n)
  throw new PaychanError(
    'ERR_INSUFFICIENT_BALANCE',
    `Asked to pay ${formatAmount(amount)}, but the ${alive.length} channels to that peer can carry ${formatAmount(left)} now. ${adviceOf('ERR_INSUFFICIENT_BALANCE')}`,
    { asked: amount, left }
  )
}

/**
 * The PeerId that is paid.
 *
 * @throws PaychanError `ERR_NO_CHANNEL`, `ERR_AMBIGUOUS_CHANNEL`, `ERR_INVALID_MULTIADDR`
 */
export function payeeOf(channels: readonly Payable[], to: string): string {
  if (namesChannel(to)) return channelByPrefix(channels, to).peerId
  return to.startsWith('/') ? parseDialTarget(to).peer.toString() : to
}

/**
 * Channels in which we pay that peer and which are not about to end. Excludes one-way channels in
 * which the peer pays us.
 */
function payable(channels: readonly Payable[], peer: string): Payable[] {
  const ours = channels.filter((channel) => channel.peerId === peer && channel.isOurs)
  const alive = ours.filter((channel) => RANKS[channel.status] !== undefined)
  if (alive.length > 0) return alive
  // An invalid PeerId matters only now: a peer with channels has a valid one.
  if (ours.length === 0) parseDialTarget(peer)
  const ended = ours.length === 0 ? 'There is no channel' : 'No channel is left'
  throw new PaychanError(
    'ERR_NO_CHANNEL',
    `${ended} to pay ${peer} on${ours.length === 0 ? '' : ' (`paychan channels` says why)'}; open one with \`paychan open ${peer} AMOUNT\`.`,
    { peer, closed: ours.length }
  )
}

function candidateOf({ id, status, quote }: Payable): Candidate {
  const rank = status === 'open' && quote.takesTurn ? 1 : (RANKS[status] ?? 3)
  return { ...quote, id, rank }
}

function part(channel: ChannelId, amount: bigint): Part {
  return { channel, amount: satoshi(amount) }
}

/** Plans one signature on one channel. */
function whole(candidates: readonly Candidate[], amount: bigint): Part[] | undefined {
  const [best] = candidates.filter((candidate) => fits(candidate, amount)).sort(byFit)
  return best === undefined ? undefined : [part(best.id, amount)]
}

/** Takes as few channels as possible, the largest first, each with at least its least amount. */
function split(candidates: readonly Candidate[], amount: bigint): Part[] | undefined {
  const chosen: Array<Candidate & { readonly carries: bigint }> = []
  let [least, room] = [0n, 0n]
  for (const candidate of [...candidates].sort(byRoom)) {
    const carries = min(candidate.room, candidate.most * BigInt(MOST_PARTS_A_CHANNEL))
    if (room >= amount || carries < candidate.least || least + candidate.least > amount) continue
    chosen.push({ ...candidate, carries })
    least += candidate.least
    room += carries
  }
  if (amount <= 0n || room < amount) return undefined
  // Each channel has its least amount; the rest goes to the first ones.
  let rest = amount - least
  return chosen.flatMap((candidate) => {
    const more = min(rest, candidate.carries - candidate.least)
    rest -= more
    return slices(candidate, candidate.least + more)
  })
}

/** Splits a part into as many signatures as the payee's window asks for. */
function slices({ id, most }: Candidate, amount: bigint): Part[] {
  const parts: Part[] = []
  for (let left = amount; left > 0n; left -= most) parts.push(part(id, min(left, most)))
  return parts
}

/** Prefers the channel that keeps less idle. */
function byFit(a: Candidate, b: Candidate): number {
  const order = byReadiness(a, b)
  return order === 0 ? (a.room < b.room ? -1 : 1) : order
}

function byRoom(a: Candidate, b: Candidate): number {
  const order = byReadiness(a, b)
  return order === 0 ? (a.room > b.room ? -1 : 1) : order
}

/** Prefers, among channels of the same kind, one that takes payments just now. */
function byReadiness(a: Candidate, b: Candidate): number {
  if (a.rank !== b.rank) return a.rank - b.rank
  return Number(a.refusal !== undefined) - Number(b.refusal !== undefined)
}

/* The payment that one channel carries alone, which is the usual one. */

/** The channel of a plan with one part. */
export function soleChannel(plan: readonly Part[]): ChannelId | undefined {
  return plan.length === 1 ? plan[0]?.channel : undefined
}

/**
 * Spelled out: copying an object with `...` and adding to it costs several times as much as the
 * rest of `pay`.
 */
export function inOnePart(payment: PaymentInfo): PayResult {
  const { id, channel, peerId, direction, amount, memo, status, time } = payment
  return {
    id,
    channel,
    peerId,
    direction,
    amount,
    memo,
    status,
    time,
    requestId: undefined,
    parts: [payment],
    already: false
  }
}

/* Amounts from callers that the compiler has not checked. */

/**
 * Callers without types may give a number, which would fail only where it meets a bigint.
 *
 * @throws PaychanError `ERR_INVALID_AMOUNT`
 */
export function amountOf(value: unknown): Satoshi {
  if (typeof value !== 'bigint') {
    throw new PaychanError(
      'ERR_INVALID_AMOUNT',
      `An amount is a bigint of whole satoshis, such as 1000n; this is ${typeof value === 'number' ? `the number ${value}` : `of type ${typeof value}`}.`
    )
  }
  return satoshi(value)
}

/**
 * A payment that was made. When it was split, the fields are those of its first part, and `amount`
 * is the whole.
 */
export interface PayResult extends PaymentInfo {
  /** The id in the request, or one drawn for a split payment; undefined for any other. */
  readonly requestId: string | undefined
  /**
   * True when a payment with this id had been made before: nothing was paid now. `time` is that
   * payment's.
   */
  readonly already: boolean
  /** The part that each channel carried. */
  readonly parts: readonly PaymentInfo[]
}
