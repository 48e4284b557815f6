/**
 * What happens to a world: events reach the two nodes, effects are performed, blocks come. Works on a
 * copy that may be changed; a world at rest has told every node that runs all that the chain shows.
 */
import assert from 'node:assert/strict'
import type { Payment } from '../../protocols/paychan/1.0/index.js'
import { otherRole, type Role } from '../../src/bitcoin/keys.js'
import type { Effect } from '../../src/channel/effects.js'
import type { ChannelEvent } from '../../src/channel/events.js'
import type { Established } from '../../src/channel/state.js'
import { grantDue } from '../../src/channel/turns.js'
import { blockDelta } from '../../src/types/units.js'
import type { Side } from '../channel/side.js'
import { World as Opened } from '../channel/world.js'
import { answerTo, historyOf, MARKET, type Refusal } from './adapter.js'
import { Sides } from './sides.js'
import type { Story } from './stories.js'
import { CAPACITY, statesHeldBy, Transactions, type Spend } from './transactions.js'
import { END, NONE, ROLES, type World } from './world.js'

interface Posted { readonly key: string, readonly event: () => ChannelEvent }

/** As often as a story needs: after each of two accidents, and once more. */
const DIALS = 3

/** Blocks before L at which the server of a one-way channel publishes; the window of its race. */
const SETTLE_MARGIN = 9
/** From the block of T1 to L: as short as the margins of a channel let it be. */
const BLOCKS = { oneWay: 40, twoWay: 75 }

export class Machine {
  readonly nodes: Readonly<Record<Role, Side>>
  readonly sides: Sides
  readonly spends: Transactions
  readonly first: World
  readonly beginning: Established

  constructor (readonly story: Story) {
    const opened = new Opened({
      capacity: CAPACITY,
      blocks: story.step === undefined ? BLOCKS.oneWay : BLOCKS.twoWay,
      ...story.step === undefined ? {} : { step: story.step },
      policy: { settleMargin: blockDelta(SETTLE_MARGIN), minBlocks: blockDelta(30) }
    }).open()
    this.nodes = { client: opened.client, server: opened.server }
    this.sides = new Sides(this.nodes)
    const { client, server } = this.nodes
    this.beginning = client.established
    this.spends = new Transactions(this.beginning, this.nodes)
    for (const role of ROLES) for (const state of statesHeldBy(this.nodes[role].established)) this.spends.learn(state)
    const { fundingHeight } = this.beginning.onChain
    assert.ok(fundingHeight !== undefined)
    this.first = {
      side: { client: this.sides.numberOf({ channel: client.established, log: [] }), server: this.sides.numberOf({ channel: server.established, log: [] }) },
      up: { client: true, server: true },
      linked: { client: true, server: true },
      queue: { client: [], server: [] },
      asked: { client: 0, server: 0 },
      told: { client: [], server: [] },
      height: opened.chain.height,
      fundingHeight,
      mempool: NONE,
      mined: NONE,
      minedAt: NONE,
      lie: NONE,
      manner: 'honest',
      congested: false,
      known: story.adversary === undefined ? [] : statesHeldBy(this.nodes[story.adversary].established).map((state) => this.spends.learn(state)),
      dearest: 0n,
      dials: DIALS,
      left: [],
      shown: { client: '', server: '' }
    }
    this.settle(this.first)
  }

  channel (w: World, role: Role): Established { return this.sides.state(w.side[role]).channel }
  isHonest (role: Role): boolean { return role !== this.story.adversary }
  /** Whether the machine of a side runs: an adversary that acts by hand has stopped its own. */
  runs (w: World, role: Role): boolean { return w.up[role] && w.side[role] !== NONE }

  payment (role: Role, at: number): Payment {
    const id = new Uint8Array(16)
    id[0] = role === 'client' ? 1 : 2
    id[15] = at
    return { id, amount: this.story.payments[role][at] ?? 0n, memo: '' }
  }

  // ------------------------------------------------------------------------------------- nodes

