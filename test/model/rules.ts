/** What has to be true of a channel in every world that can be reached. */
import { otherRole, type Role } from '../../src/bitcoin/keys.js'
import { ownBalance } from '../../src/channel/paying.js'
import { publishable } from '../../src/channel/publishable.js'
import { payerOf } from '../../src/channel/schedule.js'
import { shareIn } from '../../src/channel/stakes.js'
import type { Established } from '../../src/channel/state.js'
import { statusOfUpdate } from '../../src/engine/payments.js'
import { toHex } from '../../src/types/bytes.js'
import { BOUNDED_FEE, type Machine } from './machine.js'
import { NONE, ROLES, type World } from './world.js'

export interface Violation {
  readonly rule: 'money' | 'payment' | 'exit' | 'peace'
  readonly text: string
  /** What happened by itself after the last move, when that is what shows it. */
  readonly after?: readonly string[]
}

export class Rules {
  readonly #machine: Machine

  constructor(machine: Machine) {
    this.#machine = machine
  }

  /** The first thing that is wrong with a channel as it stands. */
  now(w: World): Violation | undefined {
    for (const role of ROLES) {
      const channel = this.#machine.isHonest(role) ? this.#machine.open(w, role) : undefined
      if (channel === undefined) continue
      const wrong =
        this.#money(w, role, channel) ?? this.#payments(w, role, channel) ?? this.#peace(w, channel)
      if (wrong !== undefined) return wrong
    }
    return undefined
  }

  /**
   * What outbidding a transaction that really was in the mempools takes: a quarter more, twice
   * over.
   */
  allowed({ dearest }: World): bigint {
    return BOUNDED_FEE + (dearest * 5n) / 2n
  }

  /**
   * What a side is due: its newest balance. Who has lost data is due what is left of that when the
   * other side says nothing of it: no more than it believes, than it had, and than any state that
   * it knows nothing of leaves it.
   */
  due(w: World, role: Role, channel: Established): bigint {
    const lost = w.lost[role] === NONE ? undefined : this.#machine.sides.state(w.lost[role]).channel
    if (lost?.stage !== 'established') return ownBalance(channel)
    const { ended, ledger, terms } = lost
    const forgotten = [
      ...ended,
      ...(ledger.held === undefined ? [] : [{ ...ledger.held, turn: ledger.turn }])
    ].filter(({ turn }) => turn >= channel.ledger.turn)
    const shares = forgotten.map(({ turn, payerBalance }) =>
      shareIn(terms.capacity, turn, payerBalance, role)
    )
    return [ownBalance(lost), ...shares].reduce(
      (least, share) => (share < least ? share : least),
      ownBalance(channel)
    )
  }

