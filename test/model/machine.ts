/**
 * What happens to a world: events reach the two nodes, effects are performed, blocks come. Works on
 * a copy that may be changed; a world at rest has told every node that runs all that the chain
 * shows.
 */
import assert from 'node:assert/strict'
import type { Message, Payment } from '../../protocols/paychan/1.0/index.js'
import { closeVsize } from '../../src/bitcoin/closing.js'
import { otherRole, type Role } from '../../src/bitcoin/keys.js'
import type { Effect, PaymentLogEntry } from '../../src/channel/effects.js'
import type { ChannelEvent, RenewalEvent } from '../../src/channel/events.js'
import { balances, NEW_LEDGER } from '../../src/channel/ledger.js'
import type { Channel, Established } from '../../src/channel/state.js'
import { transition } from '../../src/channel/transition.js'
import { grantDue } from '../../src/channel/turns.js'
import { blockDelta, feeRate, type FeeRate } from '../../src/types/units.js'
import type { Side } from '../channel/side.js'
import { World as Opened } from '../channel/world.js'
import {
  answerTo,
  canonical,
  copyOf,
  END,
  envOf,
  historyOf,
  Interned,
  MARKET,
  NONE,
  type Refusal,
  ROLES,
  STARVED,
  UNSEEN,
  type World
} from './world.js'
import type { Story } from './stories.js'
import { CAPACITY, type Spend, statesHeldBy, Transactions } from './transactions.js'

/*
 * The real state machine, with every step remembered: the same state, event and surroundings come
 * to the same.
 */

/** All that a node has on its disk of its channel. */
export interface SideState {
  readonly channel: Channel
  readonly log: readonly PaymentLogEntry[]
}

export interface Outcome {
  readonly next: number
  readonly effects: readonly Effect[]
}

class Sides {
  readonly #states = new Interned<SideState>()
  readonly #messages = new Interned<Message>()
  readonly #steps = new Map<number, Outcome>()
  readonly #keys = new Interned<string>()
  readonly #signed = new Map<string, Uint8Array>()
  readonly #verified = new Map<string, boolean>()
  /** Transitions that were really worked out. */
  worked = 0
  readonly #nodes: Readonly<Record<Role, Side>>

  constructor(nodes: Readonly<Record<Role, Side>>) {
    this.#nodes = nodes
  }

  state(number: number): SideState {
    return this.#states.at(number)
  }
  numberOf(state: SideState): number {
    return this.#states.numberOf(state, `${canonical(state.channel)} ${canonical(state.log)}`)
  }
  message(number: number): Message {
    return this.#messages.at(number)
  }
  messageNumber(message: Message): number {
    return this.#messages.numberOf(message, canonical(message))
  }
  get size(): number {
    return this.#states.size
  }

