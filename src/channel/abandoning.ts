/** Giving up an opening before T1 has left the client: nobody has anything to lose yet. */
import type { PaychanError } from '../types/errors.js'
import { blockHeight, satoshi } from '../types/units.js'
import { to, type Effect, type Transition } from './effects.js'
import { identityOf, type Abandoned, type Channel } from './state.js'

/**
 * All that has not been given up yet; an established channel only when its T1 can never be in a
 * block (RENEW-7).
 */
type NotAbandoned = Exclude<Channel, Abandoned>

/**
 * OPEN-9 and every refusal of the opening. The inputs of T1 become free; keys and the outpoint
 * stay known (KEY-3, REF-2); the stream ends after `first`, usually an `Error` for the peer.
 */
export function abandon(
  state: NotAbandoned,
  why: PaychanError,
  ...first: Effect[]
): Transition<Abandoned> {
  const abandoned: Abandoned = {
    ...identityOf(state),
    stage: 'abandoned',
    capacity: state.stage === 'offered' ? satoshi(state.offer.capacity) : state.terms.capacity,
    refundHeight:
      state.stage === 'offered' ? blockHeight(state.offer.refundHeight) : state.terms.refundHeight,
    code: why.code,
    reason: why.message,
    facts: why.facts,
    outPoint: 'outPoint' in state ? state.outPoint : undefined,
    theirKey: theirKeyOf(state)
  }
  const release: Effect[] = state.role === 'client' ? [{ type: 'release-funding' }] : []
  return to(
    abandoned,
    ...first,
    { type: 'hang-up' },
    ...release,
    { type: 'close-done', kind: 'abandoned', txid: undefined },
    { type: 'notify', news: { kind: 'abandoned', reason: why.message } }
  )
}

function theirKeyOf(state: NotAbandoned): Uint8Array | undefined {
  if (state.stage === 'offered') return undefined
  return state.role === 'client' ? state.terms.server.channelKey : state.terms.client.channelKey
}
