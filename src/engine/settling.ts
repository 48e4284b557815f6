/**
 * The user's commands for the ends of channels: a higher fee for a published transaction, and all
 * settlements at once.
 */
import { parseTransaction } from '../bitcoin/transaction.js'
import type { Env } from '../channel/env.js'
import { isWorthSettling } from '../channel/publishable.js'
import { raisedTo } from '../channel/publishing.js'
import type { Channel } from '../channel/state.js'
import type { ChannelId, Txid } from '../types/bytes.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import type { FeeRate, Satoshi } from '../types/units.js'
import type { ChannelActor } from './channel-actor.js'
import type { Closed } from './waiters.js'

/* A higher fee, at once and at the user's wish, for a transaction that one channel published. */

/** A settlement or refund with a higher fee. */
interface BumpedPublication {
  readonly txid: Txid
  readonly of: Txid
  readonly fee: Satoshi
  readonly feeRate: FeeRate
  readonly vsize: number
}

/**
 * Replaces a transaction that one of the channels waits for. Undefined when none does.
 *
 * @throws PaychanError `ERR_CANNOT_BUMP` for a T1 of an outside wallet; `ERR_ALREADY_CONFIRMED`,
 * `ERR_CANNOT_BUMP` (facts: fee, most)
 */
export async function bumpPublication(
  actors: Iterable<ChannelActor>,
  envFor: (channel: Channel) => Env,
  txid: string,
  rate: FeeRate | undefined
): Promise<BumpedPublication | undefined> {
  for (const actor of actors) {
    const { state } = actor
    if (
      state.stage === 'established' &&
      state.role === 'client' &&
      state.outside !== undefined &&
      state.outPoint.txid === txid
    ) {
      throw notOurs(txid)
    }
    if (state.stage !== 'established' || state.publication?.txid !== txid) continue
    const { txid: of } = state.publication
    const next = raisedTo(state, rate, envFor(state))
    if (next instanceof PaychanError) throw next
    const replaced = actor.waiters.arrival(
      (now) =>
        now.stage === 'established' && now.publication !== undefined && now.publication.txid !== of
    )
    actor.post({ type: 'bump', feeRate: next.feeRate })
    await replaced
    return {
      txid: next.txid,
      of,
      fee: next.fee,
      feeRate: next.feeRate,
      vsize: parseTransaction(next.raw).vsize
    }
  }
  return undefined
}

/** FUND-5: this node has no change of such a T1, and a replacement would have no T2. */
function notOurs(txid: string): PaychanError {
  return new PaychanError(
    'ERR_CANNOT_BUMP',
    'An outside wallet has made this funding transaction: let that wallet spend its change with a higher fee (CPFP). Never replace it: the refund would be void.',
    { txid }
  )
}

/**
 * The result of closing several channels at once: a channel that cannot be closed now stops no
 * other, and hides no other outcome.
 */
export interface SettledAll {
  readonly settled: ReadonlyArray<Closed & { readonly channel: ChannelId }>
  readonly failed: ReadonlyArray<{
    readonly channel: ChannelId
    readonly code: string
    readonly reason: string
  }>
}

/**
 * TIME-9: each channel that is worth settling is settled by a transaction of its own, whatever
 * becomes of the others.
 *
 * @throws PaychanError `ERR_CHAIN_UNAVAILABLE` while no height is known
 */
export async function settleEach(
  states: readonly Channel[],
  seen: Pick<Env, 'height' | 'feeRate'>,
  close: (channel: ChannelId) => Promise<Closed>
): Promise<SettledAll> {
  if (seen.height === undefined) {
    throw new PaychanError(
      'ERR_CHAIN_UNAVAILABLE',
      'The Electrum server does not answer; nothing can be settled now. Check the server, then try again.'
    )
  }
  const channels = states.filter((state) => isWorthSettling(state, seen)).map(({ id }) => id)
  const settled: Array<SettledAll['settled'][number]> = []
  const failed: Array<SettledAll['failed'][number]> = []
  await Promise.all(
    channels.map(async (channel) => {
      try {
        settled.push({ channel, ...(await close(channel)) })
      } catch (error) {
        failed.push({ channel, code: codeOf(error), reason: messageOf(error) })
      }
    })
  )
  const order = ({ channel }: { readonly channel: ChannelId }): number => channels.indexOf(channel)
  return {
    settled: settled.sort((a, b) => order(a) - order(b)),
    failed: failed.sort((a, b) => order(a) - order(b))
  }
}
