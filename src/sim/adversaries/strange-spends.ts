/** Adversaries whose transactions no honest side would make. */
import { makeTransaction, type Transaction } from '../../bitcoin/transaction.js'
import { isOlder, lockOf, payerOf } from '../../channel/schedule.js'
import type { Established } from '../../channel/state.js'
import { partyOf } from '../../channel/terms.js'
import { outPointFromText, type OutPoint } from '../../types/bytes.js'
import { readSimTransaction } from '../../testing/mempool.js'
import { KEY_WITNESS } from '../../testing/wallet.js'
import type { SimNode } from '../node.js'
import type { Adversary } from '../scenario/scenario.js'
import {
  Cheat,
  type CheatWorld,
  DUST,
  fundingScriptOf,
  type HeldState,
  newestState,
  signedSpend
} from './cheat.js'
import { PublishOld, type OldState } from './old-states.js'
import { p2wsh, payoutWitnessScript } from '../../bitcoin/scripts.js'
import { payerOutput } from '../../bitcoin/template.js'
import { stateTemplate } from '../../channel/signing.js'
import type { BuiltFunding, Chain, FundingRequest } from '../../engine/ports.js'
import { PaychanError } from '../../types/errors.js'
import { blockDelta, satoshi } from '../../types/units.js'
import { previousOf } from '../../wallet/funding.js'

/** The state's fee, as virtual bytes at the rate of the next block; the state has some 280. */
const GOOD_FEE_VSIZE = 400
/** A version 3 transaction has at most 10,000 vB. */
const PARENT_OUTPUTS = 315
const PARENT_VALUE = 300

/**
 * Shows its newest state where no block will take it, so that the other side does not act, and
 * publishes an old one once that can be mined. `input`: the reason why no block takes the newest
 * state,
 *
 *     unknown      an input that does not exist: no mempool takes it, only servers that lie show it
 *     unconfirmed  an output of a large transaction of its own that pays next to nothing: every mempool
 *                  takes both, and together they pay too little for a block
 *
 * `direct`: the old one goes straight to a miner, so that nobody sees the bid to beat.
 */
export class PhantomState extends PublishOld {
  readonly #shown = new Set<string>()
  readonly #setup: Pick<Extract<Adversary, { kind: 'phantom-state' }>, 'input' | 'direct' | 'upTo'>

  constructor(
    setup: Pick<Extract<Adversary, { kind: 'phantom-state' }>, 'input' | 'direct' | 'upTo'>,
    world: CheatWorld
  ) {
    super('phantom-state', setup.upTo, world)
    this.#setup = setup
  }

  protected override send(spend: Transaction): string {
    return this.#setup.direct ? this.world.chain.submit(spend) : super.send(spend)
  }

  protected override prepare(channel: Established, best: OldState, node: SimNode): void {
    const newest = newestState(channel)
    if (
      newest === undefined ||
      this.#shown.has(channel.id) ||
      !isOlder(best.state, newest.state) ||
      lockOf(channel.terms, newest.state) > this.world.chain.height
    ) {
      return
    }
    this.#shown.add(channel.id)
    this.recordOf(node, channel, best.gain)
    if (this.#setup.input === 'unknown') this.#showUnknown(channel, newest, node)
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
      // Another spend came first.
    }
  }

  /** Adds an input; the state pays more than enough, out of its own share. */
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
   * 10,000 vB at the lowest relayed rate. The state spends its first output; the next is its
   * change.
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

/**
 * Takes a payment that leaves the payer less than dust, and never acknowledges it (`bad-peers.ts`).
 * The payer's signature then does not cover the outputs: it publishes the state with 330 sat to the
 * payer's payout script beside the input, as if that were the payer's balance in the state.
 */
const VSIZE = 250

export class ChosenOutput extends Cheat {
  constructor(world: CheatWorld) {
    super('chosen-output', world)
  }

  protected isUnwanted(channel: Established): boolean {
    const newest = newestState(channel)
    return (
      newest !== undefined &&
      newest.state !== 'refund' &&
      payerOutput(stateTemplate(channel, newest.payerBalance, newest.state)) === undefined
    )
  }

  protected act(channel: Established, node: SimNode): void {
    const newest = newestState(channel)
    if (
      newest === undefined ||
      !this.isUnwanted(channel) ||
      lockOf(channel.terms, newest.state) > this.world.chain.height
    ) {
      return
    }
    const payer = partyOf(channel.terms, payerOf(newest.state))
    const attack = this.recordOf(node, channel, 0)
    const fee = Math.max(attack.bid + VSIZE, Math.ceil(this.blockRate * 1.25 * VSIZE))
    const left = newest.share - DUST - fee
    if (left < DUST) return
    try {
      attack.txids.add(
        this.world.chain.broadcast(
          signedSpend(node, channel, newest, {
            outputs: [
              { script: p2wsh(payoutWitnessScript(payer.payoutKey)), value: DUST },
              { script: partyOf(channel.terms, channel.role).closeScript, value: left }
            ]
          })
        )
      )
      attack.bid = fee
    } catch {
      // The next block shows.
    }
  }
}

/**
 * Has its channel renewed, a few blocks before payments end, by a T1 as large as version 3 allows
 * that pays a little less than blocks take; then it falls silent (`bad-peers.ts`). Publishing a
 * state of the old channel then costs more than all of that T1 (BIP125), which gives the other side
 * its coins back.
 */

/** T1's feerate, as a part of the next block's. */
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
    this.recordOf(node, channel, 0)
    // The other side may refuse, or be gone.
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
