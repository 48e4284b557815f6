/**
 * Two channels of the same two nodes on one chain. Each is played by a machine of its own; what
 * joins them is in renewals.ts. Moves of the second channel begin with `other`.
 */
import type { Message } from '../../protocols/paychan/1.0/index.js'
import type { Role } from '../../src/bitcoin/keys.js'
import type { RenewalEvent } from '../../src/channel/events.js'
import type { World as Opened } from '../channel/world.js'
import { copyOf, keyOf, left, NONE, type Refusal, ROLES, spendBudget, type World } from './world.js'
import {
  blockNews,
  describeSides,
  EXIT_BLOCKS,
  quietUntil,
  silence,
  type Ending,
  type Game
} from './game.js'
import { Machine } from './machine.js'
import { Moves } from './moves.js'
import { Rules, type Violation } from './rules.js'
import type { Story } from './stories.js'

export interface Pair {
  readonly first: World
  readonly second: World
  /** A transaction of both that the adversary can complete by hand. */
  joint: number
}

const OTHER = 'other '

/** What one of two channels leaves to what joins them. */
export interface Joint {
  enter(lane: Lane, number: number, adversary: Role | undefined): Refusal | undefined
  tell(lane: Lane, role: Role, event: RenewalEvent): void
  fund(lane: Lane, role: Role, raw: Uint8Array): void
  sent(from: Role, message: Message): void
  t1(lane: Lane): Uint8Array
  stop(role: Role): void
}

export class Lane extends Machine {
  readonly moves: Moves
  readonly rules: Rules
  readonly #joint: Joint

  constructor(story: Story, opened: Opened, joint: Joint) {
    super(story, opened)
    this.#joint = joint
    this.moves = new Moves(this)
    this.rules = new Rules(this)
  }

  override enter(_w: World, number: number, adversary: Role | undefined): Refusal | undefined {
    return this.#joint.enter(this, number, adversary)
  }
  protected override tell(role: Role, event: RenewalEvent): void {
    this.#joint.tell(this, role, event)
  }
  protected override fund(_w: World, role: Role, raw: Uint8Array): void {
    this.#joint.fund(this, role, raw)
  }
  protected override onSent(from: Role, message: Message): void {
    this.#joint.sent(from, message)
  }
  protected override t1(): Uint8Array {
    return this.#joint.t1(this)
  }
  protected override die(_w: World, role: Role): void {
    this.#joint.stop(role)
  }
  /** As a mempool of this channel's transactions alone does. */
  enterAlone(w: World, number: number, adversary: Role | undefined): Refusal | undefined {
    return super.enter(w, number, adversary)
  }
}

export abstract class PairGame implements Game<Pair>, Joint {
  abstract readonly first: Lane
  abstract readonly second: Lane
  /** The states of the first channel on disks that the second is not on yet. */
  protected abstract readonly before: Readonly<Record<Role, number>>
  /** The world that is being changed. */
  protected world!: Pair

  constructor(readonly story: Story) {}

  get machines(): readonly Lane[] {
    return [this.first, this.second]
  }
  protected worldOf(lane: Lane, { first, second }: Pair = this.world): World {
    return lane === this.first ? first : second
  }
  protected otherOf(lane: Lane): Lane {
    return lane === this.first ? this.second : this.first
  }

  /** The channels whose money is in no block, and could be. */
  protected abstract pending(w: Pair): Lane[]
  /** What follows for one channel from what is in the mempools and blocks for the other. */
  protected abstract follow(w: Pair): void
  protected abstract afterTip(w: Pair): void
  /** What the adversary can do with a transaction that both channels are in. */
  protected abstract jointMoves(w: Pair): string[]

  abstract enter(lane: Lane, number: number, adversary: Role | undefined): Refusal | undefined
  abstract tell(lane: Lane, role: Role, event: RenewalEvent): void
  abstract fund(lane: Lane, role: Role, raw: Uint8Array): void
  abstract sent(from: Role, message: Message): void
  abstract t1(lane: Lane): Uint8Array

  begin(left: World['left']): Pair {
    const w = (this.world = {
      first: copyOf(this.first.first),
      second: copyOf(this.second.first),
      joint: NONE
    })
    this.#settle(w)
    for (const move of this.story.prologue) this.#play(w, move)
    for (const world of [w.first, w.second]) world.left = left
    return w
  }

