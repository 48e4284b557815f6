/**
 * Has its channel renewed, a few blocks before payments end, by a T1 as large as version 3 allows
 * that pays a little less than blocks take; then it falls silent (`bad-peers.ts`). Whoever
 * publishes a state of the old channel has to pay more than all of that T1 (BIP125), which gives
 * the other side its coins back.
 */
import { Transaction } from 'bitcoinjs-lib'
import type { Established } from '../../channel/state.js'
import type { BuiltFunding, Chain, FundingRequest } from '../../engine/ports.js'
import { hashFromTxid, txid } from '../../types/bytes.js'
import { PaychanError } from '../../types/errors.js'
import { blockDelta, satoshi } from '../../types/units.js'
import { previousOf } from '../../wallet/previous.js'
import { readSimTransaction } from '../../testing/transactions.js'
import { KEY_WITNESS } from '../../testing/wallet.js'
import type { SimNode } from '../node.js'
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
    const rawOf = (id: string): Uint8Array | undefined => chain.transaction(txid(id))?.raw
    const coin = node.wallet.takeCoin(
      channel,
      2 * OWN_OUTPUTS * OWN_VALUE,
      (outPoint) => (rawOf(outPoint.split(':')[0] ?? '')?.length ?? 0) > 0
    )
    if (coin === undefined) {
      throw new PaychanError(
        'ERR_INSUFFICIENT_FUNDS',
        'There is no coin to make a large transaction of.'
      )
    }
    const [id = '', vout = ''] = coin.outPoint.split(':')
    const own = node.wallet.nextScript()
    const complete = (fee: bigint): Uint8Array => {
      const transaction = new Transaction()
      transaction.version = 3
      transaction.addInput(hashFromTxid(beside.outPoint.txid), beside.outPoint.vout, 0xfffffffd)
      transaction.addInput(hashFromTxid(txid(id)), Number(vout), 0xfffffffd)
      transaction.setWitness(1, [...KEY_WITNESS])
      transaction.addOutput(scriptPubKey, amount)
      transaction.addOutput(
        own,
        beside.value + coin.value - amount - BigInt(OWN_OUTPUTS * OWN_VALUE) - fee
      )
      for (let n = 0; n < OWN_OUTPUTS; n++) transaction.addOutput(own, BigInt(OWN_VALUE))
      return Uint8Array.from(transaction.toBuffer())
    }
    const { vsize } = readSimTransaction(complete(0n))
    const fee = BigInt(Math.ceil(vsize * Math.max(1, this.blockRate * PART_OF_RATE)))
    const raw = complete(fee)
    return {
      raw,
      outPoint: { txid: readSimTransaction(raw).txid, vout: 0 },
      fee: satoshi(fee),
      previous: previousOf([{ outPoint: { txid: txid(id), vout: Number(vout) } }], rawOf)
    }
  }
}
