/**
 * The cheat: of all states that it holds it publishes the one that is best for it, at the first
 * height at which that can be mined, and bids for it block by block, up to a part of what it would
 * gain.
 */
import type { Transaction } from '../../bitcoin/transaction.js'
import { lockOf } from '../../channel/schedule.js'
import type { Established } from '../../channel/state.js'
import { partyOf } from '../../channel/terms.js'
import { outPointText } from '../../types/bytes.js'
import type { SimTransaction } from '../chain/sim-transaction.js'
import type { SimNode } from '../nodes/sim-node.js'
import type { Adversary } from '../scenario/scenario.js'
import { Cheat, type AttackRecord, type CheatWorld } from './cheat.js'
import { bestOldState, DUST, signedSpend, type HeldState } from './held-states.js'

export type OldState = HeldState & { readonly gain: number }

const VSIZE = 181
/** Milliseconds until it answers a bid of the other side. */
const REACTION_MS = 5_000

export class PublishOld extends Cheat {
  constructor(
    kind: Adversary['kind'],
    protected readonly upTo: number,
    world: CheatWorld
  ) {
    super(kind, world)
  }

  protected isUnwanted(channel: Established): boolean {
    return bestOldState(channel) !== undefined
  }

  protected act(channel: Established, node: SimNode): void {
    const best = bestOldState(channel)
    if (best === undefined) return
    if (lockOf(channel.terms, best.turn) > this.world.chain.height) {
      this.prepare(channel, best, node)
    } else this.publish(channel, best, node)
  }

  /** As long as the old state is locked. */
  protected prepare(_channel: Established, _best: OldState, _node: SimNode): void {}

  protected publish(channel: Established, best: OldState, node: SimNode): void {
    const rival = this.world.chain.spenderOf(outPointText(channel.outPoint))
    const attack = this.attacks.get(channel.id)
    const isOurs = rival !== undefined && attack?.txids.has(rival.txid) === true
    const fee = Math.min(
      this.wanted(best, rival, isOurs),
      Math.floor(best.gain * this.upTo),
      best.share - DUST
    )
    const least = rival === undefined ? VSIZE : isOurs ? attack.bid + VSIZE : leastOver(rival)
    // What went to a miner directly is in no mempool: with nothing better to send, its block is
    // waited for.
    const isSent = attack?.bid === fee && attack.bidAt === this.world.chain.height
    if (fee >= Math.max(VSIZE, least) && !isSent) {
      this.#send(channel, best, fee, this.recordOf(node, channel, best))
    }
  }

  /** The fee to bid, before it is bounded by the gain. */
  protected wanted(_best: OldState, rival: SimTransaction | undefined, isOurs: boolean): number {
    return Math.max(
      Math.ceil(this.blockRate * 1.25 * VSIZE),
      rival === undefined || isOurs ? 0 : leastOver(rival)
    )
  }

  /** Where it goes. @throws when that takes no such transaction */
  protected send(spend: Transaction): string {
    return this.world.chain.broadcast(spend)
  }

  #send(channel: Established, state: OldState, fee: number, attack: AttackRecord): void {
    const spend = signedSpend(attack.node, channel, state, {
      outputs: [
        { script: partyOf(channel.terms, channel.role).closeScript, value: state.share - fee }
      ]
    })
    try {
      attack.txids.add(this.send(spend))
      attack.bid = fee
      attack.bidAt = this.world.chain.height
      // The other side may outbid it before the next block.
      this.world.calendar.after(REACTION_MS, () => {
        this.again(channel, attack.node)
      })
    } catch {
      // Not worth more, or too late: the next block shows.
    }
  }
}

/** A quarter more than what is there, and its own way. */
function leastOver(rival: SimTransaction): number {
  return rival.fee + VSIZE + Math.floor(rival.fee / 4)
}
