/**
 * The figures of a node that runs, for Prometheus. What happens is counted as it happens; all else
 * is read when somebody asks. Nothing here is loaded by a node without an API.
 */
import { prometheusMetrics } from '@libp2p/prometheus-metrics'
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client'
import type { Meter } from '../engine/ports.js'
import type { LocalNode, NodeEvent } from '../node/api.js'
import type { NodeOptions } from '../node/create-node.js'
import { isErrorCode } from '../types/error-codes.js'
import { codeOf, factsOf } from '../types/errors.js'
import {
  type Metric,
  METRICS,
  type PaymentCount,
  type ReadMetric,
  type Seen
} from './metrics-table.js'

/**
 * A histogram of times for Prometheus. It stands beside those of prom-client, which take a quarter
 * of a microsecond for each value, where a payment of a busy channel takes twelve: here it is a
 * tenth of that.
 */
export class Timing {
  readonly #counts: number[]
  #sum = 0
  readonly #name: string
  readonly #help: string
  readonly #bounds: readonly number[]

  /** @param bounds - upper bounds in seconds, the lowest first */
  constructor(name: string, help: string, bounds: readonly number[]) {
    this.#name = name
    this.#help = help
    this.#bounds = bounds
    this.#counts = Array.from({ length: bounds.length + 1 }, () => 0)
  }

  observe(ms: number): void {
    const seconds = ms / 1_000
    let place = 0
    while (seconds > (this.#bounds[place] ?? Infinity)) place += 1
    this.#counts[place] = (this.#counts[place] ?? 0) + 1
    this.#sum += seconds
  }

  /** In the text format of Prometheus: how many values are at most each bound. */
  get text(): string {
    let count = 0
    const buckets = this.#counts.map((more, place) => {
      count += more
      return `${this.#name}_bucket{le="${this.#bounds[place] ?? '+Inf'}"} ${count}`
    })
    return [
      `# HELP ${this.#name} ${this.#help}`,
      `# TYPE ${this.#name} histogram`,
      ...buckets,
      `${this.#name}_sum ${this.#sum}`,
      `${this.#name}_count ${count}`
    ].join('\n')
  }
}

/** A page of figures, as `/metrics` shows it. */
export interface MetricsPage {
  readonly contentType: string
  readonly text: () => Promise<string>
}

type Kind = Pick<PaymentCount, 'direction' | 'outcome'>

const KINDS: readonly Kind[] = [
  { direction: 'sent', outcome: 'acknowledged' },
  { direction: 'sent', outcome: 'unknown' },
  { direction: 'sent', outcome: 'refused' },
  { direction: 'received', outcome: 'acknowledged' }
]

/**
 * Codes come from other releases and from servers, too: what is not in our table is one of these.
 */
const OTHER_CODE = 'other'

export class NodeMetrics {
  readonly #registry = new Registry()
  /** libp2p registers again when the node is made a second time, on another port. */
  #libp2p = new Registry()
  readonly #payments = KINDS.map((kind) => ({ ...kind, count: 0, amount: 0n }))
  readonly #sent = this.#countOf('sent', 'acknowledged')
  readonly #received = this.#countOf('received', 'acknowledged')
  readonly #acknowledged = timingOf('paychan_payment_acknowledgement_seconds')
  readonly #committed = timingOf('paychan_commit_seconds')
  readonly #alarms = new Map<string, number>()
  readonly #highRisks = new Map<string, bigint>()
  #tip: { readonly height: number; readonly since: number } | undefined
  readonly #reading: Array<(seen: Seen) => void>

  /** The options with which the node is to be made. */
  readonly forNode: Required<Pick<NodeOptions, 'meter' | 'metrics'>>
  readonly #now: () => number

