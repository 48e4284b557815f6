/**
 * Bids its old state up in public, at once to the part `upTo` of what it would gain, and lets
 * itself be outbid: what the other side then burns costs it nothing.
 */
import type { Established } from '../../channel/state.js'
import type { SimNode } from '../node.js'
import type { CheatWorld } from './cheat.js'
import { PublishOld, type OldState } from './publish-old.js'

export class Bluff extends PublishOld {
  constructor(upTo: number, world: CheatWorld) {
    super('bluff', upTo, world)
  }

  protected override publish(channel: Established, best: OldState, node: SimNode): void {
    if ((this.attacks.get(channel.id)?.bid ?? 0) === 0) super.publish(channel, best, node)
  }

  protected override wanted(best: OldState): number {
    return best.gain
  }
}
