/**
 * The books of a server that sells by the unit: what each session was paid over its channel, and
 * which units of it are spent. A unit is taken once, and only when it is paid (or trusted); one
 * that could not be delivered is given back.
 */
import type { PaymentInfo } from '../node/api.js'
import type { Satoshi } from '../types/units.js'

/*
 * The numbers of a session's units that are spent: as runs, since units are numbered one step
 * apart, and requests overtake each other by a few. So their number does not grow with what is
 * sold.
 */

/** Runs that are kept: each request that is overtaken makes one. */
const MOST_RUNS = 256

/** Numbers from the first to the second, both with it. */
export type Run = readonly [from: bigint, to: bigint]

export class SpentNumbers {
  /** No number at or below it is taken any more. */
  #floor: bigint
  readonly #runs: Array<[from: bigint, to: bigint]>

  constructor(floor = 0n, runs: readonly Run[] = []) {
    this.#floor = floor
    this.#runs = runs.map(([from, to]) => [from, to])
  }

  get floor(): bigint {
    return this.#floor
  }

  /** The lowest first. */
  get runs(): readonly Run[] {
    return this.#runs
  }

  /** True for a number that was added, that lies between two steps of a run, or below the floor. */
  has(number: bigint): boolean {
    if (number <= this.#floor) return true
    const run = this.#runs[this.#below(number)]
    return run !== undefined && number <= run[1]
  }

  /** Adds a number that is not there. Runs that are one step apart become one. */
  add(number: bigint, step: bigint): void {
    const at = this.#below(number)
    const [before, after] = [this.#runs[at], this.#runs[at + 1]]
    const isNext = before !== undefined && before[1] + step >= number
    const isBefore = after !== undefined && number + step >= after[0]
    if (isNext) before[1] = isBefore ? after[1] : number
    else if (isBefore) after[0] = number
    else this.#runs.splice(at + 1, 0, [number, number])
    if (isNext && isBefore) this.#runs.splice(at + 1, 1)
    this.#raise(step)
  }

  /** The index of the last run that begins at or below a number; -1 when there is none. */
  #below(number: bigint): number {
    let at = this.#runs.length - 1
    for (; at >= 0; at--) {
      const run = this.#runs[at]
      if (run !== undefined && run[0] <= number) break
    }
    return at
  }

  /** A run without a gap below it is below the floor; so is the lowest of too many. */
  #raise(step: bigint): void {
    const [first] = this.#runs
    if (first === undefined) return
    if (first[0] > this.#floor + step && this.#runs.length <= MOST_RUNS) return
    this.#floor = first[1]
    this.#runs.shift()
  }
}

/** Sessions that are kept; the one that was used longest ago goes first. */
const MOST_SESSIONS = 100_000
/** After so many new sessions, those that are over are looked for. */
const SWEEP_EVERY = 1_000
/** Payments of each channel that a record names: a look-up may tell one after a later one. */
const MOST_HEARD = 8

interface Session {
  paid: bigint
  spent: bigint
  units: number
  /** The sum that may be spent before the first payment, which pays for it. */
  trusted: bigint
  /** Milliseconds since 1970; undefined as long as no unit was taken, and where it never ends. */
  ends: number | undefined
  readonly numbers: SpentNumbers
  /** Its payments by `keyOf`, as long as nothing of it is spent. */
  payments: string[]
  /** The ids of the newest payments of each channel, of a session without an end. */
  readonly heard: Map<string, string[]>
}

/** A payment to a session. */
export type Credit = Pick<PaymentInfo, 'id' | 'channel' | 'amount'>

/**
 * The facts of a session that a restart must not forget. What it was paid, the node knows; it is
 * noted for a session without an end, for which the node's log would be read from its beginning.
 */
export interface SessionRecord {
  readonly spent: bigint
  readonly units: number
  readonly trusted: bigint
  readonly ends?: number | undefined
  readonly floor: bigint
  readonly runs: readonly Run[]
  readonly paid?: PaidRecord | undefined
}

/** What a session was paid, and by which payments it is known what came later. */
export interface PaidRecord {
  readonly amount: bigint
  readonly heard: ReadonlyArray<readonly [channel: string, ids: readonly string[]]>
  /** When it was noted, in milliseconds since 1970. */
  readonly time: number
}

/**
 * `short`: so much is missing before the unit can be taken; `over`: the session is one of those
 * that had to be forgotten.
 */
export type Taking =
  | { readonly kind: 'taken' }
  | { readonly kind: 'spent already' }
  | { readonly kind: 'over' }
  | { readonly kind: 'short'; readonly missing: bigint }

export interface UnitOptions {
  /** The distance of two numbers; the price when left out. */
  readonly step?: bigint
  /** The end of the session, in milliseconds since 1970; never when left out. */
  readonly ends?: number | undefined
}

/** The sum that a session was paid, and the part of it that is spent. */
export interface Standing {
  readonly paid: bigint
  readonly spent: bigint
  readonly units: number
}

interface SessionsOptions {
  readonly most?: number
  /** True for sessions without an end, whose records say what they were paid. */
  readonly areEndless?: boolean
  /** Sessions of an earlier process. */
  readonly records?: Iterable<readonly [id: string, record: SessionRecord]>
  /** `Sessions.forgottenUpTo` of that process. */
  readonly forgottenUpTo?: number
}

export class Sessions {
  readonly #sessions = new Map<string, Session>()
  /** Those in which nothing is left: they are the first to be forgotten. */
  readonly #usedUp = new Set<string>()
  /**
   * When each payment came, in milliseconds since 1970: beside the sessions, so that one which is
   * forgotten, with what is spent of it, is not credited anew. By `keyOf`, as in `Session`.
   */
  readonly #payments = new Map<string, number>()
  readonly #most: number
  readonly #areEndless: boolean
  /** Sessions without an end that were paid since their records were taken. */
  readonly #changed = new Set<string>()
  /** The payments that the records of an earlier process count, as far as they name them. */
  readonly #counted = new Map<string, ReadonlySet<string>>()
  /**
   * When the newest of the records was taken, in milliseconds since 1970; undefined without one.
   */
  readonly recordedAt: number | undefined
  #made = 0
  /** Records that are to be removed. */
  #gone: string[] = []
  /**
   * The latest end of a session that was forgotten before it was over. One that is not known, and
   * does not end later, may be such a one, all of whose units could be spent again: it is over.
   */
  forgottenUpTo: number

