/**
 * Virtual time: future events, in the order of their time, and of the asking where times are the
 * same. Nothing waits: time jumps to the next event. All promises that an event has settled run
 * before the next event (`run`), so that a run is the same every time.
 */
import type { Clock, Unsubscribe } from '../engine/ports.js'

/** An event at a time; `cancelled` events are dropped when their time comes. */
interface Entry {
  readonly time: number
  readonly order: number
  readonly action: () => void
  cancelled: boolean
}

/** Events between two looks at the event loop of the process. */
const EVENTS_A_TURN = 256

export class Calendar {
  /** A binary heap: the first is the next, and each comes before the two at twice its place. */
  readonly #heap: Entry[] = []
  #order = 0
  #now = 0
  #events = 0
  /** Called when all consequences of an event are over. */
  afterEach: (() => void) | undefined

  /** Milliseconds of virtual time since the beginning. */
  get now(): number {
    return this.#now
  }

  /** Number of events that have happened. */
  get events(): number {
    return this.#events
  }

  /** The time of the next event; undefined when there is none. */
  get next(): number | undefined {
    this.#dropCancelled()
    return this.#heap[0]?.time
  }

  /** Plans an action in `ms` milliseconds. Returns a function that cancels it. */
  after(ms: number, action: () => void): () => void {
    return this.at(this.#now + ms, action)
  }

  /**
   * Plans an action at a time; one in the past happens next. Returns a function that cancels it.
   */
  at(time: number, action: () => void): () => void {
    const entry: Entry = {
      time: Math.max(time, this.#now),
      order: this.#order++,
      action,
      cancelled: false
    }
    this.#push(entry)
    return () => {
      entry.cancelled = true
    }
  }

  /**
   * Runs all events up to and with a time, or until `stopped` returns true. Node.js runs all
   * microtasks between two callbacks of `setImmediate`, and many of these in one turn of its event
   * loop: the cheapest way to let each event end before the next (0.3 microseconds).
   */
  async run(until: number, stopped: () => boolean = () => false): Promise<void> {
    for (;;) {
      if (stopped() || (this.next ?? Infinity) > until) break
      await this.#turn(until, stopped)
    }
    if (!stopped()) this.#now = Math.max(this.#now, until)
  }

  #turn(until: number, stopped: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const step = (): void => {
        try {
          if (!stopped()) this.#step(until)
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)))
        }
      }
      for (let n = 0; n < EVENTS_A_TURN; n++) setImmediate(step)
      setImmediate(resolve)
    })
  }

  #step(until: number): void {
    this.#dropCancelled()
    const first = this.#heap[0]
    if (first === undefined || first.time > until) return
    this.#pop()
    this.#now = first.time
    if (this.#events > 0) this.afterEach?.()
    this.#events += 1
    first.action()
  }

  #dropCancelled(): void {
    while (this.#heap[0]?.cancelled === true) this.#pop()
  }

  #push(entry: Entry): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(entry)
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent]
      if (above === undefined || !isBefore(entry, above)) break
      heap[at] = above
      at = parent
    }
    heap[at] = entry
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      let below = heap[child]
      if (below === undefined) break
      const other = heap[child + 1]
      if (other !== undefined && isBefore(other, below)) {
        child += 1
        below = other
      }
      if (!isBefore(below, last)) break
      heap[at] = below
      at = child
    }
    heap[at] = last
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.time < b.time || (a.time === b.time && a.order < b.order)
}

/** A node's clock: virtual time, off by its skew. Its timers die with it. */

/** 2026-01-01 00:00 UTC: where virtual time begins for people. */
const EPOCH_MS = 1_767_225_600_000

export class SimClock implements Clock {
  readonly #calendar: Calendar
  readonly #life: Life
  readonly #skewMs: number

  constructor(calendar: Calendar, life: Life, skewMs: number) {
    this.#calendar = calendar
    this.#life = life
    this.#skewMs = skewMs
  }

  now(): number {
    return Math.round(EPOCH_MS + this.#calendar.now + this.#skewMs)
  }

  after(ms: number, callback: () => void): Unsubscribe {
    return this.#calendar.after(ms, () => {
      if (this.#life.alive) callback()
    })
  }
}

/**
 * One life of a process, from its start to its crash or stop. Nobody hears the answers of ports
 * after its end.
 */
export class Life {
  #alive = true
  readonly #ends: Array<() => void> = []

  get alive(): boolean {
    return this.#alive
  }

  /** Asks anew whether it is over: it may have ended while somebody waited. */
  isOver(): boolean {
    return !this.#alive
  }

  /** Ends the process. */
  end(): void {
    if (!this.#alive) return
    this.#alive = false
    for (const end of this.#ends.splice(0)) end()
  }

  onEnd(callback: () => void): void {
    this.#ends.push(callback)
  }

  /** Passes on a port's answer while somebody is there to hear it; a dead process asks nothing. */
  async ask<T>(question: () => Promise<T>): Promise<T> {
    if (!this.#alive) return await never()
    try {
      const answer = await question()
      return this.isOver() ? await never() : answer
    } catch (error) {
      if (this.isOver()) return await never()
      throw error
    }
  }
}

/** Never settles: a dead process answers nobody. */
export function never<T>(): Promise<T> {
  return new Promise<T>(() => {})
}
