/** All that may happen next, each as a line of text that plays it again. */
import type { ChannelRecord } from '../../protocols/paychan/1.0/index.js'
import { otherRole, type Role } from '../../src/bitcoin/keys.js'
import { payableNow } from '../../src/channel/paying.js'
import { newestHeld } from '../../src/channel/publishable.js'
import { adoptRecord, recordOf } from '../../src/channel/restoring.js'
import { lastPaymentHeightOf, lockOf, publishHeightOf } from '../../src/channel/schedule.js'
import { deadlineOf } from '../../src/channel/stakes.js'
import type { Established } from '../../src/channel/state.js'
import { turnNeed } from '../../src/channel/turns.js'
import { Violation } from '../../src/channel/violation.js'
import { satoshi } from '../../src/types/units.js'
import {
  copyOf,
  envOf,
  left,
  type Manner,
  NONE,
  ROLES,
  spendBudget,
  UNSEEN,
  type World
} from './world.js'
import type { Machine } from './machine.js'
import type { Completion } from './transactions.js'

/*
 * A side that has lost its disk: it goes back to an old copy, or has its seed and takes what the
 * peer names (RESTORE-4 to RESTORE-6).
 */

/** What a peer names when it keeps nothing to itself. */
const ALL = 'all'

class Losing {
  readonly #machine: Machine

  constructor(machine: Machine) {
    this.#machine = machine
  }

  /** The process starts again on an old copy of its disk. */
  goBack(w: World, role: Role): void {
    this.#begin(w, role, w.copy[role])
  }

  /** From the seed alone: the channel as the peer hands it back. */
  handBack(w: World, role: Role, name = ALL): void {
    const channel = this.#adopted(w, role, name)
    if (channel === undefined) throw new Error(`the peer cannot name ${name}`)
    this.#begin(w, role, this.#machine.sides.numberOf({ channel, log: [] }))
  }

  /** What the peer names of a channel that is not on the disk to which a side has gone back. */
  takeBack(w: World, role: Role): void {
    const channel = this.#adopted(w, role, ALL)
    if (channel === undefined) throw new Error('the peer does not have the channel')
    w.side[role] = this.#machine.sides.numberOf({ channel, log: [] })
    this.#machine.restart(w, role)
  }

  mayTakeBack(w: World, role: Role): boolean {
    return (
      w.up[role] &&
      w.side[role] === NONE &&
      w.lost[role] !== NONE &&
      this.named(w, role).includes(ALL)
    )
  }

  #begin(w: World, role: Role, state: number): void {
    this.#machine.disconnect(w)
    w.lost[role] = w.side[role]
    w.side[role] = state
    this.#machine.restart(w, role)
  }

  /** The newest states that the peer may name, and prove: an honest one names the true one. */
  named(w: World, role: Role): string[] {
    const peer = otherRole(role)
    if (!this.#machine.runs(w, peer) || this.#machine.open(w, peer) === undefined) return []
    const older = this.#machine.isHonest(peer)
      ? []
      : this.#machine.spends.states
          .filter(({ turn }) => turn !== 'refund')
          .map(({ turn, sequence }) => `${turn}/${sequence}`)
    return [ALL, ...older].filter((name) => this.#adopted(w, role, name) !== undefined)
  }

  #adopted(w: World, role: Role, name: string): Established | undefined {
    const machine = this.#machine
    const peer = otherRole(role)
    const record = recordOf(machine.channel(w, peer), envOf(machine.nodes[peer], w.height, false))
    const said = record && this.#said(record, name)
    if (said === undefined) return undefined
    const known = w.side[role] === NONE ? w.lost[role] : w.side[role]
    const { keys, address, peer: from } = machine.sides.state(known).channel
    const env = {
      ...envOf(machine.nodes[role], w.height, false),
      isKnownKey: () => false,
      isKnownOutPoint: () => false
    }
    try {
      return adoptRecord(said, { role, keys, peer: from, address, network: 'regtest' }, env).state
    } catch (error) {
      if (error instanceof Violation) return undefined
      throw error
    }
  }

  /** The record with one state as the newest; undefined when it names the true one anyway. */
  #said(record: ChannelRecord, name: string): ChannelRecord | undefined {
    if (name === ALL) return record
    const state = this.#machine.spends.states.find(
      ({ turn, sequence }) => name === `${turn}/${sequence}`
    )
    if (state === undefined || state.turn === 'refund') return undefined
    const before = record.states[state.turn]
    if (
      before === undefined ||
      (state.turn === record.states.length - 1 && state.sequence >= before.sequence)
    ) {
      return undefined
    }
    return {
      ...record,
      states: [
        ...record.states.slice(0, state.turn),
        {
          sequence: state.sequence,
          payerBalance: satoshi(state.payerBalance),
          signature: state.signature
        }
      ]
    }
  }
}