  constructor({
    most = MOST_SESSIONS,
    areEndless = false,
    records = [],
    forgottenUpTo = 0
  }: SessionsOptions = {}) {
    this.#most = most
    this.#areEndless = areEndless
    this.forgottenUpTo = forgottenUpTo
    for (const [id, { spent, units, trusted, ends, floor, runs, paid }] of records) {
      const numbers = new SpentNumbers(floor, runs)
      const heard = new Map(paid?.heard.map(([channel, ids]) => [channel, [...ids]]))
      const rest = { spent, units, trusted, ends, numbers, heard, paid: paid?.amount ?? 0n }
      this.#sessions.set(id, { ...emptySession(), ...rest })
      if (paid === undefined) continue
      this.recordedAt = Math.max(this.recordedAt ?? 0, paid.time)
      this.#counted.set(id, heardKeys(heard))
    }
  }

  /**
   * Credits a payment to a session, once however often it is told.
   *
   * @param toldAgainFrom - what was told before is told by no look-up any more: it may be
   *   forgotten; in milliseconds since 1970
   */
  credit(id: string, payment: Credit, now: number, toldAgainFrom: number): void {
    for (const [known, time] of this.#payments) {
      if (time >= toldAgainFrom) break
      this.#payments.delete(known)
    }
    const key = keyOf(payment)
    if (this.#payments.has(key)) return
    this.#payments.set(key, now)
    const session = this.#of(id, now)
    if (session.units === 0) session.payments.push(key)
    session.paid += payment.amount
    // From the first payment on, what was had on trust is a debt.
    session.trusted = 0n
    this.#weigh(id, session)
    if (!this.#areEndless) return
    const heard = session.heard.get(payment.channel) ?? []
    session.heard.set(payment.channel, [...heard.slice(1 - MOST_HEARD), payment.id])
    this.#changed.add(id)
  }

  /**
   * Credits what a session was paid since its record was taken, from a list with the oldest payment
   * first: of each channel what comes after those that the record counts.
   */
  creditUnheard(id: string, listed: readonly Credit[], now: number, toldAgainFrom: number): void {
    const counted = this.#counted.get(id)
    const last = new Map<string, number>()
    for (const [at, payment] of listed.entries()) {
      if (counted?.has(keyOf(payment)) === true) last.set(payment.channel, at)
    }
    for (const [at, payment] of listed.entries()) {
      if (at > (last.get(payment.channel) ?? -1)) this.credit(id, payment, now, toldAgainFrom)
      // A look-up may tell of it once more.
      else this.#payments.set(keyOf(payment), now)
    }
  }

  /** Lets a session spend this much before its first payment. */
  trust(id: string, amount: bigint, now: number): void {
    const session = this.#of(id, now)
    session.trusted = amount
    this.#weigh(id, session)
  }

  /**
   * Takes the unit with a number of the payer's choice, which it uses once, when it is paid; one
   * more unit of a request that is answered has no number.
   */
  take(
    id: string,
    number: bigint | undefined,
    price: Satoshi,
    { step = price, ends }: UnitOptions = {}
  ): Taking {
    const session = this.#sessions.get(id)
    if (session === undefined) {
      return ends !== undefined && ends <= this.forgottenUpTo
        ? { kind: 'over' }
        : { kind: 'short', missing: price }
    }
    this.#touch(id, session)
    if (number !== undefined && session.numbers.has(number)) return { kind: 'spent already' }
    const missing = session.spent + price - session.paid
    if (missing > session.trusted) return { kind: 'short', missing }
    if (number !== undefined) session.numbers.add(number, step)
    session.spent += price
    session.units++
    session.ends = ends
    session.payments = []
    this.#weigh(id, session)
    return { kind: 'taken' }
  }

  /** Gives back what a unit cost that was not delivered. Its number stays used. */
  giveBack(id: string, price: Satoshi): void {
    const session = this.#sessions.get(id)
    // One that was forgotten meanwhile, and is paid again, has not spent it.
    if (session === undefined || session.spent < price) return
    session.spent -= price
    session.units--
    this.#weigh(id, session)
  }

  standing(id: string): Standing {
    const { paid, spent, units } = this.#sessions.get(id) ?? { paid: 0n, spent: 0n, units: 0 }
    return { paid, spent, units }
  }

  /**
   * What a restart must not forget of a session, and of those without an end that were paid
   * meanwhile.
   */
  takeRecords(id: string, now: number): ReadonlyArray<readonly [id: string, SessionRecord]> {
    const ids = [...this.#changed.add(id)]
    this.#changed.clear()
    return ids.flatMap((each) => {
      const record = this.#recordOf(each, now)
      return record === undefined ? [] : [[each, record] as const]
    })
  }

  #recordOf(id: string, now: number): SessionRecord | undefined {
    const session = this.#sessions.get(id)
    if (session === undefined) return undefined
    const { spent, units, trusted, ends, numbers, paid, heard } = session
    const record = { spent, units, trusted, ends, floor: numbers.floor, runs: numbers.runs }
    return this.#areEndless
      ? { ...record, paid: { amount: paid, heard: [...heard], time: now } }
      : record
  }

  /** The sessions whose records are to be removed, each told once. */
  takeGone(): readonly string[] {
    const gone = this.#gone
    this.#gone = []
    return gone
  }

  /** The session, which is the one used last from now on. */
  #of(id: string, now: number): Session {
    const known = this.#sessions.get(id)
    if (known === undefined && ++this.#made % SWEEP_EVERY === 0) this.#sweep(now)
    const session = known ?? emptySession()
    this.#touch(id, session)
    if (this.#sessions.size > this.#most) this.#forgetOne()
    return session
  }

  /** Notes if anything is left in it. */
  #weigh(id: string, { paid, trusted, spent }: Session): void {
    if (paid + trusted > spent) this.#usedUp.delete(id)
    else this.#usedUp.add(id)
  }

  #touch(id: string, session: Session): void {
    this.#sessions.delete(id)
    this.#sessions.set(id, session)
  }

  #sweep(now: number): void {
    for (const [id, { ends }] of this.#sessions) {
      if (ends === undefined || ends >= now) continue
      this.#remove(id)
    }
  }