  /** `key` says all of the event, and the estimate where that is not the market's. */
  step(
    role: Role,
    state: number,
    key: string,
    event: () => ChannelEvent,
    height: number,
    congested: boolean,
    estimate?: FeeRate
  ): Outcome {
    // One number of them all: of 2^20 states, 2^20 events, 2^10 heights.
    const known =
      ((state * 1_048_576 + this.#keys.numberOf(key, key)) * 1_024 + (height % 1_024)) * 4 +
      (role === 'client' ? 2 : 0) +
      (congested ? 1 : 0)
    const before = this.#steps.get(known)
    if (before !== undefined) return before
    const { channel, log } = this.state(state)
    this.worked += 1
    const market = envOf(this.#nodes[role], height, congested)
    const env = estimate === undefined ? market : { ...market, feeRate: estimate }
    const {
      state: next,
      log: written,
      effects
    } = transition(channel, event(), {
      ...env,
      // Signatures are the same for the same digest (RFC 6979), and the real ones are slow.
      sign: (digest) =>
        remembered(this.#signed, `${role}${Buffer.from(digest).toString('latin1')}`, () =>
          env.sign(digest)
        ),
      verify: (publicKey, digest, signature) =>
        remembered(
          this.#verified,
          [publicKey, digest, signature]
            .map((bytes) => Buffer.from(bytes).toString('latin1'))
            .join(),
          () => env.verify(publicKey, digest, signature)
        )
    })
    if (
      channel.stage === 'established' &&
      next.stage !== 'established' &&
      !key.startsWith('funding-lost')
    ) {
      throw new Error(`a channel with money became ${next.stage}`)
    }
    const outcome = {
      next: this.numberOf({
        channel: next,
        log: written.length === 0 ? log : [...log, ...written]
      }),
      effects
    }
    this.#steps.set(known, outcome)
    return outcome
  }
}

function remembered<T>(memory: Map<string, T>, key: string, work: () => T): T {
  const known = memory.get(key)
  if (known !== undefined) return known
  const value = work()
  memory.set(key, value)
  return value
}

interface Posted {
  readonly key: string
  readonly event: () => ChannelEvent
  /** What blocks take, as the side believes; the market's where undefined. */
  readonly estimate?: FeeRate
}

/** What a dear close leaves its asker, in satoshis. */
const DEAR_LEFT = 1_000n

/** As often as a story needs: after each of two accidents, and once more. */
const DIALS = 3

/** Blocks before L at which the server of a one-way channel publishes; the window of its race. */
const SETTLE_MARGIN = 9
/** From the block of T1 to L: as short as the margins of a channel let it be. */
const BLOCKS = { oneWay: 40, twoWay: 75 }

const POLICY = { settleMargin: blockDelta(SETTLE_MARGIN), minBlocks: blockDelta(30) }

function beginningOf(channel: Channel): Beginning {
  if (channel.stage === 'established') return channel
  assert.ok(channel.stage === 'refund-requested')
  return { ...channel, ledger: NEW_LEDGER }
}

/** What a channel begins with, whether its T1 is out or not. */
export type Beginning = Pick<Established, 'terms' | 'outPoint' | 'ledger' | 'fundingTx'>

/** A small channel that is open. */
export function openedFor({ step }: Pick<Story, 'step'>): Opened {
  return new Opened({
    capacity: CAPACITY,
    blocks: step === undefined ? BLOCKS.oneWay : BLOCKS.twoWay,
    ...(step === undefined ? {} : { step }),
    policy: POLICY
  }).open()
}

export class Machine {
  readonly nodes: Readonly<Record<Role, Side>>
  readonly sides: Sides
  readonly spends: Transactions
  readonly first: World
  readonly beginning: Beginning
  #isKept = false
  /** Events that wait behind one that a side is busy with. */
  readonly #busy: Partial<Record<Role, Posted[]>> = {}

  constructor(
    readonly story: Story,
    opened = openedFor(story)
  ) {
    const { client, server } = opened
    this.nodes = { client, server }
    this.sides = new Sides(this.nodes)
    this.beginning = beginningOf(client.channel)
    this.spends = new Transactions(this.beginning, this.nodes)
    for (const role of ROLES) {
      for (const state of statesHeldBy(this.nodes[role].channel)) this.spends.learn(state)
    }
    const [forClient, forServer] = ROLES.map((role) =>
      opened.queues[role].map((message) =>
        message === 'end' ? END : this.sides.messageNumber(message)
      )
    )
    const side = {
      client: this.sides.numberOf({ channel: client.channel, log: [] }),
      server: this.sides.numberOf({ channel: server.channel, log: [] })
    }
    this.first = {
      side,
      up: { client: true, server: true },
      linked: { client: true, server: true },
      queue: { client: forClient ?? [], server: forServer ?? [] },
      asked: { client: 0, server: 0 },
      told: { client: [], server: [] },
      height: opened.chain.height,
      fundingHeight:
        client.channel.stage === 'established'
          ? (client.channel.onChain.fundingHeight ?? UNSEEN)
          : UNSEEN,
      mempool: NONE,
      mined: NONE,
      minedAt: NONE,
      lie: NONE,
      blinks: false,
      manner: 'honest',
      congested: false,
      starved: false,
      known:
        story.adversary === undefined
          ? []
          : statesHeldBy(this.nodes[story.adversary].channel).map((state) =>
              this.spends.learn(state)
            ),
      closes: [],
      dears: story.dears ?? 0,
      dearest: 0n,
      dials: DIALS,
      copy: { ...side },
      lost: { client: NONE, server: NONE },
      left: [],
      shown: { client: '', server: '' }
    }
    for (const role of ROLES) {
      for (const message of opened.queues[role]) {
        if (message !== 'end' && message.type === 'Update') {
          this.#learn(this.first, otherRole(role), message)
        }
      }
    }
  }

  /** @throws when T1 has not left the client yet, or will never be */
  channel(w: World, role: Role): Established {
    const channel = this.anyChannel(w, role)
    if (channel.stage !== 'established') throw new Error(`the ${role} is at ${channel.stage}`)
    return channel
  }

  anyChannel(w: World, role: Role): Channel {
    return this.sides.state(w.side[role]).channel
  }
  isHonest(role: Role): boolean {
    return role !== this.story.adversary
  }
  /** Whether the machine of a side runs: an adversary that acts by hand has stopped its own. */
  runs(w: World, role: Role): boolean {
    return w.up[role] && w.side[role] !== NONE
  }
  /** The channel of a side whose machine runs and has money in it. */
  open(w: World, role: Role): Established | undefined {
    const channel = w.side[role] === NONE ? undefined : this.anyChannel(w, role)
    return channel?.stage === 'established' ? channel : undefined
  }

  payment(role: Role, at: number): Payment {
    const id = new Uint8Array(16)
    id[0] = role === 'client' ? 1 : 2
    id[15] = at
    return { id, amount: this.story.payments[role][at] ?? 0n, memo: '' }
  }

  // ------------------------------------------------------------------------------------- nodes

  /**
   * An event, and all that a node does by itself because of it. `crash`: the process dies after its
   * first write, before any effect.
   */
  post(
    w: World,
    role: Role,
    key: string,
    event: ChannelEvent | (() => ChannelEvent),
    crash = false,
    estimate?: FeeRate
  ): void {
    const posted: Posted = {
      key,
      event: typeof event === 'function' ? event : () => event,
      ...(estimate === undefined ? {} : { estimate })
    }
    // Another channel of this side tells it something while it is at work.
    const behind = this.#busy[role]
    if (behind !== undefined) {
      behind.push(posted)
      return
    }
    const waiting = [posted]
    this.#busy[role] = waiting
    this.#work(w, role, waiting, crash)
    delete this.#busy[role]
  }

  #work(w: World, role: Role, waiting: Posted[], crash: boolean): void {
    for (
      let next = waiting.shift();
      next !== undefined && this.runs(w, role);
      next = waiting.shift()
    ) {
      const { next: state, effects } = this.sides.step(
        role,
        w.side[role],
        next.key,
        next.event,
        w.height,
        w.congested,
        next.estimate
      )
      w.side[role] = state
      if (crash) return this.die(w, role)
      for (const effect of effects) this.#perform(w, role, effect, waiting)
      if (waiting.length === 0 && grantDue(this.anyChannel(w, role), false)) {
        waiting.push({ key: 'grant', event: () => ({ type: 'grant-turn' }) })
      }
    }
  }

  #perform(w: World, role: Role, effect: Effect, waiting: Posted[]): void {
    switch (effect.type) {
      case 'send':
        return this.#send(w, role, this.sides.messageNumber(effect.message))
      case 'send-with-payments': {
        const { message, after } = effect
        const payments = this.sides
          .state(w.side[role])
          .log.filter(({ sequence }) => sequence > after && sequence <= message.sequence)
          .flatMap(({ payments }) => payments)
        return this.#send(
          w,
          role,
          this.sides.messageNumber({ ...message, payments, paymentsAfter: after })
        )
      }
      case 'hang-up': {
        if (!w.linked[role]) return
        w.linked[role] = false
        w.queue[role] = []
        if (w.side[otherRole(role)] !== NONE) {
          w.queue[otherRole(role)] = [...w.queue[otherRole(role)], END]
        }
        waiting.push({
          key: 'down',
          event: () => ({ type: 'disconnected', reason: 'ended by this node' })
        })
        break
      }
      case 'broadcast': {
        const { purpose, raw } = effect
        if (purpose === 'funding') return this.fund(w, role, raw)
        const number = this.spends.numberOf(raw)
        this.#learnClose(w, number)
        const isKept = this.#isKept && purpose === 'close'
        const refusal = isKept
          ? undefined
          : this.enter(w, number, this.isHonest(role) ? undefined : role)
        const manner = this.isHonest(role) ? w.manner : 'honest'
        const { txid } = this.spends.spend(number)
        waiting.push({
          key: `answer ${purpose} ${number} ${refusal ?? ''} ${manner}`,
          event: () => answerTo(purpose, txid, refusal, manner)
        })
        break
      }
      case 'payments-acknowledged': {
        const numbers = effect.payments.map(({ id }) => id[15] ?? 0)
        w.told[role] = [...new Set([...w.told[role], ...numbers])].sort((a, b) => a - b)
        break
      }
      case 'tell':
        return this.tell(role, effect.event)
      default: // for people, callers and the wallet
    }
  }

