/** Adversaries that publish outdated states, each in its own way. */
import type { Transaction } from '../../bitcoin/transaction.js'
import { lockOf, publishHeightOf } from '../../channel/schedule.js'
import type { Established } from '../../channel/state.js'
import { partyOf } from '../../channel/terms.js'
import { outPointText } from '../../types/bytes.js'
import { readSimTransaction, type SimTransaction } from '../../testing/mempool.js'
import type { SimNode } from '../node.js'
import type { Adversary } from '../scenario/scenario.js'
import {
  type AttackRecord,
  bestOldState,
  Cheat,
  type CheatWorld,
  DUST,
  fundingScriptOf,
  type HeldState,
  newestState,
  signedSpend
} from './cheat.js'
import type { Coin } from '../../testing/wallet.js'

export type OldState = HeldState & { readonly gain: number }

const VSIZE = 181
/** Milliseconds before it answers a bid of the other side. */
const REACTION_MS = 5_000

/**
 * The cheat: it publishes the best of its states for itself, at the first height at which that can
 * be mined, and bids for it block by block, up to a part of its gain.
 */
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
    if (lockOf(channel.terms, best.state) > this.world.chain.height) {
      this.prepare(channel, best, node)
    } else this.publish(channel, best, node)
  }

  /** Acts while the old state is locked. */
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
    // A transaction given to a miner directly is in no mempool: unless there is a better one, its
    // block is awaited.
    const isSent = attack?.bid === fee && attack.bidAt === this.world.chain.height
    if (fee >= Math.max(VSIZE, least) && !isSent) {
      this.#send(channel, best, fee, this.recordOf(node, channel, best.gain))
    }
  }

  /** The fee to bid, before it is bounded by the gain. */
  protected wanted(_best: OldState, rival: SimTransaction | undefined, isOurs: boolean): number {
    return Math.max(
      Math.ceil(this.blockRate * 1.25 * VSIZE),
      rival === undefined || isOurs ? 0 : leastOver(rival)
    )
  }

  /** Sends the transaction. @throws when it is refused */
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

/** The least bid over a rival: a quarter above its fee, plus the cost of relay. */
function leastOver(rival: SimTransaction): number {
  return rival.fee + VSIZE + Math.floor(rival.fee / 4)
}

/**
 * Bids its old state up in public, at once to the part `upTo` of its gain, and lets itself be
 * outbid: the money that the other side then burns costs it nothing.
 */
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

/** Hands its old states to a miner, past the mempools: nobody can outbid an unseen bid. */
export class DirectMiner extends PublishOld {
  constructor(upTo: number, world: CheatWorld) {
    super('direct-miner', upTo, world)
  }

  protected override send(spend: Transaction): string {
    return this.world.chain.submit(spend)
  }

  /** Bids the most it would pay: an unmined bid costs nothing. */
  protected override wanted(
    best: OldState,
    rival: SimTransaction | undefined,
    isOurs: boolean
  ): number {
    return Math.max(super.wanted(best, rival, isOurs), Math.floor(best.gain * this.upTo))
  }
}

/**
 * Makes lying servers show a spend whose lock lies in the future, with a fee of nearly all that it
 * gives: no mempool takes it, and outbidding it burns the payment. It gains only a miner's reward
 * for that.
 */

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
    const lock = lockOf(channel.terms, best.state)
    if (lock <= height || lock > height + EARLY) return
    const spend = signedSpend(node, channel, best, {
      outputs: [{ script: partyOf(channel.terms, channel.role).closeScript, value: DUST }]
    })
    this.recordOf(node, channel, 0)
    this.world.phantoms.show(fundingScriptOf(channel), readSimTransaction(spend))
  }
}

/**
 * Publishes a state with coins and outputs of its own, as large as a version 3 transaction may be.
 * It pays a little less than blocks take, so that it stays, and a replacement has to pay more than
 * all of that (BIP125). It takes an old state that is better for it, else its newest.
 */

/** Its feerate, as a part of the next block's. */
const PART_OF_RATE = 0.6
const OWN_OUTPUTS = 305
const OWN_VALUE = 300

export class FatState extends Cheat {
  readonly #coins = new Map<string, { readonly coin: Coin; readonly script: Uint8Array }>()

  constructor(world: CheatWorld) {
    super('fat-state', world)
  }

  protected isUnwanted(channel: Established): boolean {
    return bestOldState(channel) !== undefined || newestState(channel)?.state !== 'refund'
  }

  protected act(channel: Established, node: SimNode): void {
    const old = bestOldState(channel)
    const state = old ?? newestState(channel)
    if (
      state === undefined ||
      (state.state === 'refund' && old === undefined) ||
      publishHeightOf(channel.terms, state.state) > this.world.chain.height
    ) {
      return
    }
    const own = this.#coins.get(channel.id) ?? this.#take(channel, node)
    if (own === undefined) return
    const attack = this.recordOf(node, channel, old?.gain ?? 0)
    if (attack.bid > 0) return
    const filler = Array.from({ length: OWN_OUTPUTS }, () => ({
      script: own.script,
      value: OWN_VALUE
    }))
    const complete = (fee: number): Transaction =>
      signedSpend(node, channel, state, {
        outputs: [
          {
            script: partyOf(channel.terms, channel.role).closeScript,
            value: state.share + Number(own.coin.value) - OWN_OUTPUTS * OWN_VALUE - fee
          },
          ...filler
        ],
        inputs: [own.coin.outPoint]
      })
    const fee = Math.ceil(
      readSimTransaction(complete(0)).vsize * Math.max(1, this.blockRate * PART_OF_RATE)
    )
    if (fee > Number(own.coin.value) - OWN_OUTPUTS * OWN_VALUE) return
    try {
      attack.txids.add(this.world.chain.broadcast(complete(fee)))
      attack.bid = fee
    } catch {
      // A rival pays more.
    }
  }

  #take(
    channel: Established,
    node: SimNode
  ): { readonly coin: Coin; readonly script: Uint8Array } | undefined {
    const coin = node.wallet.takeCoin(channel.id, 2 * OWN_OUTPUTS * OWN_VALUE)
    if (coin === undefined) return undefined
    const own = { coin, script: node.wallet.nextScript() }
    this.#coins.set(channel.id, own)
    return own
  }
}