  #money(w: World, role: Role, channel: Established): Violation | undefined {
    if (w.mined === NONE) return undefined
    const spend = this.#machine.spends.spend(w.mined)
    const due = this.due(w, role, channel)
    const got = spend.gives[role]
    if (got >= due - this.allowed(w)) return undefined
    return {
      rule: 'money',
      text: `the ${role} is due ${due} sat and has ${got} sat (${spend.kind}${spend.kind === 'state' ? ` of turn ${spend.turn}` : ''}, fee ${spend.fee} sat; at most ${this.allowed(w)} sat may go to fees)`
    }
  }

  #payments(w: World, role: Role, channel: Established): Violation | undefined {
    const { log } = this.#machine.sides.state(w.side[role])
    const received = log
      .filter(({ direction }) => direction === 'received')
      .flatMap(({ payments }) => payments.map(({ id }) => toHex(id)))
    if (new Set(received).size < received.length) {
      return { rule: 'payment', text: `the ${role} has booked a payment twice` }
    }
    const payee = otherRole(role)
    if (this.#machine.isHonest(payee) && w.lost[payee] === NONE) {
      const theirs = new Set(
        this.#machine.sides
          .state(w.side[payee])
          .log.filter(({ direction }) => direction === 'received')
          .flatMap(({ payments }) => payments.map(({ id }) => toHex(id)))
      )
      const lost = w.told[role].find((at) => !theirs.has(toHex(this.#machine.payment(role, at).id)))
      if (lost !== undefined) {
        return {
          rule: 'payment',
          text: `the ${role} was told that payment ${lost} is acknowledged, and the ${payee} does not have it`
        }
      }
    }
    return this.#settled(w, role, channel)
  }

  /**
   * What a payer's books say of what was in flight, against the transaction that is in the block.
   */
  #settled(w: World, role: Role, channel: Established): Violation | undefined {
    const { turn, inFlight } = channel.ledger
    if (w.mined === NONE || payerOf(turn) !== role) return undefined
    const spend = this.#machine.spends.spend(w.mined)
    if (spend.kind !== 'state') return undefined
    for (const { sequence } of inFlight) {
      const isPaid = spend.turn === turn && spend.sequence >= sequence
      const status = statusOfUpdate(channel, sequence)
      if (status === 'failed' && isPaid) {
        return {
          rule: 'payment',
          text: `the ${role} calls update ${sequence} failed, and the payee has been paid it by the state in block ${w.minedAt}`
        }
      }
      if (status === 'acknowledged' && !isPaid) {
        return {
          rule: 'payment',
          text: `the ${role} calls update ${sequence} acknowledged, and the state in block ${w.minedAt} does not include it`
        }
      }
    }
    return undefined
  }

  /** Two honest sides never find each other guilty, also where a close crosses a turn. */
  #peace(w: World, { role, stopped }: Established): Violation | undefined {
    if (
      this.#machine.story.adversary !== undefined ||
      stopped === undefined ||
      stopped.rule === ''
    ) {
      return undefined
    }
    // Blocks have become dear since the client signed: then T1 has to pay more, and nobody is to
    // blame.
    if (stopped.code === 'ERR_RENEWAL_FEE') return undefined
    // Somebody has lost data, and says so or is found out.
    if (
      stopped.rule === 'REEST-4' &&
      stopped.code !== 'ERR_LIST_FALSE' &&
      ROLES.some((role) => w.lost[role] !== NONE)
    ) {
      return undefined
    }
    return {
      rule: 'peace',
      text: `both are honest, and the ${role} stopped: ${stopped.rule} ${stopped.code} ${stopped.reason}`
    }
  }

  /** A state that costs an honest side money, and that a miner could take now. */
  threat(w: World): number | undefined {
    for (const state of w.known) {
      const number = this.#machine.spends.complete(state, {
        fee: 'low',
        extra: 'none',
        gift: false
      })
      if (number === undefined) continue
      const { lock, gives } = this.#machine.spends.spend(number)
      const isLoss = (role: Role): boolean =>
        this.#machine.isHonest(role) && gives[role] < this.#dueTo(w, role) - this.allowed(w)
      if (lock <= w.height && w.fundingHeight >= 0 && ROLES.some(isLoss)) return number
    }
    return undefined
  }

  isPinned({ mempool }: World): boolean {
    return mempool !== NONE && this.#machine.spends.spend(mempool).extra === 'parent'
  }

  /**
   * Who is due more than a fee, and has nothing in a block for too long: locked up, unless
   * something stands in the mempools that not even all of its share can replace.
   */
  unpaid(w: World): Violation | undefined {
    const pin = w.mempool === NONE ? undefined : this.#machine.spends.spend(w.mempool)
    for (const role of ROLES) {
      const channel = this.#machine.isHonest(role) ? this.#machine.open(w, role) : undefined
      if (channel === undefined) continue
      const due = this.due(w, role, channel)
      const ours = publishable(channel)
      const share = ours?.share ?? 0n
      if (
        due <= BOUNDED_FEE ||
        // Gone back to before the first state of a channel that it has brought money into.
        (ours === undefined && w.lost[role] !== NONE) ||
        (pin !== undefined && pin.extra !== 'none' && share < pin.fee + BOUNDED_FEE)
      ) {
        continue
      }
      return {
        rule: 'exit',
        text: `the ${role} is due ${due} sat, and at height ${w.height} nothing of it is in a block${pin === undefined ? '' : `; what waits pays ${pin.fee} sat for ${pin.vsize} vB`}`
      }
    }
    return undefined
  }

  #dueTo(w: World, role: Role): bigint {
    const channel = this.#machine.open(w, role)
    return channel === undefined ? 0n : this.due(w, role, channel)
  }
}
