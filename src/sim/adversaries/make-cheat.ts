/**
 * Chooses the adversary that plays a node on the chain; those that only send bad messages are in
 * `bad-peers.ts`.
 */
import type { Adversary } from '../scenario/scenario.js'
import { Bluff, DirectMiner, FatState, PrematureRival, PublishOld } from './old-states.js'
import type { Cheat, CheatWorld } from './cheat.js'
import { DearClose } from './dear-close.js'
import { ChosenOutput, PhantomState, PinningRenewal } from './strange-spends.js'

export function cheatOf(adversary: Adversary, world: CheatWorld): Cheat | undefined {
  switch (adversary.kind) {
    case 'publish-old':
      return new PublishOld('publish-old', adversary.upTo, world)
    case 'phantom-state':
      return new PhantomState(adversary, world)
    case 'premature-rival':
      return new PrematureRival(world)
    case 'chosen-output':
      return new ChosenOutput(world)
    case 'bluff':
      return new Bluff(adversary.upTo, world)
    case 'fat-state':
      return new FatState(world)
    case 'dear-close':
      return new DearClose(adversary, world)
    case 'direct-miner':
      return new DirectMiner(adversary.upTo, world)
    case 'pinning-renewal':
      return new PinningRenewal(world)
    default:
      return undefined
  }
}
