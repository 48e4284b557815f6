/** Payers, payees and times: the activities of a scenario as one stream in the order of time. */
import { Draws } from '../../testing/calendar.js'
import { type BlockDelta, type Satoshi, satoshi } from '../../types/units.js'
import type { Activity, ChannelGroup } from '../scenario/scenario.js'

/** A channel's place with a direction of payment. */
interface Way {
  readonly opening: number
  readonly direction: 'forth' | 'back'
  readonly other: string
}

/** The ways on which a node can pay its partners, and be paid by them. */
interface Ways {
  readonly out: Way[]
  readonly in: Way[]
}

interface Payer {
  readonly activity: Activity
  readonly hours: ActiveTime
  readonly ways: Ways
  readonly random: Draws
  /** Whole milliseconds of the activity's own time. */
  active: number
}

/** The payments of all activities, drawn one by one. `groupOf` gives the group of a node. */
export function* paymentsOf(
  activities: readonly Activity[],
  openings: readonly PlannedOpening[],
  groupOf: ReadonlyMap<string, string>,
  seed: number
): IterableIterator<PlannedPayment> {
  const payers = activities.flatMap((activity, i) => payersOf(activity, i, openings, groupOf, seed))
  const heap = new Heap(payers.length)
  for (const [place, payer] of payers.entries()) {
    const { every, during } = payer.activity
    // An exponential wait has no memory; for any other, a part has passed at the beginning.
    const wait = payer.random.of(every) * (every.kind === 'exponential' ? 1 : payer.random.unit())
    payer.active = payer.hours.at(Math.round(during.from * 1_000)) + Math.round(wait * 1_000)
    const time = timeOf(payer)
    if (time < during.until * 1_000) heap.push(place, time)
  }
  for (;;) {
    const place = heap.first
    const payer = place === undefined ? undefined : payers[place]
    if (payer === undefined) return
    const payment = paymentBy(payer)
    // At least a millisecond: time must advance.
    payer.active += Math.max(1, Math.round(payer.random.of(payer.activity.every) * 1_000))
    const next = timeOf(payer)
    if (next < payer.activity.during.until * 1_000) heap.postpone(next)
    else heap.shift()
    if (payment !== undefined) yield payment
  }
}

function timeOf({ hours, active }: Payer): number {
  return hours.timeOf(active)
}

/** Draws a payment; always the same number of draws, in either direction. */
function paymentBy(payer: Payer): PlannedPayment | undefined {
  const {
    activity: { amount, back, payee },
    ways,
    random
  } = payer
  const isBack = random.unit() < back
  const choice = random.unit()
  const drawn = random.of(amount)
  const choices = isBack ? ways.in : ways.out
  const way = choices[payee === 'partner' ? 0 : Math.floor(choice * choices.length)]
  if (way === undefined) return undefined
  return {
    time: timeOf(payer) / 1_000,
    opening: way.opening,
    direction: way.direction,
    amount: satoshi(BigInt(Math.max(1, Math.round(Math.min(drawn, MOST)))))
  }
}

/** Above every capacity; a wide distribution may give any value. */
const MOST = 1e15

function payersOf(
  activity: Activity,
  index: number,
  openings: readonly PlannedOpening[],
  groupOf: ReadonlyMap<string, string>,
  seed: number
): Payer[] {
  const hours = new ActiveTime(activity.hours)
  return [...waysOf(activity, openings, groupOf)]
    .map(([name, ways]) => ({
      activity,
      hours,
      ways: settled(activity, ways, new Draws(seed, `partner ${index} ${name}`)),
      random: new Draws(seed, `payments ${index} ${name}`),
      active: 0
    }))
    .filter(
      ({ ways }) =>
        (activity.back === 1 || ways.out.length > 0) && (activity.back === 0 || ways.in.length > 0)
    )
}

function waysOf(
  { from, to }: Activity,
  openings: readonly PlannedOpening[],
  groupOf: ReadonlyMap<string, string>
): Map<string, Ways> {
  const found = new Map<string, Ways>()
  const waysFor = (name: string): Ways => {
    const ways = found.get(name) ?? { out: [], in: [] }
    found.set(name, ways)
    return ways
  }
  for (const [opening, { client, server, step }] of openings.entries()) {
    if (groupOf.get(client) === from && groupOf.get(server) === to) {
      const ways = waysFor(client)
      ways.out.push({ opening, direction: 'forth', other: server })
      if (step !== undefined) ways.in.push({ opening, direction: 'back', other: server })
    }
    if (groupOf.get(server) === from && groupOf.get(client) === to) {
      const ways = waysFor(server)
      ways.in.push({ opening, direction: 'forth', other: client })
      if (step !== undefined) ways.out.push({ opening, direction: 'back', other: client })
    }
  }
  return found
}