  /** The one that was used longest ago: of those in which nothing is left, if there is one. */
  #forgetOne(): void {
    const [usedUp] = this.#usedUp
    const [oldest] = this.#sessions.keys()
    const id = usedUp ?? oldest
    if (id === undefined) return
    const { ends, payments = [] } = this.#sessions.get(id) ?? {}
    if (ends !== undefined) this.forgottenUpTo = Math.max(this.forgottenUpTo, ends)
    // Of which no unit was taken: its payments are counted once more when it comes again.
    for (const payment of payments) this.#payments.delete(payment)
    this.#remove(id)
  }

  #remove(id: string): void {
    this.#sessions.delete(id)
    this.#usedUp.delete(id)
    this.#gone.push(id)
  }
}

/** UPD-21: payers choose the ids of payments, so one says nothing about those on other channels. */
function keyOf({ channel, id }: { readonly channel: string; readonly id: string }): string {
  return `${channel}/${id}`
}

function heardKeys(heard: Session['heard']): ReadonlySet<string> {
  return new Set([...heard].flatMap(([channel, ids]) => ids.map((id) => keyOf({ channel, id }))))
}

function emptySession(): Session {
  return {
    paid: 0n,
    spent: 0n,
    units: 0,
    trusted: 0n,
    ends: undefined,
    numbers: new SpentNumbers(),
    payments: [],
    heard: new Map()
  }
}
