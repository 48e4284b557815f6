/**
 * Has servers that lie show a spend whose lock lies in the future, with a fee of nearly all that it
 * gives: no mempool takes it, and whoever outbids it burns what was paid. It gains nothing by that
 * but what miners give it.
 */
import { lockOf } from '../../channel/schedule.js'
import type { Established } from '../../channel/state.js'
import { partyOf } from '../../channel/terms.js'
import { readSimTransaction } from '../chain/sim-transaction.js'
import type { SimNode } from '../nodes/sim-node.js'
import type { CheatWorld } from './cheat.js'
import { bestOldState, DUST, fundingScriptOf, signedSpend } from './held-states.js'
import { Cheat } from './cheat.js'

/** Blocks before the lock. */
const EARLY = 40

export class PrematureRival extends Cheat {
  constructor(world: CheatWorld) {
    super('premature-rival', world)
  }

  protected isUnwanted(): boolean {
    return false
  }

  protected act(channel: Established, node: SimNode): void {
    const best = bestOldState(channel)
    const { height } = this.world.chain
    if (best === undefined || this.attacks.has(channel.id)) return
    const lock = lockOf(channel.terms, best.turn)
    if (lock <= height || lock > height + EARLY) return
    const spend = signedSpend(node, channel, best, {
      outputs: [{ script: partyOf(channel.terms, channel.role).closeScript, value: DUST }]
    })
    this.recordOf(node, channel, { turn: best.turn, gain: 0 })
    this.world.phantoms.show(fundingScriptOf(channel), readSimTransaction(spend))
  }
}