/** Blocks after which a spend is final (FINAL_DEPTH), and no story goes on. */
const FINAL = 6

const MANNERS: readonly Manner[] = ['hides', 'refuses', 'asks for more', 'takes all']
/** What is put into honest mempools, and what is shown without being there. */
const SENT: readonly Completion[] = [
  { fee: 'low', extra: 'none', gift: false },
  { fee: 'market', extra: 'none', gift: true },
  { fee: 'market', extra: 'none', gift: false },
  { fee: 'huge', extra: 'none', gift: false }
]
/** In a mempool, and in no block as long as the parent pays too little. */
const PINNED: readonly Completion[] = [
  { fee: 'market', extra: 'parent', gift: false },
  { fee: 'huge', extra: 'parent', gift: false }
]
const SHOWN: readonly Completion[] = [
  { fee: 'market', extra: 'none', gift: false },
  { fee: 'huge', extra: 'none', gift: false },
  { fee: 'market', extra: 'phantom', gift: false },
  { fee: 'huge', extra: 'parent', gift: false }
]
/** A state that pays nearly all of its share to miners. */
const DEAR: readonly Completion[] = [{ fee: 'huge', extra: 'none', gift: false }]
const MINED: readonly Completion[] = [
  { fee: 'low', extra: 'none', gift: false },
  { fee: 'low', extra: 'none', gift: true }
]

export class Moves {
  /** Heights between which nothing changes by itself. */
  readonly heights: readonly number[]

  readonly losing: Losing

  constructor(readonly machine: Machine) {
    this.losing = new Losing(machine)
    const { terms } = machine.beginning
    const L = terms.refundHeight
    const turns = terms.mode === 'one-way' ? [0] : [0, 1, 2]
    const heights = turns.flatMap((turn) => [
      lastPaymentHeightOf(terms, turn) + 6,
      publishHeightOf(terms, turn) - 1,
      publishHeightOf(terms, turn)
    ])
    this.heights = [...new Set([...heights, L - 1, L, L + 1, L + 145])]
      .filter((height) => height > machine.first.height)
      .sort((a, b) => a - b)
  }

  /** The world with the bounds of a story, after its prologue. */
  begin(bounds: World['left']): World {
    const first = copyOf(this.machine.first)
    this.machine.settle(first)
    const w = this.machine.story.prologue.reduce((world, move) => this.apply(world, move), first)
    return { ...w, left: bounds }
  }

  /** Whether the story is over. */
  isOver(w: World): boolean {
    return w.mined === NONE
      ? w.height > (this.heights.at(-1) ?? 0) + FINAL
      : w.height - w.minedAt + 1 >= FINAL
  }

  list(w: World): string[] {
    if (this.isOver(w)) return []
    return [
      ...this.talk(w),
      ...this.#accidents(w),
      ...this.#losses(w),
      ...this.#blocks(w),
      ...this.lies(w),
      ...this.attacks(w)
    ]
  }

