/**
 * Publishes a state with coins and outputs of its own, as large as a version 3 transaction may be:
 * it pays a little less than blocks take, so that it stays, and whoever wants its place has to pay
 * more than all of that (BIP125). It takes an old state that is better for it, else its newest.
 */
import type { Transaction } from '../../bitcoin/transaction.js'
import { publishHeightOf } from '../../channel/schedule.js'
import type { Established } from '../../channel/state.js'
import { partyOf } from '../../channel/terms.js'
import { readSimTransaction } from '../chain/sim-transaction.js'
import type { SimNode } from '../nodes/sim-node.js'
import type { Coin } from '../nodes/wallet.js'
import { Cheat, type CheatWorld } from './cheat.js'
import { bestOldState, newestState, signedSpend } from './held-states.js'

/** What it pays, beside what the next block takes. */
const PART_OF_RATE = 0.6
const OWN_OUTPUTS = 305
const OWN_VALUE = 300

export class FatState extends Cheat {
  readonly #coins = new Map<string, { readonly coin: Coin; readonly script: Uint8Array }>()

  constructor(world: CheatWorld) {
    super('fat-state', world)
  }

  protected isUnwanted(channel: Established): boolean {
    return bestOldState(channel) !== undefined || newestState(channel)?.turn !== -1
  }

  protected act(channel: Established, node: SimNode): void {
    const old = bestOldState(channel)
    const state = old ?? newestState(channel)
    if (
      state === undefined ||
      (state.turn === -1 && old === undefined) ||
      publishHeightOf(channel.terms, state.turn) > this.world.chain.height
    ) {
      return
    }
    const own = this.#coins.get(channel.id) ?? this.#take(channel, node)
    if (own === undefined) return
    const attack = this.recordOf(node, channel, { turn: state.turn, gain: old?.gain ?? 0 })
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
      // Somebody pays more.
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
