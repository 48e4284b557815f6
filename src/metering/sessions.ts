/**
 * The books of a server that sells by the unit: what each session was paid over its channel, and
 * which units of it are spent. A unit is taken once, and only when it is paid (or trusted); one that
 * could not be delivered is given back.
 */
import type { Satoshi } from '../types/units.js'

/** Sessions that are kept; the one that was used longest ago goes first. */
const MOST_SESSIONS = 100_000
/**
 * Numbers of spent units that are kept for a session, so that calls may overtake each other. The
 * lowest go first, and no unit below them is taken any more.
 */
const MOST_NUMBERS = 4_096
/** Payments are known by their ids for so long: an event and a look-up may tell of the same one. */
const KNOWN_FOR_MS = 600_000

interface Session {
  paid: bigint
  spent: bigint
  units: number
  /** What may be spent before it is paid. */
  trusted: bigint
  readonly numbers: Set<bigint>
  /** No number at or below it is taken any more. */
  floor: bigint
  /** When each payment came, in milliseconds since 1970. */
  readonly payments: Map<string, number>
}

/** `short`: so much is missing before the unit can be taken. */
export type Taking =
  | { readonly kind: 'taken' }
  | { readonly kind: 'spent already' }
  | { readonly kind: 'short'; readonly missing: bigint }

/** What a session was paid, and what of it is spent. */
export interface Standing {
  readonly paid: bigint
  readonly spent: bigint
  readonly units: number
}

export class Sessions {
  readonly #sessions = new Map<string, Session>()

  constructor(private readonly most = MOST_SESSIONS) {}

  /** Credits a payment to a session, once however often it is told. */
  credit(
    id: string,
    payment: { readonly id: string; readonly amount: Satoshi },
    now: number
  ): void {
    const session = this.#of(id)
    for (const [known, time] of session.payments) {
      if (now - time < KNOWN_FOR_MS) break
      session.payments.delete(known)
    }
    if (session.payments.has(payment.id)) return
    session.payments.set(payment.id, now)
    session.paid += payment.amount
  }

  /** Lets a session spend this much before it is paid. */
  trust(id: string, amount: bigint): void {
    this.#of(id).trusted = amount
  }

  /** Takes the unit with a number of the payer's choice, which it uses once. */
  take(id: string, number: bigint, price: Satoshi): Taking {
    const session = this.#of(id)
    if (number <= session.floor || session.numbers.has(number)) return { kind: 'spent already' }
    const missing = session.spent + price - session.paid - session.trusted
    if (missing > 0n) return { kind: 'short', missing }
    session.numbers.add(number)
    session.spent += price
    session.units++
    if (session.numbers.size > MOST_NUMBERS) this.#raiseFloor(session)
    return { kind: 'taken' }
  }

  /** Gives back what a unit cost that was not delivered. Its number stays used. */
  giveBack(id: string, price: Satoshi): void {
    const session = this.#sessions.get(id)
    if (session === undefined) return
    session.spent -= price
    session.units--
  }

  standing(id: string): Standing {
    const { paid, spent, units } = this.#sessions.get(id) ?? { paid: 0n, spent: 0n, units: 0 }
    return { paid, spent, units }
  }

  /** The session, which is the one used last from now on. */
  #of(id: string): Session {
    const session: Session = this.#sessions.get(id) ?? {
      paid: 0n,
      spent: 0n,
      units: 0,
      trusted: 0n,
      numbers: new Set(),
      floor: 0n,
      payments: new Map()
    }
    this.#sessions.delete(id)
    this.#sessions.set(id, session)
    const [oldest] = this.#sessions.keys()
    if (this.#sessions.size > this.most && oldest !== undefined) this.#sessions.delete(oldest)
    return session
  }

  #raiseFloor(session: Session): void {
    const sorted = [...session.numbers].sort((a, b) => (a < b ? -1 : 1))
    for (const number of sorted.slice(0, MOST_NUMBERS / 2)) {
      session.numbers.delete(number)
      session.floor = number
    }
  }
}