/** With one payee for good, keeps one way, and one from the same partner back. */
function settled({ payee }: Activity, ways: Ways, random: Draws): Ways {
  if (payee === 'any') return ways
  const choices = ways.out.length > 0 ? ways.out : ways.in
  const chosen = choices[random.below(choices.length)]
  const onlyBy = (list: readonly Way[]): Way[] =>
    list
      .filter((way) => way.opening === chosen?.opening || way.other === chosen?.other)
      .sort((a, b) => Number(b.opening === chosen?.opening) - Number(a.opening === chosen?.opening))
      .slice(0, 1)
  return { out: onlyBy(ways.out), in: onlyBy(ways.in) }
}

/**
 * Finds the earliest of many timed places: a binary heap over numbered places, without an object
 * for each.
 */
class Heap {
  readonly #times: Float64Array
  readonly #order: Int32Array
  #size = 0

  /** For the places 0 to `capacity` - 1. */
  constructor(capacity: number) {
    this.#times = new Float64Array(capacity)
    this.#order = new Int32Array(capacity)
  }

  /** The place with the earliest time, of several the smallest; undefined when none is left. */
  get first(): number | undefined {
    return this.#size === 0 ? undefined : this.#order[0]
  }

  /** Inserts a place that is not in the heap. */
  push(place: number, time: number): void {
    this.#times[place] = time
    let at = this.#size++
    while (at > 0) {
      const above = (at - 1) >> 1
      const other = this.#at(above)
      if (!this.#isBefore(place, other)) break
      this.#order[at] = other
      at = above
    }
    this.#order[at] = place
  }

  /** Gives the first place a later time. */
  postpone(time: number): void {
    const place = this.#at(0)
    this.#times[place] = time
    this.#sink(place)
  }

  /** Removes the first place. */
  shift(): void {
    const last = this.#at(--this.#size)
    if (this.#size > 0) this.#sink(last)
  }

  /** Moves a place down to its position. */
  #sink(place: number): void {
    let at = 0
    for (;;) {
      let below = 2 * at + 1
      if (below >= this.#size) break
      if (below + 1 < this.#size && this.#isBefore(this.#at(below + 1), this.#at(below))) below++
      if (!this.#isBefore(this.#at(below), place)) break
      this.#order[at] = this.#at(below)
      at = below
    }
    this.#order[at] = place
  }

  #at(index: number): number {
    return this.#order[index] ?? 0
  }

  #isBefore(a: number, b: number): boolean {
    const difference = (this.#times[a] ?? 0) - (this.#times[b] ?? 0)
    return difference < 0 || (difference === 0 && a < b)
  }
}

/**
 * The hours of the day with payments, as a time that stands still in between: the rate per hour
 * applies to it, for any number of hours. Whole milliseconds.
 */
const HOUR = 3_600_000
const DAY = 24 * HOUR

interface Hours {
  readonly from: number
  readonly until: number
}

class ActiveTime {
  readonly #from: number
  /** Milliseconds per day. */
  readonly #length: number

  /** Undefined: all day. `until` below `from` is a night. */
  constructor(hours: Hours | undefined) {
    this.#from = Math.round((hours?.from ?? 0) * HOUR)
    const length = Math.round(((hours?.until ?? 24) - (hours?.from ?? 0)) * HOUR)
    this.#length = length > 0 ? length : length + DAY
  }

  /** The active time so far; negative before the first day's beginning. */
  at(time: number): number {
    const since = time - this.#from
    const day = Math.floor(since / DAY)
    return day * this.#length + Math.min(since - day * DAY, this.#length)
  }

  /** The time at which the active time reaches a value. */
  timeOf(active: number): number {
    const day = Math.floor(active / this.#length)
    return day * DAY + this.#from + (active - day * this.#length)
  }
}

export interface PlannedOpening {
  /** Seconds of virtual time. */
  readonly time: number
  /** Names of nodes. */
  readonly client: string
  readonly server: string
  readonly capacity: Satoshi
  /** L minus the height at the opening. */
  readonly blocks: BlockDelta
  /** Undefined: one-way. */
  readonly step: BlockDelta | undefined
  readonly then: ChannelGroup['then']
}

export interface PlannedPayment {
  /** Seconds of virtual time. */
  readonly time: number
  /** Index in `Plan.openings`. */
  readonly opening: number
  /** `forth`: from the opening's client to its server. */
  readonly direction: 'forth' | 'back'
  readonly amount: Satoshi
}
