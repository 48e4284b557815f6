/**
 * Has its channel renewed, a few blocks before payments end, by a T1 as large as version 3 allows
 * that pays a little less than blocks take; then it falls silent (`bad-peers.ts`). Whoever
 * publishes a state of the old channel has to pay more than all of that T1 (BIP125), which gives
 * the other side its coins back.
 */
import { makeTransaction, type Transaction } from '../../bitcoin/transaction.js'
import type { Established } from '../../channel/state.js'
import type { BuiltFunding, Chain, FundingRequest } from '../../engine/ports.js'
import { outPointFromText, type OutPoint } from '../../types/bytes.js'
import { PaychanError } from '../../types/errors.js'
import { blockDelta, satoshi } from '../../types/units.js'
import { previousOf } from '../../wallet/previous.js'
import { readSimTransaction } from '../chain/sim-transaction.js'
import { KEY_WITNESS } from '../nodes/wallet.js'
import type { SimNode } from '../nodes/sim-node.js'
import { Cheat, type CheatWorld } from './cheat.js'

/** What T1 pays, beside what the next block takes. */
const PART_OF_RATE = 0.6
/** With the old channel's input, a coin, the funding output and the change: nearly 10,000 vB. */
const OWN_OUTPUTS = 305
const OWN_VALUE = 300
/** Blocks before payments end. */
const EARLY = 3
const TOP_UP = satoshi(1_000n)
const NEXT_BLOCKS = blockDelta(300)

export class PinningRenewal extends Cheat {
  constructor(world: CheatWorld) {
    super('pinning-renewal', world)
  }

  protected isUnwanted(channel: Established): boolean {
    return this.attacks.has(channel.id)
  }

  protected act(channel: Established, node: SimNode): void {
    const { terms, role, ledger } = channel
    if (
      role !== 'client' ||
      terms.mode !== 'one-way' ||
      ledger.held === undefined ||
      this.attacks.has(channel.id)
    ) {
      return
    }
    if (
      this.world.chain.height < terms.lastPaymentHeight - EARLY ||
      this.world.chain.height > terms.lastPaymentHeight
    ) {
      return
    }
    this.recordOf(node, channel, { turn: -1, gain: 0 })
    // The other side may refuse it, or be gone.
    node.engine
      ?.renew(channel.id, { amount: TOP_UP, blocks: NEXT_BLOCKS, wait: 'broadcast' })
      .catch(() => {})
  }

  override chainOf(chain: Chain, node: SimNode): Chain {
    node.wallet.buildRenewal = (request, beside) => this.#fat(request, beside, node)
    return super.chainOf(chain, node)
  }

  #fat(
    { channel, scriptPubKey, amount }: FundingRequest,
    beside: NonNullable<FundingRequest['beside']>,
    node: SimNode
  ): BuiltFunding {
    const { chain } = this.world
    const find = ({ txid }: OutPoint): Transaction | undefined =>
      chain.transaction(txid)?.transaction
    const coin = node.wallet.takeCoin(
      channel,
      2 * OWN_OUTPUTS * OWN_VALUE,
      (outPoint) => find(outPointFromText(outPoint)) !== undefined
    )
    if (coin === undefined) {
      throw new PaychanError(
        'ERR_INSUFFICIENT_FUNDS',
        'There is no coin to make a large transaction of.'
      )
    }
    const outPoint = outPointFromText(coin.outPoint)
    const own = node.wallet.nextScript()
    const complete = (fee: bigint): Transaction =>
      makeTransaction({
        version: 3,
        inputs: [
          { outPoint: beside.outPoint, sequence: 0xfffffffd },
          { outPoint, sequence: 0xfffffffd, witness: KEY_WITNESS }
        ],
        outputs: [
          { script: scriptPubKey, value: amount },
          {
            script: own,
            value: satoshi(
              beside.value + coin.value - amount - BigInt(OWN_OUTPUTS * OWN_VALUE) - fee
            )
          },
          ...Array.from({ length: OWN_OUTPUTS }, () => ({
            script: own,
            value: satoshi(BigInt(OWN_VALUE))
          }))
        ]
      })
    const { vsize } = readSimTransaction(complete(0n))
    const fee = BigInt(Math.ceil(vsize * Math.max(1, this.blockRate * PART_OF_RATE)))
    const { raw, txid } = complete(fee)
    return {
      raw,
      outPoint: { txid, vout: 0 },
      fee: satoshi(fee),
      previous: previousOf([{ outPoint }], () => find(outPoint))
    }
  }
}
