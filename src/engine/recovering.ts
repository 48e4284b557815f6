/**
 * A channel after a restart: what had become due when the process died, and may not have been done.
 */
import type { Effect } from '../channel/effects.js'
import { csvPayout } from '../channel/onchain.js'
import { fundingScriptOf } from '../channel/terms.js'
import type { ChannelActor } from './channel-actor.js'
import type { Renewals } from './renewals.js'
import type { Watches } from './watches.js'

export interface RecoveryHost {
  readonly perform: (effect: Effect) => void
  readonly watches: Watches
  /** OPEN-9. */
  readonly limitOpening: () => void
  readonly renewals: Renewals
}

/** Watches what is on the chain, and does again what is harmless to do twice. */
export function recover(
  actor: ChannelActor,
  { perform, watches, limitOpening, renewals }: RecoveryHost
): void {
  const { state } = actor
  switch (state.stage) {
    case 'abandoned':
      if (state.role === 'client') perform({ type: 'release-funding' })
      return
    case 'established': {
      watches.watch(actor, fundingScriptOf(state.terms))
      // The node may have died between writing that the payout is ours and handing it to the
      // wallet.
      const payout = csvPayout(state)
      if (payout !== undefined) perform({ type: 'claim', payout })
      break
    }
    case 'refund-signed':
      watches.watch(actor, fundingScriptOf(state.terms))
      break
    default:
      limitOpening()
  }
  actor.post({ type: 'disconnected', reason: 'this node was restarted' })
  renewals.recover(actor)
}
