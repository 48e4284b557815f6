/** Hands its old states to a miner, past the mempools: nobody can outbid what nobody sees. */
import type { Transaction } from '../../bitcoin/transaction.js'
import type { SimTransaction } from '../chain/sim-transaction.js'
import type { CheatWorld } from './cheat.js'
import { PublishOld, type OldState } from './publish-old.js'

export class DirectMiner extends PublishOld {
  constructor(upTo: number, world: CheatWorld) {
    super('direct-miner', upTo, world)
  }

  protected override send(spend: Transaction): string {
    return this.world.chain.submit(spend)
  }

  /** All that it would pay: what is not mined costs nothing. */
  protected override wanted(
    best: OldState,
    rival: SimTransaction | undefined,
    isOurs: boolean
  ): number {
    return Math.max(super.wanted(best, rival, isOurs), Math.floor(best.gain * this.upTo))
  }
}
