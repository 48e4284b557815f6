/**
 * COST-5: a transaction that a server refuses rests before it is sent again. A refusal costs a
 * server's patience, and for the price of one transaction a peer could cause one with every block:
 * by a renewal whose inputs do not exist, or a close that stands behind another spend. The rest is
 * for transactions without a deadline; publications bid with every block (STAKE-4).
 */
import type { Txid } from '../types/bytes.js'
import type { Env } from './env.js'
import type { BroadcastPurpose, ChannelEvent } from './events.js'
import type { Channel, Established } from './state.js'

/**
 * The longest rest, in blocks. ElectrumX charges 100 for a refusal, so a channel costs about 8 a
 * block of the 600 that are forgiven in one.
 */
const LONGEST_REST = 12

/** Blocks of rest after a number of refusals in a row: 1, 2, 4, 8, and then 12. */
function restAfter(refusals: number): number {
  return Math.min(2 ** (refusals - 1), LONGEST_REST)
}

/**
 * True for a transaction without a deadline: a close, or a T1 that is not our own. A client's own
 * T1 spends its own coins: it can only lack a fee, which a child pays (EVID-7).
 */
export function canWait(channel: Channel, purpose: BroadcastPurpose): boolean {
  const isOwnT1 =
    channel.role === 'client' &&
    channel.stage === 'established' &&
    channel.terms.renews === undefined &&
    channel.restored !== true
  return purpose === 'close' || (purpose === 'funding' && !isOwnT1)
}

/**
 * Counts a refusal by a server, for whatever reason, and whether or not another server has taken
 * it.
 */
export function refused(
  channel: Established,
  txid: Txid,
  { height }: Pick<Env, 'height'>
): Established {
  if (height === undefined) return channel
  const { unwanted } = channel
  const refusals = unwanted?.txid === txid ? unwanted.refusals + 1 : 1
  return { ...channel, unwanted: { txid, refusals, height } }
}

/**
 * COST-5: counts a refusal. A server that was not asked has refused nothing, and a bid rises
 * instead.
 */
export function refusedUnlessBid(
  channel: Established,
  event: Extract<ChannelEvent, { type: 'broadcast-done' | 'broadcast-failed' }>,
  env: Env
): Established {
  const wasAsked =
    event.type === 'broadcast-done' || (event.kind !== 'unavailable' && event.kind !== 'not-sent')
  return event.purpose === 'publication' || !wasAsked ? channel : refused(channel, event.txid, env)
}

/** Every server that was asked has taken it: ends the count of refusals. */
export function taken(channel: Established, txid: Txid): Established {
  return channel.unwanted?.txid === txid ? { ...channel, unwanted: undefined } : channel
}

/** True when it rests at this height. */
export function rests(
  { unwanted }: Established,
  txid: Txid,
  { height }: Pick<Env, 'height'>
): boolean {
  return (
    unwanted?.txid === txid &&
    height !== undefined &&
    height < unwanted.height + restAfter(unwanted.refusals)
  )
}