  /** T1 is out before any story begins, except that of a renewal. */
  protected fund(_w: World, _role: Role, _raw: Uint8Array): void {}

  /** To another channel of the same side. */
  protected tell(_role: Role, event: RenewalEvent): void {
    throw new Error(`there is no other channel to be told of ${event.type}`)
  }

  /** A message has left a side: whatever it signs is in the other's hands. */
  protected onSent(_from: Role, _message: Message): void {}

  #send(w: World, from: Role, message: number): void {
    const to = otherRole(from)
    const sent = this.sides.message(message)
    if (sent.type === 'Update') this.#learn(w, from, sent)
    this.onSent(from, sent)
    if (w.linked[from] && w.side[to] !== NONE) w.queue[to] = [...w.queue[to], message]
  }

  /**
   * What an honest payer has signed is in the adversary's hands from then on, whether its node has
   * handled it or not.
   */
  #learn(
    w: World,
    from: Role,
    {
      turn,
      sequence,
      payerBalance,
      signature
    }: {
      readonly turn: number
      readonly sequence: number
      readonly payerBalance: bigint
      readonly signature: Uint8Array
    }
  ): void {
    const number = this.spends.learn({ turn, sequence, payerBalance, signature })
    if (this.story.adversary === otherRole(from) && !w.known.includes(number)) {
      w.known = [...w.known, number].sort((a, b) => a - b)
    }
  }

  /** Whoever runs a server, or sees the mempools, has each close that is sent. */
  #learnClose(w: World, number: number): void {
    if (
      (this.story.dears ?? 0) > 0 &&
      this.spends.spend(number).kind === 'close' &&
      !w.closes.includes(number)
    ) {
      w.closes = [...w.closes, number].sort((a, b) => a - b)
    }
  }

  /**
   * The adversary asks for a close that leaves it next to nothing. The other side pays no fee of
   * it (CLOSE-3), and signs.
   */
  askDear(w: World, role: Role): void {
    const { terms, ledger } = this.channel(w, role)
    const share = balances(terms, ledger)[role]
    const vsize = closeVsize(terms.client.closeScript, terms.server.closeScript)
    const estimate = feeRate(((share - DEAR_LEFT) * 10_000n) / 11n / BigInt(vsize))
    this.post(w, role, `dear ${estimate}`, { type: 'close' }, false, estimate)
  }

  /** What it sends reaches the lying server alone: the honest one does not answer for a moment. */
  deliverKept(w: World, to: Role): void {
    this.#isKept = true
    this.deliver(w, to)
    this.#isKept = false
  }

  protected die(w: World, role: Role): void {
    w.up[role] = false
    this.disconnect(w)
  }

  /** The stream breaks: what is on its way is lost. */
  disconnect(w: World): void {
    for (const role of ROLES) {
      w.queue[role] = []
      const wasLinked = w.linked[role]
      w.linked[role] = false
      if (wasLinked) {
        this.post(w, role, 'down', { type: 'disconnected', reason: 'the stream broke' })
      }
    }
  }

  /** The next message to a side. */
  deliver(w: World, to: Role, crash = false): void {
    const [message, ...rest] = w.queue[to]
    if (message === undefined) return
    w.queue[to] = rest
    if (message === END) {
      if (!w.linked[to]) return
      w.linked[to] = false
      w.queue[to] = []
      this.post(w, to, 'down', { type: 'disconnected', reason: '' }, crash)
      return
    }
    const said = this.sides.message(message)
    if (said.type === 'Reestablish' && to === 'server' && this.runs(w, 'server')) {
      w.linked.server = true
    }
    if (w.linked[to]) {
      this.post(
        w,
        to,
        `message ${message}`,
        () =>
          said.type === 'Update'
            ? { type: 'updates', updates: [said] }
            : { type: 'message', message: said },
        crash
      )
    }
  }

  /** The process is started again. */
  restart(w: World, role: Role): void {
    w.up[role] = true
    w.shown[role] = ''
    this.post(w, role, 'down', { type: 'disconnected', reason: 'this node was restarted' })
    this.show(w, role)
    this.post(w, role, 'tip', { type: 'tip' })
  }

  /** The adversary stops its node, and acts by hand. */
  quit(w: World): void {
    const { adversary } = this.story
    if (adversary === undefined || w.side[adversary] === NONE) return
    w.side[adversary] = NONE
    this.disconnect(w)
  }

  // ------------------------------------------------------------------------------------- chain

  /** A transaction reaches the honest mempools. Returns why they refuse it. */
  enter(w: World, number: number, adversary: Role | undefined): Refusal | undefined {
    const spend = this.spends.spend(number)
    if (w.mined === number || w.mempool === number) return undefined
    if (w.mined !== NONE || spend.extra === 'phantom') return 'missing-inputs'
    if (spend.lock > w.height) return 'non-final'
    if (spend.fee < BigInt(spend.vsize)) return 'fee-too-low'
    const rival = w.mempool === NONE ? undefined : this.spends.spend(w.mempool)
    // BIP125 rules 4 and 6: more by the incremental fee, and a higher rate.
    if (
      rival !== undefined &&
      (spend.fee < rival.fee + BigInt(spend.vsize) ||
        spend.fee * BigInt(rival.vsize) <= rival.fee * BigInt(spend.vsize))
    ) {
      return 'insufficient-fee'
    }
    w.mempool = number
    if (adversary !== undefined && spend.kind !== 'close' && spend.fee > w.dearest) {
      w.dearest = spend.fee
    }
    return undefined
  }

  /** Whether honest mempools would take it. */
  wouldEnter(w: World, number: number): boolean {
    return Machine.prototype.enter.call(this, copyOf(w), number, undefined) === undefined
  }

  /** A block. `direct`: a miner takes this transaction, whoever else has one. */
  mine(w: World, direct?: number): void {
    this.dig(w, direct)
    this.look(w)
  }

  /** What a block takes of this channel; nobody has been told yet. */
  dig(w: World, direct?: number): void {
    w.height += 1
    const taken = direct ?? w.mempool
    if (
      w.mined === NONE &&
      taken !== NONE &&
      w.fundingHeight >= 0 &&
      (direct !== undefined || this.#isWorthABlock(w, this.spends.spend(taken)))
    ) {
      this.confirm(w, taken)
    }
    if (w.fundingHeight === NONE) w.fundingHeight = w.height
  }

  confirm(w: World, spend: number): void {
    Object.assign(w, { mined: spend, minedAt: w.height, mempool: NONE, lie: NONE })
  }

  #isWorthABlock({ congested, starved }: World, { fee, vsize, extra }: Spend): boolean {
    const takes = starved ? STARVED : MARKET[congested ? 'congested' : 'quiet'].takes
    return extra === 'none' && fee * 1_000n >= takes * BigInt(vsize)
  }

  /**
   * The last blocks are replaced by one more, all empty; what they held waits in the mempool again.
   */
  reorg(w: World, depth: number): void {
    this.undo(w, depth)
    this.look(w)
  }

  undo(w: World, depth: number): void {
    if (w.mined !== NONE && w.minedAt > w.height - depth) {
      w.mempool = w.mined
      w.mined = NONE
      w.minedAt = NONE
    }
    if (w.fundingHeight > w.height - depth) w.fundingHeight = NONE
    w.height += 1
  }

  /** Every node that runs is told what the chain shows, and that there is a new tip. */
  look(w: World): void {
    for (const role of ROLES) {
      if (!this.runs(w, role)) continue
      if (w.blinks) this.show(w, role, true)
      this.show(w, role)
      this.post(w, role, 'tip', { type: 'tip' })
      if (w.blinks) this.show(w, role, true)
    }
    this.settle(w)
  }

  /** Until nobody's broadcast is news to anybody. */
  settle(w: World): void {
    let before = ''
    for (let rounds = 0; before !== `${w.mempool} ${w.mined}`; rounds++) {
      assert.ok(rounds < 100, 'two nodes outbid each other without end')
      before = `${w.mempool} ${w.mined}`
      for (const role of ROLES) if (this.runs(w, role)) this.show(w, role)
    }
  }

  /** T1 as servers show it. */
  protected t1(_w: World): Uint8Array {
    return this.beginning.fundingTx
  }

  /** `isHidden`: the lying server shows nothing of its own at this moment. */
  show(w: World, role: Role, isHidden = false): void {
    // The adversary knows what its own server makes up.
    const lie = this.isHonest(role) && !isHidden ? w.lie : NONE
    const manner = this.isHonest(role) ? w.manner : 'honest'
    const key = `history ${w.fundingHeight} ${w.mempool} ${w.mined} ${w.minedAt} ${lie} ${manner}`
    if (w.shown[role] === key) return
    w.shown[role] = key
    this.post(w, role, key, () => ({
      type: 'history',
      history: historyOf({
        funding:
          w.fundingHeight === UNSEEN ? undefined : { raw: this.t1(w), height: w.fundingHeight },
        honest:
          w.mined !== NONE
            ? { spend: this.spends.spend(w.mined), height: w.minedAt }
            : w.mempool === NONE
              ? undefined
              : { spend: this.spends.spend(w.mempool), height: undefined },
        lie: lie === NONE ? undefined : this.spends.spend(lie),
        manner
      })
    }))
  }
}

/**
 * Satoshis that an honest side may lose beside what outbidding a real transaction takes: a normal
 * bid when blocks are full (10 sat/vB for 181 vB), overshot twice. In a window of only 9 blocks a
 * bid is multiplied by up to 3.5 from one block to the next; congestion and a reorganisation cost
 * one such step each. That is 2.2 % of the channel.
 */
export const BOUNDED_FEE = 22_000n