  key({ first, second, joint }: Pair): string {
    return `${keyOf(first)} | ${keyOf(second)} | ${joint}`
  }
  describe(w: Pair): string {
    return `height ${w.first.height}; ${describeSides(this.first, w.first)}\n    ${OTHER}${describeSides(this.second, w.second)}`
  }
  now(w: Pair): Violation | undefined {
    return this.first.rules.now(w.first) ?? this.second.rules.now(w.second)
  }

  isPinned(w: Pair): boolean {
    return this.machines.some((lane) => lane.rules.isPinned(this.worldOf(lane, w)))
  }

  // ------------------------------------------------------------------------------------ moves

  list(w: Pair): string[] {
    if (this.#isOver(w)) return []
    this.world = w
    return this.machines
      .flatMap((lane) =>
        this.#ofLane(lane, w).map((move) => (lane === this.first ? move : `${OTHER}${move}`))
      )
      .concat(
        this.#quits(w),
        this.#accidents(w),
        this.#losses(w),
        this.#handedBack(w),
        this.#blocks(w),
        this.first.moves.lies(w.first).filter((move) => move.startsWith('server')),
        this.jointMoves(w)
      )
  }

  #ofLane(lane: Lane, w: Pair): string[] {
    const world = this.worldOf(lane, w)
    const cuts =
      left(world, 'cuts') > 0 && (world.linked.client || world.linked.server) ? ['cut'] : []
    const crashes =
      left(world, 'crashes') > 0 && world.mined === NONE
        ? ROLES.filter(
            (role) => lane.isHonest(role) && world.up[role] && world.queue[role].length > 0
          ).map((role) => `deliver-crash ${role}`)
        : []
    return [...lane.moves.talk(world), ...cuts, ...crashes, ...this.#attacks(lane, w)]
  }

  #attacks(lane: Lane, w: Pair): string[] {
    // One node stops, with all of its channels.
    return this.pending(w).includes(lane)
      ? lane.moves.attacks(this.worldOf(lane, w)).filter((move) => move !== 'quit')
      : []
  }