  /** @param now - milliseconds of a clock that only goes forward */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
    collectDefaultMetrics({ register: this.#registry })
    const meter: Meter = {
      now,
      acknowledged: (ms) => {
        this.#acknowledged.observe(ms)
      },
      committed: (ms) => {
        this.#committed.observe(ms)
      },
      failed: (amount, error) => {
        this.#failed(amount, error)
      }
    }
    this.forNode = {
      meter,
      metrics: (components) => {
        this.#libp2p = new Registry()
        const options = { registry: this.#libp2p, collectDefaultMetrics: false }
        return prometheusMetrics(options)(components)
      }
    }
    this.#reading = Object.entries<Metric>(METRICS).flatMap(([name, metric]) =>
      metric.type === 'histogram' ? [] : [this.#reader(name, metric)]
    )
  }

  /** Called with each event of the node, from its start on. */
  readonly count = (event: NodeEvent): void => {
    switch (event.type) {
      case 'payment': {
        const { direction, amount } = event.payment
        const counted = direction === 'sent' ? this.#sent : this.#received
        counted.count += 1
        counted.amount += amount
        break
      }
      case 'alarm': {
        const code = isErrorCode(event.code) ? event.code : OTHER_CODE
        this.#alarms.set(code, (this.#alarms.get(code) ?? 0) + (event.count ?? 1))
        break
      }
      case 'risk':
        if (event.isHigh) this.#highRisks.set(event.channel, event.stake)
        else this.#highRisks.delete(event.channel)
        break
      case 'chain':
        if (event.height !== undefined && event.height !== this.#tip?.height) {
          this.#tip = { height: event.height, since: this.#now() }
        }
        break
      default:
    }
  }

  /** The page about a node that `forNode` was given to. */
  of(node: LocalNode): MetricsPage {
    return {
      contentType: this.#registry.contentType,
      text: async () => {
        const [info, balance, transactions] = await Promise.all([
          node.info(),
          node.wallet.balance(),
          node.wallet.transactions()
        ])
        const seen: Seen = {
          info,
          balance,
          transactions,
          channels: node.gate().outlines(),
          payments: this.#payments,
          alarms: this.#alarms,
          highRisks: [...this.#highRisks.values()],
          tipAge: this.#tip && (this.#now() - this.#tip.since) / 1_000
        }
        for (const read of this.#reading) read(seen)
        return [
          this.#acknowledged.text,
          this.#committed.text,
          await this.#registry.metrics(),
          await this.#libp2p.metrics()
        ].join('\n')
      }
    }
  }

  #countOf(
    direction: Kind['direction'],
    outcome: Kind['outcome']
  ): { count: number; amount: bigint } {
    const found = this.#payments.find(
      (each) => each.direction === direction && each.outcome === outcome
    )
    if (found === undefined) throw new TypeError(`no payment is ${direction} and ${outcome}`)
    return found
  }

  /** A part may have been acknowledged, which its event has told. */
  #failed(amount: bigint, error: unknown): void {
    const { paid, unknown } = factsOf(error)
    const isUnknown =
      codeOf(error) === 'ERR_PAYMENT_UNKNOWN' || (typeof unknown === 'bigint' && unknown > 0n)
    const counted = this.#countOf('sent', isUnknown ? 'unknown' : 'refused')
    counted.count += 1
    counted.amount += typeof paid === 'bigint' ? amount - paid : amount
  }

  /** Shows, of a metric, the samples that there are now, and no older ones. */
  #reader(name: string, { type, help, labels, read }: ReadMetric): (seen: Seen) => void {
    const options = { name, help, labelNames: [...labels], registers: [this.#registry] }
    const shown = type === 'counter' ? new Counter(options) : new Gauge(options)
    return (seen) => {
      shown.reset()
      if (labels.length === 0) shown.remove()
      for (const [value, ...values] of read(seen)) {
        const named = Object.fromEntries(labels.map((label, i) => [label, values[i] ?? '']))
        shown.inc(named, Number(value))
      }
    }
  }
}

function timingOf(
  name: 'paychan_payment_acknowledgement_seconds' | 'paychan_commit_seconds'
): Timing {
  const { help, buckets } = METRICS[name]
  return new Timing(name, help, buckets)
}
