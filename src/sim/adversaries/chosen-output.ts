/**
 * Takes a payment that leaves the payer less than dust, and never acknowledges it (`bad-peers.ts`).
 * The payer's signature then says nothing of the outputs: it publishes the state with 330 sat to
 * the payer's payout script beside the input, as if that were what the state left the payer.
 */
import { p2wsh, payoutWitnessScript } from '../../bitcoin/scripts.js'
import { payerOutput } from '../../bitcoin/template.js'
import { lockOf, payerOf } from '../../channel/schedule.js'
import { stateTemplate } from '../../channel/signing.js'
import type { Established } from '../../channel/state.js'
import { partyOf } from '../../channel/terms.js'
import type { SimNode } from '../node.js'
import { Cheat, type CheatWorld } from './cheat.js'
import { DUST, newestState, signedSpend } from './held-states.js'

const VSIZE = 250

export class ChosenOutput extends Cheat {
  constructor(world: CheatWorld) {
    super('chosen-output', world)
  }

  protected isUnwanted(channel: Established): boolean {
    const newest = newestState(channel)
    return (
      newest !== undefined &&
      newest.turn >= 0 &&
      payerOutput(stateTemplate(channel, newest.payerBalance, newest.turn)) === undefined
    )
  }

  protected act(channel: Established, node: SimNode): void {
    const newest = newestState(channel)
    if (
      newest === undefined ||
      !this.isUnwanted(channel) ||
      lockOf(channel.terms, newest.turn) > this.world.chain.height
    ) {
      return
    }
    const payer = partyOf(channel.terms, payerOf(newest.turn))
    const attack = this.recordOf(node, channel, { turn: newest.turn, gain: 0 })
    const fee = Math.max(attack.bid + VSIZE, Math.ceil(this.blockRate * 1.25 * VSIZE))
    const left = newest.share - DUST - fee
    if (left < DUST) return
    try {
      attack.txids.add(
        this.world.chain.broadcast(
          signedSpend(node, channel, newest, {
            outputs: [
              { script: p2wsh(payoutWitnessScript(payer.payoutKey)), value: DUST },
              { script: partyOf(channel.terms, channel.role).closeScript, value: left }
            ]
          })
        )
      )
      attack.bid = fee
    } catch {
      // The next block shows.
    }
  }
}