  #quits(w: Pair): string[] {
    const { adversary } = this.story
    return adversary !== undefined && this.pending(w).length > 0 && w.first.side[adversary] !== NONE
      ? ['quit']
      : []
  }

  /**
   * Before its windows: whose disk is lost has an old copy of it, of both channels and of one
   * moment.
   */
  #losses(w: Pair): string[] {
    if (this.pending(w).length === 0) return []
    return ROLES.filter(
      (role) =>
        this.first.isHonest(role) &&
        w.first.up[role] &&
        w.first.lost[role] === NONE &&
        this.machines.every((lane) => lane.moves.isBeforeWindow(this.worldOf(lane, w), role))
    ).flatMap((role) => [
      ...(left(w.first, 'copies') > 0 ? [`copy ${role}`] : []),
      ...(left(w.first, 'restores') > 0 ? [`restore ${role}`, `restore-before ${role}`] : [])
    ])
  }

  #handedBack(w: Pair): string[] {
    return ROLES.filter((role) => this.second.moves.losing.mayTakeBack(w.second, role)).map(
      (role) => `${OTHER}take-back ${role}`
    )
  }

  #accidents(w: Pair): string[] {
    return ROLES.filter((role) => this.first.isHonest(role)).flatMap((role) => {
      if (!w.first.up[role]) return [`start ${role}`]
      return left(w.first, 'crashes') > 0 && this.pending(w).length > 0 ? [`crash ${role}`] : []
    })
  }

  #blocks(w: Pair): string[] {
    if (!this.#missesNothing(w)) return []
    const pending = this.pending(w)
    const some = (is: (moves: Moves, world: World) => boolean): boolean =>
      pending.some((lane) => is(lane.moves, this.worldOf(lane, w)))
    const isRace = some((moves, world) => moves.isRace(world))
    const next =
      pending.length === 0
        ? 'final'
        : !isRace && some(({ heights }, { height }) => heights.some((at) => at > height))
          ? 'wait'
          : 'block'
    const isNear = some((moves, world) => moves.isNearRace(world))
    return [
      next,
      ...(left(w.first, 'reorgs') > 0 && this.#mayReorg(w) ? ['reorg 1', 'reorg 2'] : []),
      ...(left(w.first, 'congestions') > 0 && !w.first.congested && isNear ? ['congest'] : []),
      ...(w.first.congested && pending.length > 0 ? ['ease'] : [])
    ]
  }

  #missesNothing(w: Pair): boolean {
    return this.machines.every((lane) => lane.moves.missesNothing(this.worldOf(lane, w)))
  }

  #mayReorg(w: Pair): boolean {
    const worlds = this.machines.map((lane) => ({
      moves: lane.moves,
      world: this.worldOf(lane, w)
    }))
    return (
      worlds.some(({ moves, world }) => moves.mayReorg(world)) &&
      worlds.every(
        ({ moves, world }) =>
          world.mined === NONE || world.height - world.minedAt >= 2 || moves.mayReorg(world)
      )
    )
  }

  apply(before: Pair, move: string): Pair {
    const w = (this.world = {
      first: copyOf(before.first),
      second: copyOf(before.second),
      joint: before.joint
    })
    this.#play(w, move)
    return w
  }

  #play(w: Pair, move: string): void {
    const lane = move.startsWith(OTHER) ? this.second : this.first
    const world = this.worldOf(lane, w)
    const text = lane === this.first ? move : move.slice(OTHER.length)
    const [verb = '', ...words] = text.split(' ')
    const role = words[0] as Role
    switch (verb) {
      case 'crash':
        spendBudget(world, 'crashes')
        this.stop(role)
        break
      case 'start':
        this.#restart(w, role)
        break
      case 'copy':
        spendBudget(world, 'copies')
        for (const each of [w.first, w.second]) each.copy[role] = each.side[role]
        break
      case 'restore':
        spendBudget(world, 'restores')
        this.#goBack(w, role, { first: w.first.copy[role], second: w.second.copy[role] })
        break
      case 'restore-before':
        spendBudget(world, 'restores')
        this.#goBack(w, role, { first: this.before[role], second: NONE })
        break
      case 'take-back':
        lane.moves.losing.takeBack(world, role)
        break
      case 'block':
        this.#mine(w)
        break
      case 'wait':
        this.#wait(w)
        break
      case 'final':
        while (!this.isPaid(w)) this.#mine(w)
        break
      case 'reorg':
        spendBudget(world, 'reorgs')
        this.#reorg(w, Number(words[0]))
        break
      case 'quit':
        this.#quit(w)
        break
      case 'mine':
        spendBudget(world, 'directs')
        this.#quit(w)
        this.#mine(w, {
          lane,
          spend: words[0] === 'joint' ? w.joint : lane.moves.spendOf(world, words)
        })
        break
      case 'send':
        this.#quit(w)
        if (words[0] !== 'joint') lane.moves.perform(world, text)
        else {
          spendBudget(world, 'sends')
          this.enter(lane, w.joint, this.story.adversary)
        }
        break
      case 'pin':
        this.#quit(w)
        lane.moves.perform(world, text)
        break
      default:
        lane.moves.perform(world, text)
    }
    const { left, congested, manner } = world
    for (const each of [w.first, w.second]) Object.assign(each, { left, congested, manner })
    this.#settle(w)
  }

  // ------------------------------------------------------------------------------------ nodes

  /** A process has died, with all of its channels. */
  stop(role: Role): void {
    for (const lane of this.machines) this.worldOf(lane).up[role] = false
    for (const lane of this.machines) lane.disconnect(this.worldOf(lane))
  }

  #restart(w: Pair, role: Role): void {
    for (const lane of this.machines) this.worldOf(lane, w).up[role] = true
    for (const lane of this.machines) {
      if (lane.runs(this.worldOf(lane, w), role)) lane.restart(this.worldOf(lane, w), role)
    }
    this.onRestart(w, role)
  }

  /** The process starts again on an old copy of its disk, on which a channel may not be yet. */
  #goBack(w: Pair, role: Role, copy: { readonly first: number; readonly second: number }): void {
    this.stop(role)
    for (const name of ['first', 'second'] as const) {
      const { lost, side } = w[name]
      lost[role] = side[role]
      side[role] = copy[name]
    }
    this.#restart(w, role)
  }

  protected onRestart(_w: Pair, _role: Role): void {}

  #quit(w: Pair): void {
    for (const lane of this.machines) lane.quit(this.worldOf(lane, w))
  }

  // ------------------------------------------------------------------------------------ chain

  #mine(w: Pair, direct?: { readonly lane: Lane; readonly spend: number }): void {
    const lanes = direct?.lane === this.second ? [this.second, this.first] : this.machines
    for (const lane of lanes) {
      lane.dig(this.worldOf(lane, w), lane === direct?.lane ? direct.spend : undefined)
      if (lane === direct?.lane) this.follow(w)
    }
    this.#look(w)
  }

  #reorg(w: Pair, depth: number): void {
    for (const lane of this.machines) lane.undo(this.worldOf(lane, w), depth)
    this.#look(w)
  }

  #wait(w: Pair): void {
    const { height } = w.first
    const heights = this.pending(w)
      .flatMap(({ moves }) => moves.heights)
      .filter((at) => at > height)
    const until = Math.min(height + 1_000, ...heights)
    const seen = (): string =>
      `${w.first.mempool} ${w.first.mined} ${w.second.mempool} ${w.second.mined}`
    const before = seen()
    while (w.first.height < until && seen() === before && this.#missesNothing(w)) this.#mine(w)
  }

  #look(w: Pair): void {
    this.follow(w)
    this.#show(w)
    for (const lane of this.machines) {
      for (const role of ROLES) {
        if (lane.runs(this.worldOf(lane, w), role)) {
          lane.post(this.worldOf(lane, w), role, 'tip', { type: 'tip' })
        }
      }
    }
    this.afterTip(w)
    this.#settle(w)
  }

  #show(w: Pair): void {
    for (const lane of this.machines) {
      for (const role of ROLES) {
        if (lane.runs(this.worldOf(lane, w), role)) lane.show(this.worldOf(lane, w), role)
      }
    }
  }

  /** Until nobody's broadcast is news to anybody. */
  #settle(w: Pair): void {
    let before = ''
    const seen = (): string =>
      [w.first, w.second]
        .map(({ mempool, mined, fundingHeight }) => `${mempool} ${mined} ${fundingHeight}`)
        .join()
    for (let rounds = 0; before !== seen(); rounds++) {
      if (rounds > 100) throw new Error('two nodes outbid each other without end')
      before = seen()
      this.follow(w)
      this.#show(w)
    }
  }

  // ----------------------------------------------------------------------------------- endings

  hushed(from: Pair): Pair {
    const w = (this.world = {
      first: copyOf(from.first),
      second: copyOf(from.second),
      joint: from.joint
    })
    for (const world of [w.first, w.second]) silence(world)
    this.#quit(w)
    for (const lane of this.machines) lane.disconnect(this.worldOf(lane, w))
    for (const role of ROLES) {
      if (this.first.isHonest(role) && !w.first.up[role]) this.#restart(w, role)
    }
    this.#settle(w)
    return w
  }

  isPaid(w: Pair): boolean {
    return this.pending(w).length === 0 && this.isFinal(w)
  }

  /** Whether the story is over, paid or not: then an ending says what comes of it. */
  #isOver(w: Pair): boolean {
    return (
      this.pending(w).every((lane) => lane.moves.isOver(this.worldOf(lane, w))) && this.isFinal(w)
    )
  }

  /** Whether what is in a block is there for good, for each channel that is not pending. */
  protected abstract isFinal(w: Pair): boolean

  get #last(): number {
    return (
      Math.max(...this.machines.map(({ beginning }) => beginning.terms.refundHeight)) + EXIT_BLOCKS
    )
  }
  isLate(w: Pair): boolean {
    return w.first.height > this.#last
  }

  unpaid(w: Pair): Violation | undefined {
    for (const lane of this.pending(w)) {
      const found = lane.rules.unpaid(this.worldOf(lane, w))
      if (found !== undefined) return found
    }
    return undefined
  }

  next(from: Pair, ending: Ending): { world: Pair; told: string[] } {
    const w = (this.world = {
      first: copyOf(from.first),
      second: copyOf(from.second),
      joint: from.joint
    })
    const worlds = [w.first, w.second]
    if (worlds.every(({ mempool, fundingHeight }) => mempool === NONE && fundingHeight !== NONE)) {
      const height = Math.max(
        w.first.height,
        Math.min(
          ...this.machines.map((lane) => quietUntil(lane, this.worldOf(lane, w))),
          this.#last - 1
        )
      )
      for (const world of worlds) world.height = height
    }
    const threats =
      ending === 'silent'
        ? []
        : this.pending(w).flatMap((lane) => {
            const spend = lane.rules.threat(this.worldOf(lane, w))
            return spend === undefined ? [] : [{ lane, spend }]
          })
    const [threat] = threats
    this.#mine(w, threat)
    return {
      world: w,
      told: this.machines.flatMap((lane) =>
        blockNews(lane, this.worldOf(lane, w), lane === threat?.lane ? threat.spend : undefined)
      )
    }
  }
}
