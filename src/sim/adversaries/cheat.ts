/**
 * An adversary that acts with its own keys: with each block it looks at the channels of its node.
 * It stops its engine's unfavourable publications, and answers no request to close
 * (`bad-peers.ts`).
 */
import type { Established } from '../../channel/state.js'
import type { FeeView } from '../../engine/fee-estimates.js'
import type { Chain } from '../../engine/ports.js'
import { outPointText, type ChannelId } from '../../types/bytes.js'
import type { Transaction } from '../../bitcoin/transaction.js'
import type { SharedFees } from '../../testing/fees.js'
import type { SimChain } from '../../testing/chain.js'
import type { Phantoms } from '../../testing/servers.js'
import type { SimNode } from '../node.js'
import type { Adversary } from '../scenario/scenario.js'
import type { Calendar } from '../../testing/calendar.js'

/**
 * One attacked channel. `gain`: the attacker's amount beyond its newest share, in satoshis; `bid`:
 * its last fee, made at the height `bidAt`.
 */
export interface AttackRecord {
  readonly node: SimNode
  readonly kind: Adversary['kind']
  readonly channel: ChannelId
  readonly height: number
  readonly gain: number
  readonly txids: Set<string>
  bid: number
  bidAt: number | undefined
}

export interface CheatWorld {
  readonly chain: SimChain
  readonly fees: SharedFees
  readonly calendar: Calendar
  /** The false transactions that lying servers show for it. */
  readonly phantoms: Phantoms
}

export abstract class Cheat {
  readonly attacks = new Map<ChannelId, AttackRecord>()
  #node: SimNode | undefined

  constructor(
    readonly kind: Adversary['kind'],
    protected readonly world: CheatWorld
  ) {
    world.chain.onChange(({ tip }) => {
      if (tip) {
        world.calendar.after(0, () => {
          this.#look()
        })
      }
    })
  }

  /** True when it prefers another spend of the channel to its engine's. */
  protected abstract isUnwanted(channel: Established): boolean

  /** Acts with each block, as long as no block has a spend of the channel. */
  protected abstract act(channel: Established, node: SimNode): void

  /** The chain as its engine sees it. */
  chainOf(chain: Chain, node: SimNode): Chain {
    this.#node = node
    return {
      get status() {
        return chain.status
      },
      get tip() {
        return chain.tip
      },
      onTip: (listener) => chain.onTip(listener),
      onStatus: (listener) => chain.onStatus(listener),
      watchScript: (script, watcher) => chain.watchScript(script, watcher),
      broadcast: async (transaction) =>
        this.#isHeldBack(transaction)
          ? { txid: transaction.txid, taken: 1, of: 1, refusals: [] }
          : await chain.broadcast(transaction),
      estimateFeeRate: (target) => chain.estimateFeeRate(target),
      relayRates: () => chain.relayRates(),
      caughtUp: () => chain.caughtUp()
    }
  }

  /** The rates of blocks as its engine knows them. */
  feesOf(fees: FeeView): FeeView {
    return fees
  }

  /** True while it asks for a close by itself. */
  get isAsking(): boolean {
    return false
  }

  #isHeldBack(transaction: Transaction): boolean {
    return this.#channels().some(
      (channel) => transaction.spends(channel.outPoint) && this.isUnwanted(channel)
    )
  }

  #channels(): Established[] {
    return (
      this.#node?.engine
        ?.states()
        .filter((state): state is Established => state.stage === 'established') ?? []
    )
  }

  #look(): void {
    const node = this.#node
    if (node?.isUp !== true) return
    for (const channel of this.#channels()) this.again(channel, node)
  }

  protected again(channel: Established, node: SimNode): void {
    const { chain } = this.world
    const funding = outPointText(channel.outPoint)
    if (
      chain.transaction(channel.outPoint.txid)?.height !== undefined &&
      chain.spenderOf(funding)?.height === undefined
    ) {
      this.act(channel, node)
    }
  }

  /** The record of its attack on a channel; a new one starts at the present height. */
  protected recordOf(node: SimNode, channel: Established, gain: number): AttackRecord {
    const known = this.attacks.get(channel.id)
    const record = known ?? {
      node,
      kind: this.kind,
      channel: channel.id,
      height: this.world.chain.height,
      gain,
      txids: new Set<string>(),
      bid: 0,
      bidAt: undefined
    }
    this.attacks.set(channel.id, record)
    return record
  }

  /** The estimated feerate of the next block, in sat/vB. */
  protected get blockRate(): number {
    return Number(this.world.fees.current.nextBlockRate) / 1_000
  }
}