  /** What the two sides may say and do on a stream of this channel. */
  talk(w: World): string[] {
    const moves: string[] = []
    const { machine } = this
    for (const role of ROLES) {
      if (!machine.runs(w, role)) continue
      if (w.queue[role].length > 0 && !this.#isTooLate(w, role)) moves.push(`deliver ${role}`)
      const channel = machine.open(w, role)
      if (w.mined !== NONE || channel === undefined) continue
      if (w.asked[role] < machine.story.payments[role].length && channel.link === 'live') {
        const isReady =
          turnNeed(channel) === 'ask' ||
          payableNow(channel, [machine.payment(role, w.asked[role])]) > 0
        if (isReady) moves.push(`pay ${role}`)
      }
      if (left(w, 'closes') > 0 && channel.link === 'live') moves.push(`close ${role}`)
      if (w.dears > 0 && !machine.isHonest(role) && channel.link === 'live') {
        moves.push(`dear ${role}`)
      }
      if (w.dears > 0 && machine.isHonest(role) && w.queue[role].length > 0) {
        moves.push(`deliver-kept ${role}`)
      }
    }
    if (
      w.dials > 0 &&
      machine.runs(w, 'client') &&
      machine.open(w, 'client') !== undefined &&
      machine.runs(w, 'server') &&
      !w.linked.client &&
      w.queue.server.length === 0
    ) {
      moves.push('connect')
    }
    return moves
  }

  #accidents(w: World): string[] {
    const { machine } = this
    const moves: string[] = []
    if (left(w, 'cuts') > 0 && (w.linked.client || w.linked.server)) moves.push('cut')
    for (const role of ROLES) {
      if (!machine.isHonest(role)) continue
      if (left(w, 'lates') > 0 && this.#mayBeLate(w, role)) {
        moves.push(
          `late ${role}`,
          ...(w.up[role] && w.queue[role].length > 0 ? [`deliver-late ${role}`] : [])
        )
      }
      if (!w.up[role]) moves.push(`start ${role}`)
      else if (left(w, 'crashes') > 0 && w.mined === NONE) {
        moves.push(
          `crash ${role}`,
          ...(w.queue[role].length > 0 && !this.#isTooLate(w, role)
            ? [`deliver-crash ${role}`]
            : [])
        )
      }
    }
    return moves
  }

