/**
 * What became of all payments of a simulation, by their place in the plan: a few bytes for each,
 * since there may be millions.
 */
import type { PaymentOutcome } from '../measure/outcome.js'

const STATUSES = ['made', 'failed', 'unknown', 'off'] as const
const FIRST_ROOM = 1_024
/** Of a channel: none. */
const NONE = -1

export class Outcomes {
  /** 1 more than the place in `STATUSES`; 0: not told. */
  #statuses = new Uint8Array(FIRST_ROOM)
  #codes = new Uint16Array(FIRST_ROOM)
  #seconds = new Float64Array(FIRST_ROOM)
  #channels = new Int32Array(FIRST_ROOM)
  /** The error codes that there have been; the first is none. */
  readonly #names = ['']

  /** For the simulator's `onOutcome`. */
  readonly add = ({ id, status, code = '', seconds, channel = NONE }: PaymentOutcome): void => {
    this.#reserve(id + 1)
    this.#statuses[id] = STATUSES.indexOf(status) + 1
    this.#codes[id] = this.#numberOf(code)
    this.#seconds[id] = seconds ?? NaN
    this.#channels[id] = channel
  }

  /** Undefined when nothing was told of it. */
  of(id: number): PaymentOutcome | undefined {
    const status = STATUSES[(this.#statuses[id] ?? 0) - 1]
    if (status === undefined) return undefined
    const code = this.#names[this.#codes[id] ?? 0] ?? ''
    const seconds = this.#seconds[id] ?? NaN
    const channel = this.#channels[id] ?? NONE
    return {
      id,
      status,
      ...(code === '' ? {} : { code }),
      ...(Number.isNaN(seconds) ? {} : { seconds }),
      ...(channel === NONE ? {} : { channel })
    }
  }

  #numberOf(code: string): number {
    const known = this.#names.indexOf(code)
    return known === -1 ? this.#names.push(code) - 1 : known
  }

  #reserve(size: number): void {
    if (size <= this.#statuses.length) return
    const room = Math.max(size, 2 * this.#statuses.length)
    this.#statuses = grown(this.#statuses, new Uint8Array(room))
    this.#codes = grown(this.#codes, new Uint16Array(room))
    this.#seconds = grown(this.#seconds, new Float64Array(room))
    this.#channels = grown(this.#channels, new Int32Array(room))
  }
}

function grown<T extends { set: (from: T) => void }>(from: T, to: T): T {
  to.set(from)
  return to
}
