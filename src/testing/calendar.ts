/**
 * Virtual time: future events, in the order of their time, and of the asking where times are the
 * same. Nothing waits: time jumps to the next event. All promises that an event has settled run
 * before the next event (`run`), so that a run is the same every time.
 */
import { sha256OfText } from '../bitcoin/hashes.js'
import type { Clock, Random, Unsubscribe } from '../engine/ports.js'

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

/*
 * The draws of a simulation: from the seed, and for each purpose from a stream of its own, so that
 * one more draw here changes nothing there.
 */

/** A distribution of numbers that are drawn anew each time. */
export type Distribution =
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'uniform'; readonly least: number; readonly most: number }
  | { readonly kind: 'exponential'; readonly mean: number }
  /** Half of the draws are below the median; `sigma` is the deviation of the logarithm. */
  | { readonly kind: 'lognormal'; readonly median: number; readonly sigma: number }

/** A span that begins at `from` and ends before `until`. */
export interface Span {
  readonly from: number
  readonly until: number
}

export class Draws implements Random {
  readonly #state: Uint32Array

  /**
   * @param purpose - such as `loss` or `node alice`: the same seed and purpose give the same draws
   */
  constructor(seed: number, purpose: string) {
    const digest = sha256OfText(`paychan simulation ${seed} ${purpose}`)
    this.#state = new Uint32Array(Uint8Array.from(digest).buffer, 0, 4)
  }

  /** Small fast counter generator (sfc32, a generator in the public domain): 32 bits. */
  #next(): number {
    const state = this.#state
    const [a = 0, b = 0, c = 0, counter = 0] = state
    const result = (a + b + counter) >>> 0
    state[3] = counter + 1
    state[0] = b ^ (b >>> 9)
    state[1] = c + (c << 3)
    state[2] = ((c << 21) | (c >>> 11)) + result
    return result
  }

  /** Draws from 0 up to, and without, 1. */
  unit(): number {
    return this.#next() / 4_294_967_296
  }

  /** Draws a whole number from 0 up to, and without, `below`. */
  below(below: number): number {
    return Math.floor(this.unit() * below)
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    for (let at = 0; at < length; at++) bytes[at] = this.#next() >>> 24
    return bytes
  }

  /** Draws a number of a distribution; never negative. */
  of(distribution: Distribution): number {
    return Math.max(0, this.#of(distribution))
  }

  #of(distribution: Distribution): number {
    switch (distribution.kind) {
      case 'constant':
        return distribution.value
      case 'uniform':
        return distribution.least + (distribution.most - distribution.least) * this.unit()
      case 'exponential':
        return -distribution.mean * Math.log(1 - this.unit())
      case 'lognormal':
        return distribution.median * Math.exp(distribution.sigma * this.#normal())
    }
  }

  /** Draws by the method of Box and Muller. */
  #normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.unit())) * Math.cos(2 * Math.PI * this.unit())
  }
}
