/** Asks for payments as the plan says, and notes the answers to callers. */
import { codeOf } from '../../types/errors.js'
import { type Flow } from '../measure/channels.js'
import { isForOff, type PaymentCounts, type PaymentOutcome } from '../measure/payments.js'
import type { SimNode } from '../node.js'
import type { Plan } from '../plan.js'
import type { PlannedPayment } from '../plan/traffic.js'
import type { Calendar } from '../../testing/calendar.js'
import type { OpeningsDriver } from './openings.js'

/** A payment whose caller has no answer yet. */
interface Pending {
  readonly id: number
  readonly channel: number
  readonly flow: Flow
  readonly amount: number
}

export interface NodePayments {
  asked: number
  made: number
}

export class PaymentsDriver {
  readonly byNode = new Map<SimNode, NodePayments>()
  readonly #pending = new Map<SimNode, Set<Pending>>()
  readonly #payments: Iterator<PlannedPayment>
  readonly #calendar: Calendar
  readonly #openings: OpeningsDriver
  readonly #counts: PaymentCounts
  readonly #tell: (outcome: PaymentOutcome) => void

  constructor(
    plan: Plan,
    calendar: Calendar,
    openings: OpeningsDriver,
    counts: PaymentCounts,
    tell: (outcome: PaymentOutcome) => void
  ) {
    this.#calendar = calendar
    this.#openings = openings
    this.#counts = counts
    this.#tell = tell
    this.#payments = plan.payments()
  }

  /** One at a time is on the calendar: there may be millions. */
  begin(): void {
    const next = this.#payments.next()
    if (next.done === true) return
    this.#calendar.at(next.value.time * 1_000, () => {
      this.#pay(next.value)
      this.begin()
    })
  }

  /** The process of a node is gone: its waiting callers get no answer. */
  gone(node: SimNode): void {
    const waiting = this.#pending.get(node) ?? new Set()
    for (const pending of waiting) this.#unknown(pending)
    waiting.clear()
  }

  /** The unanswered requests in one direction of a channel, in satoshis. */
  pendingOf(flow: Flow): number {
    let sum = 0
    for (const waiting of this.#pending.values()) {
      for (const pending of waiting) if (pending.flow === flow) sum += pending.amount
    }
    return sum
  }

  /** Ends the payments with the simulation. */
  end(): void {
    for (const node of [...this.#pending.keys()]) this.gone(node)
  }

  #pay({ opening, direction, amount }: PlannedPayment): void {
    const counts = this.#counts
    const record = this.#openings.current(opening)
    const id = counts.planned++
    if (record === undefined) {
      this.#failed('ERR_NO_CHANNEL', { id, seconds: 0 })
      return
    }
    const { client, server } = record
    const [payer, payee] = direction === 'forth' ? [client, server] : [server, client]
    const channel = record.number
    if (!payer.isUp || payer.engine === undefined) {
      this.#off({ id, channel })
      return
    }
    const tally = this.#tallyOf(payer)
    tally.asked += 1
    // Each life of a node has an engine of its own.
    const life = payee.isUp ? payee.engine : undefined
    const refused = (code: string, seconds: number): void => {
      if (isForOff(code, payee.isUp && payee.engine === life)) {
        tally.asked -= 1
        this.#off({ id, channel, code, seconds })
      } else this.#failed(code, { id, channel, seconds })
    }
    if (record.id === undefined) {
      refused(record.failure ?? 'ERR_CHANNEL_NOT_OPEN', 0)
    } else {
      const pending: Pending = { id, channel, flow: record[direction], amount: Number(amount) }
      const waiting = this.#waitingOf(payer).add(pending)
      const asked = this.#calendar.now
      const seconds = (): number => (this.#calendar.now - asked) / 1_000
      payer.engine.pay(record.id, amount, '').then(
        () => {
          if (!waiting.delete(pending)) return
          pending.flow.made += 1
          pending.flow.volume += pending.amount
          record.lastPaidAt = this.#calendar.now
          tally.made += 1
          counts.succeeded(pending.amount, seconds())
          this.#tell({ id, status: 'made', seconds: seconds(), channel })
        },
        (error: unknown) => {
          if (!waiting.delete(pending)) return
          if (codeOf(error) === 'ERR_PAYMENT_UNKNOWN') this.#unknown(pending)
          else refused(codeOf(error), seconds())
        }
      )
    }
  }

  /** Notes that payer or payee is switched off. */
  #off(what: Omit<PaymentOutcome, 'status'>): void {
    this.#counts.off += 1
    this.#tell({ ...what, status: 'off' })
  }

  #failed(code: string, what: Pick<PaymentOutcome, 'id' | 'channel' | 'seconds'>): void {
    this.#counts.refused(code)
    this.#tell({ ...what, status: 'failed', code })
  }

  #unknown({ id, channel, flow, amount }: Pending): void {
    flow.unknown += amount
    this.#counts.unknown += 1
    this.#tell({ id, status: 'unknown', channel })
  }

  #waitingOf(node: SimNode): Set<Pending> {
    const known = this.#pending.get(node)
    if (known !== undefined) return known
    const waiting = new Set<Pending>()
    this.#pending.set(node, waiting)
    return waiting
  }

  #tallyOf(node: SimNode): NodePayments {
    const known = this.byNode.get(node)
    if (known !== undefined) return known
    const tally = { asked: 0, made: 0 }
    this.byNode.set(node, tally)
    return tally
  }
}
