/** What has to be true of every world that can be reached. */
import { otherRole, type Role } from '../../src/bitcoin/keys.js'
import { nextDue } from '../../src/channel/due.js'
import { ownBalance } from '../../src/channel/paying.js'
import { lockOf, payerOf } from '../../src/channel/schedule.js'
import type { Established } from '../../src/channel/state.js'
import { statusOfUpdate } from '../../src/engine/payments.js'
import { toHex } from '../../src/types/bytes.js'
import { BOUNDED_FEE, type Machine } from './machine.js'
import type { Moves } from './moves.js'
import { copyOf, keyOf, NONE, ROLES, type World } from './world.js'

export interface Violation {
  readonly rule: 'money' | 'payment' | 'exit' | 'peace'
  readonly text: string
  /** What happened by itself after the last move, when that is what shows it. */
  readonly after?: readonly string[]
}

/**
 * Blocks from L on within which the money of an honest side is in a block. Where nothing older can come, T2 waits for a day for a newer state,
 * and then doubles with each day what it pays against one: two weeks cover whatever fee a channel of this size can be pinned with.
 */
const EXIT_BLOCKS = 14 * 144

type Ending = 'silent' | 'greedy'

export class Judge {
  readonly #exits = new Map<string, Violation | undefined>()

  constructor (private readonly machine: Machine, private readonly moves: Moves) {}

  /** The first thing that is wrong with a world, or with where it leads. */
  verdict (w: World): Violation | undefined {
    return this.#now(w) ?? this.#exit(w, 'silent') ?? (this.machine.story.adversary === undefined ? undefined : this.#exit(w, 'greedy'))
  }

