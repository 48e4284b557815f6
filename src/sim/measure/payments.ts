/** The outcomes of payments. */
import type { PaymentTotals, Summary } from '../results.js'

export class PaymentCounts {
  /** Number of payments of the plan so far, and index of the next. */
  planned = 0
  /**
   * Payments while the payer's or the payee's node was switched off: they do not count as asked.
   */
  off = 0
  made = 0
  unknown = 0
  volume = 0
  readonly #failed = new Map<string, number>()
  readonly #latencies: number[] = []
  failed = 0

  /** `seconds`: from the request to the acknowledgement. */
  succeeded(amount: number, seconds: number): void {
    this.made += 1
    this.volume += amount
    this.#latencies.push(seconds)
  }

  get asked(): number {
    return this.planned - this.off
  }

  refused(code: string): void {
    this.failed += 1
    this.#failed.set(code, (this.#failed.get(code) ?? 0) + 1)
  }

  totals(seconds: number): PaymentTotals {
    return {
      asked: this.asked,
      off: this.off,
      made: this.made,
      unknown: this.unknown,
      failed: Object.fromEntries([...this.#failed].sort(([a], [b]) => (a < b ? -1 : 1))),
      volume: this.volume,
      latency: summaryOf(this.#latencies),
      throughput: seconds > 0 ? rounded(this.made / seconds) : 0
    }
  }
}

/** Summarizes a set of numbers. */
export function summaryOf(numbers: readonly number[]): Summary {
  const sorted = [...numbers].sort((a, b) => a - b)
  const at = (part: number): number =>
    rounded(sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0)
  return {
    count: sorted.length,
    mean: rounded(sorted.reduce((sum, value) => sum + value, 0) / Math.max(1, sorted.length)),
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    max: rounded(sorted.at(-1) ?? 0)
  }
}

/** Rounds to six decimals, which are enough for readers and keep files small. */
export function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6
}

/** The payer's error when nobody answers. */
const UNREACHABLE = 'ERR_PEER_UNREACHABLE'

/** The outcome of one requested payment, for a record of each. */
export interface PaymentOutcome {
  /** Its index in the plan's payments. */
  readonly id: number
  /**
   * `unknown`: signed, without an answer before the end. `off`: the scenario had switched off the
   * payer's node, so nobody asked, or the payee's, so nobody answered (`code` is set then).
   */
  readonly status: 'made' | 'failed' | 'unknown' | 'off'
  /** The reason for the failure. */
  readonly code?: string
  /** Seconds from the request to the answer. */
  readonly seconds?: number
  /** The number of its channel; undefined when there was none. */
  readonly channel?: number
}

/**
 * True when a refusal is due to the payee's node, which was switched off during the request. Every
 * other error counts as a failure, also then.
 */
export function isForOff(code: string, payeeStayedUp: boolean): boolean {
  return code === UNREACHABLE && !payeeStayedUp
}
