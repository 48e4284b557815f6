/**
 * The draws of a simulation: from the seed, and for each purpose from a stream of its own, so that
 * one more draw here changes nothing there.
 */
import { sha256OfText } from '../bitcoin/hashes.js'
import type { Random } from '../engine/ports.js'

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
