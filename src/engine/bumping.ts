/** A higher fee for what a channel has published alone, at once: because its user says so. */
import { parseTransaction } from '../bitcoin/transaction.js'
import type { Env } from '../channel/env.js'
import { raisedTo } from '../channel/publishing.js'
import type { Channel } from '../channel/state.js'
import type { Txid } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import type { FeeRate, Satoshi } from '../types/units.js'
import type { ChannelActor } from './channel-actor.js'

/** A settlement or refund with a higher fee. */
export interface BumpedPublication {
  readonly txid: Txid
  readonly of: Txid
  readonly fee: Satoshi
  readonly feeRate: FeeRate
  readonly vsize: number
}

/**
 * Replaces a transaction that one of the channels waits for. Undefined when it is none of theirs.
 *
 * @throws PaychanError `ERR_CANNOT_BUMP` for a T1 of an outside wallet; `ERR_ALREADY_CONFIRMED`,
 *   `ERR_CANNOT_BUMP` (facts: fee, most)
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

/** FUND-5: this node has no change of it, and a replacement would have no T2. */
function notOurs(txid: string): PaychanError {
  return new PaychanError(
    'ERR_CANNOT_BUMP',
    'An outside wallet has made this funding transaction: let that wallet spend its change with a higher fee (CPFP). Never replace it: the refund would be void.',
    { txid }
  )
}
