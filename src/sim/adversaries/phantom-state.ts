/**
 * Shows its newest state where no block will take it, so that the other side leaves the field to
 * it, and publishes an old one once that can be mined. `input`: what keeps the newest state out of
 * the blocks,
 *
 *     unknown      an input that does not exist: no mempool takes it, only servers that lie show it
 *     unconfirmed  an output of a large transaction of its own that pays next to nothing: every mempool
 *                  takes both, and together they pay too little for a block
 *
 * `direct`: the old one goes straight to a miner, so that nobody sees what is to be outbid.
 */
import { makeTransaction, type Transaction } from '../../bitcoin/transaction.js'
import { lockOf } from '../../channel/schedule.js'
import type { Established } from '../../channel/state.js'
import { partyOf } from '../../channel/terms.js'
import { outPointFromText } from '../../types/bytes.js'
import { satoshi } from '../../types/units.js'
import { readSimTransaction } from '../chain/sim-transaction.js'
import { KEY_WITNESS } from '../nodes/wallet.js'
import type { SimNode } from '../nodes/sim-node.js'
import type { Adversary } from '../scenario/scenario.js'
import { DUST, fundingScriptOf, newestState, signedSpend, type HeldState } from './held-states.js'
import { PublishOld, type OldState } from './publish-old.js'
import type { CheatWorld } from './cheat.js'

/** What the state pays, as virtual bytes at the rate of the next block: it has some 280. */
const GOOD_FEE_VSIZE = 400
/** A version 3 transaction has at most 10,000 vB. */
const PARENT_OUTPUTS = 315
const PARENT_VALUE = 300

export class PhantomState extends PublishOld {
  readonly #shown = new Set<string>()

  constructor(
    private readonly setup: Pick<
      Extract<Adversary, { kind: 'phantom-state' }>,
      'input' | 'direct' | 'upTo'
    >,
    world: CheatWorld
  ) {
    super('phantom-state', setup.upTo, world)
  }

  protected override send(spend: Transaction): string {
    return this.setup.direct ? this.world.chain.submit(spend) : super.send(spend)
  }

  protected override prepare(channel: Established, best: OldState, node: SimNode): void {
    const newest = newestState(channel)
    if (
      newest === undefined ||
      this.#shown.has(channel.id) ||
      newest.turn <= best.turn ||
      lockOf(channel.terms, newest.turn) > this.world.chain.height
    ) {
      return
    }
    this.#shown.add(channel.id)
    this.recordOf(node, channel, best)
    if (this.setup.input === 'unknown') this.#showUnknown(channel, newest, node)
    else this.#sendUnconfirmed(channel, newest, node)
  }

  #showUnknown(channel: Established, newest: HeldState, node: SimNode): void {
    const spend = this.#withInput(channel, newest, node, `${channel.id}:0`)
    if (spend !== undefined) {
      this.world.phantoms.show(fundingScriptOf(channel), readSimTransaction(spend))
    }
  }

  #sendUnconfirmed(channel: Established, newest: HeldState, node: SimNode): void {
    const { chain } = this.world
    const parent = this.#parent(channel, node)
    const spend =
      parent === undefined ? undefined : this.#withInput(channel, newest, node, `${parent.txid}:0`)
    if (parent === undefined || spend === undefined) return
    try {
      chain.broadcast(parent)
      chain.broadcast(spend)
    } catch {
      // Somebody else was there before.
    }
  }

  /** As it stands it pays more than enough, out of its own share. */
  #withInput(
    channel: Established,
    newest: HeldState,
    node: SimNode,
    input: string
  ): Transaction | undefined {
    const fee = Math.ceil(this.blockRate * GOOD_FEE_VSIZE)
    if (newest.share - fee < DUST) return undefined
    return signedSpend(node, channel, newest, {
      outputs: [
        { script: partyOf(channel.terms, channel.role).closeScript, value: newest.share - fee }
      ],
      inputs: [input]
    })
  }

  /**
   * 10,000 vB at the lowest rate that is relayed; its first output is what the state spends, the
   * next its change.
   */
  #parent(channel: Established, node: SimNode): Transaction | undefined {
    const coin = node.wallet.takeCoin(channel.id, 2 * PARENT_OUTPUTS * PARENT_VALUE)
    if (coin === undefined) return undefined
    const script = node.wallet.nextScript()
    const paying = (change: bigint): Transaction =>
      makeTransaction({
        version: 3,
        inputs: [
          {
            outPoint: outPointFromText(coin.outPoint),
            sequence: 0xfffffffd,
            witness: KEY_WITNESS
          }
        ],
        outputs: Array.from({ length: PARENT_OUTPUTS }, (_, n) => ({
          script,
          value: satoshi(n === 1 ? change : BigInt(PARENT_VALUE))
        }))
      })
    const { vsize } = readSimTransaction(paying(BigInt(PARENT_VALUE)))
    return paying(coin.value - BigInt((PARENT_OUTPUTS - 1) * PARENT_VALUE + vsize))
  }
}