  #blocks(w: World): string[] {
    const moves: string[] = []
    if (!this.missesNothing(w)) return moves
    if (w.mined !== NONE) moves.push('final')
    else if (this.isRace(w)) moves.push('block')
    else if (this.heights.some((height) => height > w.height)) moves.push('wait')
    else moves.push('block')
    if (left(w, 'reorgs') > 0 && this.mayReorg(w)) moves.push('reorg 1', 'reorg 2')
    if (left(w, 'congestions') > 0 && w.mined === NONE && !w.congested && this.isNearRace(w)) {
      moves.push('congest')
    }
    if (w.congested && w.mined === NONE) moves.push('ease')
    return moves
  }

  /** Whoever sleeps is back before its own window begins; that is what it is asked for. */
  missesNothing(w: World): boolean {
    return ROLES.every(
      (role) =>
        w.up[role] ||
        !this.machine.isHonest(role) ||
        w.height < this.#windowOf(this.machine.open(w, role)) - 1
    )
  }

  /**
   * Before its window: whose disk is lost has an old copy of it, or its seed and what the peer
   * names.
   */
  #losses(w: World): string[] {
    if (w.mined !== NONE) return []
    return ROLES.filter(
      (role) =>
        this.machine.isHonest(role) &&
        w.up[role] &&
        this.isBeforeWindow(w, role) &&
        w.lost[role] === NONE
    ).flatMap((role) => [
      ...(left(w, 'copies') > 0 && w.copy[role] !== w.side[role] ? [`copy ${role}`] : []),
      ...(left(w, 'restores') > 0 && w.copy[role] !== w.side[role] ? [`restore ${role}`] : []),
      ...(left(w, 'restores') > 0
        ? this.losing.named(w, role).map((name) => `forget ${role} ${name}`)
        : [])
    ])
  }

  /**
   * What is given back to who has lost it once its window has begun comes too late, and who is to
   * blame for that has no need to be asked.
   */
  #isTooLate(w: World, role: Role): boolean {
    if (this.machine.story.tellsLate === true) return w.lost[role] !== NONE && w.mined !== NONE
    const lost = w.lost[role] === NONE ? undefined : this.machine.sides.state(w.lost[role]).channel
    return lost?.stage === 'established' && w.height >= this.#windowOf(lost) - 1
  }

  /**
   * Whoever sleeps through its window, and is back in the last block of it, has one block left.
   * Nothing may stand in the mempools by then: it would be in a block.
   */
  #mayBeLate(w: World, role: Role): boolean {
    return w.mined === NONE && w.mempool === NONE && w.height < this.#lastBlockOf(w, role)
  }

  /** The last tip at which its state alone can be mined; none for T2, which has time. */
  #lastBlockOf(w: World, role: Role): number {
    const channel = this.machine.open(w, role)
    const held = channel && newestHeld(channel)
    const deadline = channel && held && deadlineOf(channel, held.state)
    return deadline === undefined ? Number.NEGATIVE_INFINITY : deadline - 1
  }

  /** Blocks pass while a side is gone, up to the last one of its window. */
  #sleep(w: World, role: Role): void {
    const { machine } = this
    const until = this.#lastBlockOf(w, role)
    w.up[role] = false
    w.linked[role] = false
    machine.disconnect(w)
    while (w.height < until && w.mined === NONE) machine.mine(w)
    machine.restart(w, role)
  }

  isBeforeWindow(w: World, role: Role): boolean {
    return w.height < this.#windowOf(this.machine.open(w, role)) - 1
  }

  #windowOf(channel: Established | undefined): number {
    const held = channel && newestHeld(channel)
    return channel === undefined || held === undefined
      ? Number.POSITIVE_INFINITY
      : publishHeightOf(channel.terms, held.state)
  }

  isRace(w: World): boolean {
    return (
      w.mempool !== NONE ||
      w.fundingHeight === NONE ||
      ROLES.some(
        (role) =>
          this.machine.runs(w, role) && this.machine.open(w, role)?.publication !== undefined
      )
    )
  }

  /** Congestion counts where somebody publishes. */
  isNearRace(w: World): boolean {
    return (
      this.isRace(w) ||
      ROLES.some(
        (role) =>
          this.machine.runs(w, role) && w.height + 1 >= this.#windowOf(this.machine.open(w, role))
      )
    )
  }

  /**
   * Blocks that took an honest side's transaction are taken back only while its window lasts: what
   * then follows is a race that it may still win.
   */
  mayReorg(w: World): boolean {
    if (w.mined === NONE) return w.height - w.fundingHeight < 2 || w.mempool !== NONE
    const { story } = this.machine
    if (w.height - w.minedAt >= 2) return false
    return story.adversary === undefined || this.#nextThreat(w) > w.height + 3
  }

  /** The first lock from the tip on of what the adversary could publish. */
  #nextThreat(w: World): number {
    const locks = w.known
      .map((number) => lockOf(this.machine.beginning.terms, this.machine.spends.state(number).turn))
      .filter((lock) => lock > w.height - 2)
    return Math.min(Number.POSITIVE_INFINITY, ...locks)
  }

  lies(w: World): string[] {
    if (left(w, 'lies') === 0 || w.mined !== NONE) return []
    const shown = this.#completions(
      w,
      'show',
      SHOWN,
      (number) => number !== w.lie && number !== w.mempool
    )
    // Whom nobody has signed for shows what was in a mempool once.
    return [
      ...MANNERS.filter((manner) => manner !== w.manner).map((manner) => `server ${manner}`),
      ...shown,
      ...this.#dearLies(w)
    ]
  }

  /**
   * With a dear spend, in stories of them: shown, shown as what bids are refused for, or blinking.
   */
  #dearLies(w: World): string[] {
    if (this.machine.story.dears === undefined) return []
    const closes = w.closes.flatMap((number, at) =>
      number === w.mempool
        ? []
        : ['show', 'claim', 'blink']
            .filter((verb) => verb !== 'show' || number !== w.lie)
            .map((verb) => `${verb} close ${at}`)
    )
    const states = ['claim', 'blink'].flatMap((verb) =>
      this.#completions(w, verb, DEAR, (number) => number !== w.mempool)
    )
    return [...closes, ...states]
  }

  /** What the adversary can do by hand with what it has signed and been given. */
  attacks(w: World): string[] {
    const { adversary } = this.machine.story
    if (adversary === undefined || w.mined !== NONE || w.fundingHeight === UNSEEN) return []
    const quits = w.side[adversary] === NONE ? [] : ['quit']
    const isTaken = (number: number): boolean =>
      number !== w.mempool && this.machine.wouldEnter(w, number)
    const sends = left(w, 'sends') === 0 ? [] : this.#completions(w, 'send', SENT, isTaken)
    const pins = left(w, 'pins') === 0 ? [] : this.#completions(w, 'pin', PINNED, isTaken)
    const directs =
      left(w, 'directs') === 0 || !this.missesNothing(w)
        ? []
        : this.#completions(
            w,
            'mine',
            MINED,
            (number) => this.machine.spends.spend(number).lock <= w.height && w.fundingHeight >= 0
          )
    const closes =
      left(w, 'sends') === 0
        ? []
        : w.closes.flatMap((number, at) => (isTaken(number) ? [`send close ${at}`] : []))
    return [...quits, ...sends, ...closes, ...pins, ...directs]
  }

  #completions(
    w: World,
    verb: string,
    hows: readonly Completion[],
    isUseful: (spend: number) => boolean
  ): string[] {
    return w.known.flatMap((state) =>
      hows.flatMap((how) => {
        const spend = this.machine.spends.complete(state, how)
        return spend === undefined || !isUseful(spend)
          ? []
          : [`${verb} ${this.nameOf(state)} ${how.fee} ${how.extra}${how.gift ? ' gift' : ''}`]
      })
    )
  }

  nameOf(state: number): string {
    const { turn, sequence } = this.machine.spends.state(state)
    return turn === 'refund' ? 'T2' : `turn${turn}/${sequence}`
  }

  spendOf(w: World, [name, fee, extra, gift]: readonly string[]): number {
    const close = name === 'close' ? w.closes[Number(fee)] : undefined
    if (close !== undefined) return close
    const state = w.known.find((number) => this.nameOf(number) === name)
    const spend =
      state === undefined
        ? undefined
        : this.machine.spends.complete(state, {
            fee: fee as Completion['fee'],
            extra: extra as Completion['extra'],
            gift: gift !== undefined
          })
    if (spend === undefined) throw new Error(`the adversary does not have ${name ?? ''}`)
    return spend
  }

  /** The world after a move; `before` stays as it is. */
  apply(before: World, move: string): World {
    const w = copyOf(before)
    this.perform(w, move)
    this.machine.settle(w)
    return w
  }

  /** Changes the world; not everybody has been told of the chain yet. */
  perform(w: World, move: string): void {
    const [verb = '', ...words] = move.split(' ')
    const role = words[0] as Role
    const { machine } = this
    switch (verb) {
      case 'deliver':
        machine.deliver(w, role)
        break
      case 'deliver-crash':
        spendBudget(w, 'crashes')
        machine.deliver(w, role, true)
        break
      case 'deliver-kept':
        w.dears -= 1
        machine.deliverKept(w, role)
        break
      case 'deliver-late':
        spendBudget(w, 'lates')
        machine.deliver(w, role, true)
        this.#sleep(w, role)
        break
      case 'late':
        spendBudget(w, 'lates')
        this.#sleep(w, role)
        break
      case 'dear':
        w.dears -= 1
        machine.askDear(w, role)
        break
      case 'pay':
        this.#pay(w, role)
        break
      case 'close':
        spendBudget(w, 'closes')
        machine.post(w, role, 'close', { type: 'close' })
        break
      case 'connect':
        w.dials -= 1
        machine.disconnect(w)
        w.linked.client = true
        machine.post(w, 'client', 'connected', { type: 'connected' })
        break
      case 'cut':
        spendBudget(w, 'cuts')
        machine.disconnect(w)
        break
      case 'crash':
        spendBudget(w, 'crashes')
        w.up[role] = false
        w.linked[role] = false
        machine.disconnect(w)
        break
      case 'start':
        machine.restart(w, role)
        break
      case 'run':
        while (w.queue.client.length + w.queue.server.length > 0) {
          machine.deliver(w, 'server')
          machine.deliver(w, 'client')
        }
        break
      case 'block':
        machine.mine(w)
        break
      case 'wait':
        this.#wait(w)
        break
      case 'final':
        while (w.mined !== NONE && !this.isOver(w)) machine.mine(w)
        break
      case 'reorg':
        spendBudget(w, 'reorgs')
        machine.reorg(w, Number(words[0]))
        break
      case 'congest':
        spendBudget(w, 'congestions')
        w.congested = true
        break
      case 'starve':
        w.starved = true
        break
      case 'ease':
        w.congested = false
        break
      case 'quit':
        machine.quit(w)
        break
      case 'server':
        spendBudget(w, 'lies')
        w.manner = words.join(' ') as Manner
        break
      case 'show':
        spendBudget(w, 'lies')
        Object.assign(w, { lie: this.spendOf(w, words), blinks: false })
        break
      case 'claim':
        spendBudget(w, 'lies')
        Object.assign(w, { lie: this.spendOf(w, words), blinks: false, manner: 'asks for more' })
        break
      case 'blink':
        spendBudget(w, 'lies')
        Object.assign(w, { lie: this.spendOf(w, words), blinks: true, manner: 'asks for more' })
        break
      case 'pin':
      case 'send':
        spendBudget(w, verb === 'pin' ? 'pins' : 'sends')
        machine.quit(w)
        machine.enter(w, this.spendOf(w, words), machine.story.adversary)
        break
      case 'mine':
        spendBudget(w, 'directs')
        machine.quit(w)
        machine.mine(w, this.spendOf(w, words))
        break
      case 'copy':
        spendBudget(w, 'copies')
        w.copy[role] = w.side[role]
        break
      case 'restore':
        spendBudget(w, 'restores')
        this.losing.goBack(w, role)
        break
      case 'forget':
        spendBudget(w, 'restores')
        this.losing.handBack(w, role, words[1])
        break
      default:
        throw new Error(`there is no move '${move}'`)
    }
  }

  /**
   * As an engine does: asks for the turn when that is what payments need, else signs what the
   * window takes.
   */
  #pay(w: World, role: Role): void {
    const { machine } = this
    const at = w.asked[role]
    const payment = machine.payment(role, at)
    if (turnNeed(machine.channel(w, role)) === 'ask') {
      return machine.post(w, role, `ask ${at}`, { type: 'ask-turn', payments: [payment] })
    }
    if (payableNow(machine.channel(w, role), [payment]) === 0) return
    w.asked[role] = at + 1
    machine.post(w, role, `pay ${at}`, { type: 'pay', payments: [payment] })
  }

  /**
   * Blocks up to the next height at which something changes by itself, or until somebody publishes.
   */
  #wait(w: World): void {
    const until = this.heights.find((height) => height > w.height) ?? w.height + 1
    const from = w.mempool
    while (w.height < until && w.mined === NONE && w.mempool === from) {
      this.machine.mine(w)
      if (!this.missesNothing(w)) return
    }
  }
}
