/**
 * A channel and one that renews it: T1 of the second spends the funding output of the first
 * (RENEW-1 to RENEW-7).
 */
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import type { Message } from '../../protocols/paychan/1.0/index.js'
import type { Role } from '../../src/bitcoin/keys.js'
import { completeRenewal, renewalSighash } from '../../src/bitcoin/renewal.js'
import type { RenewalEvent } from '../../src/channel/events.js'
import { askedAgain, lostTo } from '../../src/channel/renewing.js'
import { fundingOutput, fundingScriptOf } from '../../src/channel/terms.js'
import { PaychanError } from '../../src/types/errors.js'
import { blockHeight } from '../../src/types/units.js'
import { World as Opened } from '../channel/world.js'
import { canonical, left, NONE, type Refusal, ROLES, UNSEEN } from './world.js'
import { openedFor } from './machine.js'
import { Lane, PairGame, type Pair } from './pair.js'
import type { Violation } from './rules.js'
import type { Story } from './stories.js'

/** Half of them have to be left for payments (RENEW-11). */
const BLOCKS = { oneWay: 60, twoWay: 110 }

export class RenewalGame extends PairGame {
  readonly first: Lane
  readonly second: Lane
  protected readonly before: Readonly<Record<Role, number>>

  constructor(story: Story) {
    super(story)
    const old = openedFor(story)
    for (const amount of story.before ?? []) old.paid(amount)
    const before = [old.client.channel, old.server.channel]
    // The server has signed T2; the first state of the client is on its way, and nobody has signed
    // T1.
    const fresh = new Opened({
      renews: { world: old },
      ...(story.step === undefined
        ? { blocks: BLOCKS.oneWay }
        : { blocks: BLOCKS.twoWay, step: story.step }),
      policy: old.server.policy
    }).until('client', 'refund-requested')
    fresh.deliver('server')
    fresh.deliver('client')
    this.first = new Lane(story, old, this)
    this.second = new Lane(
      { ...story, payments: story.paymentsBeside ?? { client: [], server: [] } },
      fresh,
      this
    )
    const numbers = before.map((channel) => this.first.sides.numberOf({ channel, log: [] }))
    this.before = { client: numbers[0] ?? NONE, server: numbers[1] ?? NONE }
    const { terms } = this.second.beginning
    this.first.spends.renewal = {
      script: fundingScriptOf(terms),
      gives: { client: terms.capacity - terms.serverBalance, server: terms.serverBalance }
    }
  }