  /** An event, and all that a node does by itself because of it. `crash`: the process dies after its first write, before any effect. */
  post (w: World, role: Role, key: string, event: ChannelEvent | (() => ChannelEvent), crash = false): void {
    const waiting: Posted[] = [{ key, event: typeof event === 'function' ? event : () => event }]
    for (let next = waiting.shift(); next !== undefined && this.runs(w, role); next = waiting.shift()) {
      const { next: state, effects } = this.sides.step(role, w.side[role], next.key, next.event, w.height, w.congested)
      w.side[role] = state
      if (crash) return this.#die(w, role)
      for (const effect of effects) this.#perform(w, role, effect, waiting)
      if (waiting.length === 0 && grantDue(this.channel(w, role), false)) waiting.push({ key: 'grant', event: () => ({ type: 'grant-turn' }) })
    }
  }

  #perform (w: World, role: Role, effect: Effect, waiting: Posted[]): void {
    switch (effect.type) {
      case 'send': return this.#send(w, role, this.sides.messageNumber(effect.message))
      case 'send-with-payments': {
        const { message, after } = effect
        const payments = this.sides.state(w.side[role]).log.filter(({ sequence }) => sequence > after && sequence <= message.sequence).flatMap(({ payments }) => payments)
        return this.#send(w, role, this.sides.messageNumber({ ...message, payments, paymentsAfter: after }))
      }
      case 'hang-up': {
        if (!w.linked[role]) return
        w.linked[role] = false
        w.queue[role] = []
        if (w.side[otherRole(role)] !== NONE) w.queue[otherRole(role)] = [...w.queue[otherRole(role)], END]
        waiting.push({ key: 'down', event: () => ({ type: 'disconnected', reason: 'ended by this node' }) })
        break
      }
      case 'broadcast': {
        const { purpose, raw } = effect
        if (purpose === 'funding') return
        const number = this.spends.numberOf(raw)
        const refusal = this.enter(w, number, this.isHonest(role) ? undefined : role)
        const manner = this.isHonest(role) ? w.manner : 'honest'
        const { txid } = this.spends.spend(number)
        waiting.push({ key: `answer ${purpose} ${number} ${refusal ?? ''} ${manner}`, event: () => answerTo(purpose, txid, refusal, manner) })
        break
      }
      case 'payments-acknowledged': {
        const numbers = effect.payments.map(({ id }) => id[15] ?? 0)
        w.told[role] = [...new Set([...w.told[role], ...numbers])].sort((a, b) => a - b)
        break
      }
      default: // for people, callers and the wallet
    }
  }

  #send (w: World, from: Role, message: number): void {
    const to = otherRole(from)
    const sent = this.sides.message(message)
    if (sent.type === 'Update') this.#learn(w, from, sent)
    if (w.linked[from] && w.side[to] !== NONE) w.queue[to] = [...w.queue[to], message]
  }

  /** What an honest payer has signed is in the adversary's hands from then on, whether its node has handled it or not. */
  #learn (w: World, from: Role, { turn, sequence, payerBalance, signature }: { readonly turn: number, readonly sequence: number, readonly payerBalance: bigint, readonly signature: Uint8Array }): void {
    const number = this.spends.learn({ turn, sequence, payerBalance, signature })
    if (this.story.adversary === otherRole(from) && !w.known.includes(number)) w.known = [...w.known, number].sort((a, b) => a - b)
  }

  #die (w: World, role: Role): void {
    w.up[role] = false
    this.disconnect(w)
  }

  /** The stream breaks: what is on its way is lost. */
  disconnect (w: World): void {
    for (const role of ROLES) {
      w.queue[role] = []
      const wasLinked = w.linked[role]
      w.linked[role] = false
      if (wasLinked) this.post(w, role, 'down', { type: 'disconnected', reason: 'the stream broke' })
    }
  }

  /** The next message to a side. */
  deliver (w: World, to: Role, crash = false): void {
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
    if (said.type === 'Reestablish' && to === 'server') w.linked.server = true
    if (w.linked[to]) this.post(w, to, `message ${message}`, () => said.type === 'Update' ? { type: 'updates', updates: [said] } : { type: 'message', message: said }, crash)
  }

  /** The process is started again. */
  restart (w: World, role: Role): void {
    w.up[role] = true
    w.shown[role] = ''
    this.post(w, role, 'down', { type: 'disconnected', reason: 'this node was restarted' })
    this.#show(w, role)
    this.post(w, role, 'tip', { type: 'tip' })
  }

  /** The adversary stops its node, and acts by hand. */
  quit (w: World): void {
    const { adversary } = this.story
    if (adversary === undefined || w.side[adversary] === NONE) return
    w.side[adversary] = NONE
    this.disconnect(w)
  }

  // ------------------------------------------------------------------------------------- chain

  /** A transaction reaches the honest mempools. Returns why they refuse it. */
  enter (w: World, number: number, adversary: Role | undefined): Refusal | undefined {
    const spend = this.spends.spend(number)
    if (w.mined === number || w.mempool === number) return undefined
    if (w.mined !== NONE || spend.extra === 'phantom') return 'missing-inputs'
    if (spend.lock > w.height) return 'non-final'
    if (spend.fee < BigInt(spend.vsize)) return 'fee-too-low'
    const rival = w.mempool === NONE ? undefined : this.spends.spend(w.mempool)
    // BIP125 rules 4 and 6: more by the incremental fee, and a higher rate.
    if (rival !== undefined && (spend.fee < rival.fee + BigInt(spend.vsize) || spend.fee * BigInt(rival.vsize) <= rival.fee * BigInt(spend.vsize))) return 'insufficient-fee'
    w.mempool = number
    if (adversary !== undefined && spend.fee > w.dearest) w.dearest = spend.fee
    return undefined
  }

  /** A block. `direct`: a miner takes this transaction, whoever else has one. */
  mine (w: World, direct?: number): void {
    w.height += 1
    const taken = direct ?? w.mempool
    if (w.mined === NONE && taken !== NONE && w.fundingHeight !== NONE && (direct !== undefined || this.#isWorthABlock(w, this.spends.spend(taken)))) {
      w.mined = taken
      w.minedAt = w.height
      w.mempool = NONE
      w.lie = NONE
    }
    if (w.fundingHeight === NONE) w.fundingHeight = w.height
    this.look(w)
  }

  #isWorthABlock ({ congested }: World, { fee, vsize, extra }: Spend): boolean {
    return extra === 'none' && fee * 1_000n >= MARKET[congested ? 'congested' : 'quiet'].takes * BigInt(vsize)
  }

  /** The last blocks are replaced by one more, all empty; what they held waits in the mempool again. */
  reorg (w: World, depth: number): void {
    if (w.mined !== NONE && w.minedAt > w.height - depth) {
      w.mempool = w.mined
      w.mined = NONE
      w.minedAt = NONE
    }
    if (w.fundingHeight > w.height - depth) w.fundingHeight = NONE
    w.height += 1
    this.look(w)
  }

  /** Every node that runs is told what the chain shows, and that there is a new tip. */
  look (w: World): void {
    for (const role of ROLES) {
      if (!this.runs(w, role)) continue
      this.#show(w, role)
      this.post(w, role, 'tip', { type: 'tip' })
    }
    this.settle(w)
  }

  /** Until nobody's broadcast is news to anybody. */
  settle (w: World): void {
    let before = ''
    for (let rounds = 0; before !== `${w.mempool} ${w.mined}`; rounds++) {
      assert.ok(rounds < 100, 'two nodes outbid each other without end')
      before = `${w.mempool} ${w.mined}`
      for (const role of ROLES) if (this.runs(w, role)) this.#show(w, role)
    }
  }

  #show (w: World, role: Role): void {
    // The adversary knows what its own server makes up.
    const lie = this.isHonest(role) ? w.lie : NONE
    const manner = this.isHonest(role) ? w.manner : 'honest'
    const key = `history ${w.fundingHeight} ${w.mempool} ${w.mined} ${w.minedAt} ${lie} ${manner}`
    if (w.shown[role] === key) return
    w.shown[role] = key
    this.post(w, role, key, () => ({
      type: 'history',
      history: historyOf({
        funding: { raw: this.beginning.fundingTx, height: w.fundingHeight },
        honest: w.mined !== NONE ? { spend: this.spends.spend(w.mined), height: w.minedAt } : w.mempool === NONE ? undefined : { spend: this.spends.spend(w.mempool), height: undefined },
        lie: lie === NONE ? undefined : this.spends.spend(lie),
        manner
      })
    }))
  }
}

/**
 * Satoshis that an honest side may lose beside what outbidding a real transaction takes: a normal bid when blocks are full (10 sat/vB for
 * 181 vB), overshot twice. In a window of only 9 blocks a bid is multiplied by up to 3.5 from one block to the next; congestion and a
 * reorganisation cost one such step each. That is 2.2 % of the channel.
 */
export const BOUNDED_FEE = 22_000n
