/**
 * An adversary that acts with its own keys: with each block it looks at the channels of its node.
 * It stops its engine's unfavourable publications, and answers no request to close
 * (`bad-peers.ts`). The states that it holds, and its signatures of them, are here, too.
 */
import { SIGHASH, toDer } from '../../bitcoin/ecdsa.js'
import { digestOfAll, fundingWitness, SEQUENCE } from '../../bitcoin/funding-spend.js'
import { fundingScript } from '../../bitcoin/funding.js'
import { payerOutput } from '../../bitcoin/template.js'
import { makeTransaction, type Transaction, type TxOutput } from '../../bitcoin/transaction.js'
import { newestHeld } from '../../channel/publishable.js'
import { payeeOf, type StateRef } from '../../channel/schedule.js'
import { stateTemplate } from '../../channel/signing.js'
import { sharesByTurn } from '../../channel/stakes.js'
import type { Established } from '../../channel/state.js'
import type { FeeView } from '../../engine/fee-estimates.js'
import type { Chain } from '../../engine/ports.js'
import type { Calendar } from '../../testing/calendar.js'
import type { SimChain } from '../../testing/chain.js'
import type { Phantoms, SharedFees } from '../../testing/servers.js'
import { KEY_WITNESS } from '../../testing/wallet.js'
import { type ChannelId, outPointFromText, outPointText, toHex } from '../../types/bytes.js'
import { satoshi, type Satoshi } from '../../types/units.js'
import type { SimNode } from '../node.js'
import type { Adversary } from '../scenario/scenario.js'

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

/*
 * The states that a side of a channel could publish alone, and an adversary's transactions for
 * them: with inputs and outputs that no honest side would add.
 */

/** A state as its holder could publish it. `share`: the holder's part, in satoshis. */
export interface HeldState {
  readonly state: StateRef
  readonly payerBalance: Satoshi
  readonly signature: Uint8Array
  readonly share: number
}

/** The least value of an output of its own. */
export const DUST = 330

/** The newest state that it holds. */
export function newestState(channel: Established): HeldState | undefined {
  const held = newestHeld(channel)
  return held === undefined
    ? undefined
    : stateOf(channel, held.state, held.payerBalance, held.signature)
}

/** The state that gives it more than the newest; undefined when there is none. */
export function bestOldState(
  channel: Established
): (HeldState & { readonly gain: number }) | undefined {
  const newest = Number(sharesByTurn(channel).at(-1) ?? 0n)
  const held = newestHeld(channel)
  const old: HeldState[] = channel.ended.flatMap(({ turn, payerBalance, signature }) =>
    signature === undefined || payeeOf(turn) !== channel.role
      ? []
      : [stateOf(channel, turn, payerBalance, signature)]
  )
  if (channel.role === 'client') {
    old.push(stateOf(channel, 'refund', channel.terms.serverBalance, channel.refundSignature))
  }
  const best = old
    .filter(({ state }) => state !== held?.state || state === 'refund')
    .sort((a, b) => b.share - a.share)[0]
  return best === undefined || best.share <= newest + DUST
    ? undefined
    : { ...best, gain: best.share - newest }
}

function stateOf(
  channel: Established,
  state: StateRef,
  payerBalance: Satoshi,
  signature: Uint8Array
): HeldState {
  const own = payerOutput(stateTemplate(channel, payerBalance, state))
  return {
    state,
    payerBalance,
    signature,
    share: Number(channel.terms.capacity - (own?.value ?? 0n))
  }
}

/** The script of the funding output, in hex, which the other side watches. */
export function fundingScriptOf({ terms }: Established): string {
  return toHex(fundingScript(terms.client.channelKey, terms.server.channelKey))
}

/** Outputs behind the payer's, in satoshis; `inputs`: outpoints beside the channel's, as text. */
interface SpendParts {
  readonly outputs: ReadonlyArray<{ readonly script: Uint8Array; readonly value: number }>
  readonly inputs?: readonly string[]
}

/** A state with the additions that the payer's signature leaves to the payee; signed by both. */
export function signedSpend(
  node: SimNode,
  channel: Established,
  state: HeldState,
  { outputs, inputs = [] }: SpendParts
): Transaction {
  const template = stateTemplate(channel, state.payerBalance, state.state)
  const own = payerOutput(template)
  const added: TxOutput[] = outputs.map(({ script, value }) => ({
    script,
    value: satoshi(BigInt(value))
  }))
  const { funding, version, lock } = template
  const transaction = makeTransaction({
    version,
    lockTime: lock,
    inputs: [funding.outPoint, ...inputs.map(outPointFromText)].map((outPoint) => ({
      outPoint,
      sequence: SEQUENCE
    })),
    outputs: own === undefined ? added : [own, ...added]
  })
  const payer = toDer(
    state.signature,
    (own === undefined ? SIGHASH.NONE : SIGHASH.SINGLE) | SIGHASH.ANYONECANPAY
  )
  const payee = toDer(
    node.signer.sign(
      { role: channel.role, ...channel.keys, use: 'channel' },
      digestOfAll(transaction, funding)
    ),
    SIGHASH.ALL
  )
  const witness =
    template.payer === 'client'
      ? fundingWitness(funding, payer, payee)
      : fundingWitness(funding, payee, payer)
  return transaction.withWitnesses([witness, ...inputs.map(() => KEY_WITNESS)])
}