  #isRenewal(number: number): boolean {
    return number !== NONE && this.first.spends.spend(number).kind === 'renewal'
  }

  protected pending({ first, second }: Pair): Lane[] {
    if (first.mined === NONE) return [this.first]
    return this.#isRenewal(first.mined) && second.mined === NONE ? [this.second] : []
  }

  protected isFinal({ first, second }: Pair): boolean {
    if (first.mined === NONE) return true
    return this.#isRenewal(first.mined)
      ? second.mined === NONE || this.second.moves.isOver(second)
      : this.first.moves.isOver(first)
  }

  protected follow({ first, second }: Pair): void {
    second.fundingHeight = this.#isRenewal(first.mined)
      ? first.minedAt
      : this.#isRenewal(first.mempool)
        ? NONE
        : UNSEEN
    if (second.fundingHeight < 0) Object.assign(second, { mined: NONE, minedAt: NONE })
    if (second.fundingHeight === UNSEEN) second.mempool = NONE
  }

  /** RENEW-7. */
  protected afterTip(w: Pair): void {
    for (const role of ROLES) {
      if (!this.second.runs(w.second, role)) continue
      const by = lostTo(
        this.second.anyChannel(w.second, role),
        this.first.anyChannel(w.first, role),
        { height: blockHeight(w.first.height) }
      )
      if (by !== undefined) {
        this.second.post(w.second, role, `funding-lost ${by}`, { type: 'funding-lost', by })
      }
    }
  }

  tell(lane: Lane, role: Role, event: RenewalEvent): void {
    const other = this.otherOf(lane)
    const says =
      event.type === 'renewal-refused'
        ? `${event.error instanceof PaychanError ? event.error.code : ''} ${event.error.message}`
        : ''
    other.post(this.worldOf(other), role, `${canonical(event)} ${says}`, event)
  }

  /** As an engine does when it starts. */
  protected override onRestart(w: Pair, role: Role): void {
    if (!this.second.runs(w.second, role)) return
    const channel = this.second.anyChannel(w.second, role)
    if (channel.stage !== 'refund-requested' && channel.stage !== 'refund-signed') return
    for (const effect of askedAgain(channel)) {
      if (effect.type === 'tell') this.tell(this.second, role, effect.event)
    }
  }

  /** T1 of the first channel is out; that of the second is a spend of the first. */
  fund(lane: Lane, role: Role, raw: Uint8Array): void {
    if (lane === this.first) return
    const number = this.first.spends.numberOf(raw)
    const refusal = this.enter(this.first, number, this.first.isHonest(role) ? undefined : role)
    const { txid } = this.second.beginning.outPoint
    this.second.post(
      this.world.second,
      role,
      `funded ${refusal ?? ''}`,
      refusal === undefined
        ? {
            type: 'broadcast-done',
            purpose: 'funding',
            txid,
            isRefused: false,
            refusedForFee: false
          }
        : { type: 'broadcast-failed', purpose: 'funding', txid, kind: refusal, reason: refusal }
    )
  }

  enter(lane: Lane, number: number, adversary: Role | undefined): Refusal | undefined {
    const { world } = this
    if (lane === this.second && world.second.fundingHeight < 0) return 'missing-inputs'
    const refusal = lane.enterAlone(this.worldOf(lane), number, adversary)
    // Whoever has seen it in a mempool has it.
    if (
      lane === this.first &&
      refusal === undefined &&
      this.story.adversary !== undefined &&
      this.#isRenewal(number)
    ) {
      world.joint = number
    }
    return refusal
  }

  /** With the client's signature a server can complete T1, whenever it likes. */
  sent(from: Role, message: Message): void {
    if (
      message.type !== 'RenewalRequest' ||
      from !== 'client' ||
      this.story.adversary !== 'server'
    ) {
      return
    }
    const old = fundingOutput(this.first.beginning.terms, this.first.beginning.outPoint)
    const ours = this.first.nodes.server.channelKey.sign(
      renewalSighash(parseTransaction(message.fundingTx), old)
    )
    this.world.joint = this.first.spends.numberOf(
      completeRenewal(parseTransaction(message.fundingTx), old, message.signature, ours).raw
    )
  }

  t1(lane: Lane): Uint8Array {
    if (lane === this.first) return this.first.beginning.fundingTx
    const { mined, mempool } = this.world.first
    return this.first.spends.spend(mined === NONE ? mempool : mined).raw
  }

  protected jointMoves(w: Pair): string[] {
    if (w.joint === NONE || w.first.mined !== NONE) return []
    return [
      ...(left(w.first, 'sends') > 0 &&
      w.first.mempool !== w.joint &&
      this.first.wouldEnter(w.first, w.joint)
        ? ['send joint']
        : []),
      ...(left(w.first, 'directs') > 0 &&
      w.first.fundingHeight >= 0 &&
      this.first.moves.missesNothing(w.first)
        ? ['mine joint']
        : [])
    ]
  }

  override now(w: Pair): Violation | undefined {
    return super.now(w) ?? this.#unprotected(w)
  }

  /**
   * RENEW-3: once T1 is in a block, a side that is up has in the new channel what it had in the old
   * one. Whoever has lost data has what its peer hands back.
   */
  #unprotected(w: Pair): Violation | undefined {
    if (!this.#isRenewal(w.first.mined)) return undefined
    const { gives } = this.first.spends.spend(w.first.mined)
    for (const role of ROLES) {
      if (
        !this.first.isHonest(role) ||
        !w.first.up[role] ||
        w.first.lost[role] !== NONE ||
        this.second.open(w.second, role) !== undefined ||
        gives[role] <= this.first.rules.allowed(w.first)
      ) {
        continue
      }
      return {
        rule: 'money',
        text: `T1 of the renewal is in block ${w.first.minedAt}, and the ${role} has nothing of the new channel`
      }
    }
    return undefined
  }
}
