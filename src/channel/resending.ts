/**
 * COST-5: what a server refuses rests before it goes out again. A refusal costs a server's
 * patience, and for the price of one transaction a peer could have one with every block: by a
 * renewal whose inputs do not exist, or a close that stands behind another spend. It is for what
 * has no deadline; publications bid with every block (STAKE-4).
 */
import type { Txid } from '../types/bytes.js'
import type { Env } from './env.js'
import type { Channel, Established } from './state.js'

/**
 * Blocks that it rests at the most. ElectrumX takes 100 for a refusal, so a channel comes to 8 a
 * block of the 600 that are forgiven in one.
 */
const LONGEST_REST = 12

/** Blocks that it rests after so many refusals in a row: 1, 2, 4, 8, and then 12. */
function restAfter(refusals: number): number {
  return Math.min(2 ** (refusals - 1), LONGEST_REST)
}

/** T1 of a client, which spends its own coins: what it lacks is a fee, and a child pays it (EVID-7). */
export function isOwnT1(channel: Channel): boolean {
  return (
    channel.role === 'client' &&
    channel.stage === 'established' &&
    channel.terms.renews === undefined &&
    channel.restored !== true
  )
}

/** A server has refused it, for whatever reason, and whether or not another one has taken it. */
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

/** Every server that was asked has taken it. */
export function taken(channel: Established, txid: Txid): Established {
  return channel.unwanted?.txid === txid ? { ...channel, unwanted: undefined } : channel
}

/** Whether it is not to be sent at this height. */
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