  #now (w: World): Violation | undefined {
    for (const role of ROLES) {
      if (!this.machine.isHonest(role)) continue
      const channel = this.machine.channel(w, role)
      const wrong = this.#money(w, role, channel) ?? this.#payments(w, role, channel) ?? this.#peace(channel)
      if (wrong !== undefined) return wrong
    }
    return undefined
  }

  /** What outbidding a transaction that really was in the mempools takes: a quarter more, twice over. */
  #allowed ({ dearest }: World): bigint {
    return BOUNDED_FEE + dearest * 5n / 2n
  }

  #money (w: World, role: Role, channel: Established): Violation | undefined {
    if (w.mined === NONE) return undefined
    const spend = this.machine.spends.spend(w.mined)
    const due = ownBalance(channel)
    const got = spend.gives[role]
    if (got >= due - this.#allowed(w)) return undefined
    return { rule: 'money', text: `the ${role} is due ${due} sat and has ${got} sat (${spend.kind}${spend.kind === 'state' ? ` of turn ${spend.turn}` : ''}, fee ${spend.fee} sat; at most ${this.#allowed(w)} sat may go to fees)` }
  }

  #payments (w: World, role: Role, channel: Established): Violation | undefined {
    const { log } = this.machine.sides.state(w.side[role])
    const received = log.filter(({ direction }) => direction === 'received').flatMap(({ payments }) => payments.map(({ id }) => toHex(id)))
    if (new Set(received).size < received.length) return { rule: 'payment', text: `the ${role} has booked a payment twice` }
    const payee = otherRole(role)
    if (this.machine.isHonest(payee)) {
      const theirs = new Set(this.machine.sides.state(w.side[payee]).log.filter(({ direction }) => direction === 'received').flatMap(({ payments }) => payments.map(({ id }) => toHex(id))))
      const lost = w.told[role].find((at) => !theirs.has(toHex(this.machine.payment(role, at).id)))
      if (lost !== undefined) return { rule: 'payment', text: `the ${role} was told that payment ${lost} is acknowledged, and the ${payee} does not have it` }
    }
    return this.#settled(w, role, channel)
  }

  /** What a payer's books say of what was in flight, against the transaction that is in the block. */
  #settled (w: World, role: Role, channel: Established): Violation | undefined {
    const { turn, inFlight } = channel.ledger
    if (w.mined === NONE || payerOf(turn) !== role) return undefined
    const spend = this.machine.spends.spend(w.mined)
    if (spend.kind !== 'state') return undefined
    for (const { sequence } of inFlight) {
      const isPaid = spend.turn === turn && spend.sequence >= sequence
      const status = statusOfUpdate(channel, sequence)
      if (status === 'failed' && isPaid) return { rule: 'payment', text: `the ${role} calls update ${sequence} failed, and the payee has been paid it by the state in block ${w.minedAt}` }
      if (status === 'acknowledged' && !isPaid) return { rule: 'payment', text: `the ${role} calls update ${sequence} acknowledged, and the state in block ${w.minedAt} does not include it` }
    }
    return undefined
  }

  /** Two honest sides never find each other guilty, also where a close crosses a turn. */
  #peace ({ role, stopped }: Established): Violation | undefined {
    if (this.machine.story.adversary !== undefined || stopped === undefined) return undefined
    return { rule: 'peace', text: `both are honest, and the ${role} stopped: ${stopped.rule} ${stopped.code} ${stopped.reason}` }
  }

  /**
   * From here nobody says any more; servers go on as they do; blocks come and take what pays. Greedy: the adversary
   * has a state that costs its victim money put into the first block that may have it.
   */
  #exit (from: World, ending: Ending): Violation | undefined {
    const seen: string[] = []
    const steps: string[] = []
    let w = copyOf(from)
    // What can no longer happen makes no difference.
    Object.assign(w, { left: [], dials: 0, asked: { client: 0, server: 0 }, told: { client: [], server: [] } })
    w.congested = false
    this.machine.quit(w)
    this.machine.disconnect(w)
    for (const role of ROLES) if (this.machine.isHonest(role) && !w.up[role]) this.machine.restart(w, role)
    this.machine.settle(w)
    let found: Violation | undefined
    const last = this.machine.beginning.terms.refundHeight + EXIT_BLOCKS
    for (;;) {
      const key = `${ending} ${keyOf(w)}`
      if (this.#exits.has(key)) {
        found = this.#exits.get(key)
        break
      }
      seen.push(key)
      found = this.#now(w)
      if (found !== undefined || (w.mined !== NONE && this.moves.isOver(w))) break
      if (w.height > last) {
        found = this.#unpaid(w)
        break
      }
      w = copyOf(w)
      this.#skip(w, last)
      const threat = ending === 'greedy' && w.mined === NONE ? this.#threat(w) : undefined
      this.machine.mine(w, threat)
      if (threat !== undefined) steps.push(`block ${w.height}: the adversary has a miner take the state of turn ${this.machine.spends.spend(threat).turn}`)
      else if (w.mined !== NONE && w.minedAt === w.height) steps.push(`block ${w.height}: has a spend of turn ${this.machine.spends.spend(w.mined).turn}`)
    }
    const verdict = found === undefined ? undefined : { ...found, after: found.after ?? steps }
    for (const key of seen) this.#exits.set(key, verdict)
    return verdict
  }

  /** Up to the block before the next one that has anything to tell to anybody. */
  #skip (w: World, last: number): void {
    if (w.mempool !== NONE || w.mined !== NONE || w.fundingHeight === NONE) return
    const dues = ROLES.filter((role) => this.machine.runs(w, role)).map((role) => nextDue(this.machine.channel(w, role), w.height + 1))
    const locks = w.known.map((state) => lockOf(this.machine.beginning.terms, this.machine.spends.state(state).turn) + 1).filter((height) => height > w.height)
    w.height = Math.max(w.height, Math.min(...dues, ...locks, last) - 1)
  }

  #threat (w: World): number | undefined {
    for (const state of w.known) {
      const number = this.machine.spends.complete(state, { fee: 'low', extra: 'none', gift: false })
      if (number === undefined) continue
      const { lock, gives } = this.machine.spends.spend(number)
      const isLoss = (role: Role): boolean => this.machine.isHonest(role) && gives[role] < ownBalance(this.machine.channel(w, role)) - this.#allowed(w)
      if (lock <= w.height && w.fundingHeight !== NONE && ROLES.some(isLoss)) return number
    }
    return undefined
  }

  #unpaid (w: World): Violation | undefined {
    for (const role of ROLES) {
      if (!this.machine.isHonest(role)) continue
      const due = ownBalance(this.machine.channel(w, role))
      if (due > this.#allowed(w)) return { rule: 'exit', text: `the ${role} is due ${due} sat, and at height ${w.height} nothing of it is in a block` }
    }
    return undefined
  }
}
