/** Asks for payments as the plan says, and notes what callers are told. */
import { codeOf } from '../../types/errors.js'
import type { Flow } from '../measure/channel-record.js'
import type { PaymentCounts } from '../measure/payments.js'
import type { SimNode } from '../nodes/sim-node.js'
import type { Plan, PlannedPayment } from '../plan.js'
import type { Calendar } from '../world/calendar.js'
import type { OpeningsDriver } from './openings.js'

/** A payment whose caller has no answer yet. */
interface Pending { readonly flow: Flow, readonly amount: number }

export interface NodePayments { asked: number, made: number }

export class PaymentsDriver {
  readonly byNode = new Map<SimNode, NodePayments>()
  readonly #pending = new Map<SimNode, Set<Pending>>()
  readonly #payments: Iterator<PlannedPayment>

  constructor (plan: Plan, private readonly calendar: Calendar, private readonly openings: OpeningsDriver, private readonly counts: PaymentCounts) {
    this.#payments = plan.payments()
  }

  /** One at a time is on the calendar: there may be millions. */
  begin (): void {
    const next = this.#payments.next()
    if (next.done === true) return
    this.calendar.at(next.value.time * 1_000, () => {
      this.#pay(next.value)
      this.begin()
    })
  }

  /** The process of a node is gone: who waited for it hears nothing any more. */
  gone (node: SimNode): void {
    const waiting = this.#pending.get(node) ?? new Set()
    for (const pending of waiting) this.#unknown(pending)
    waiting.clear()
  }

  /** What was asked for in one direction of a channel and is not answered, in satoshis. */
  pendingOf (flow: Flow): number {
    let sum = 0
    for (const waiting of this.#pending.values()) for (const pending of waiting) if (pending.flow === flow) sum += pending.amount
    return sum
  }

  /** The simulation is over. */
  end (): void {
    for (const node of [...this.#pending.keys()]) this.gone(node)
  }

  #pay ({ opening, direction, amount }: PlannedPayment): void {
    const { counts } = this
    const record = this.openings.current(opening)
    counts.asked += 1
    if (record === undefined) {
      counts.refused('ERR_NO_CHANNEL')
      return
    }
    const payer = direction === 'forth' ? record.client : record.server
    const tally = this.#tallyOf(payer)
    tally.asked += 1
    if (!payer.isUp || payer.engine === undefined) counts.refused('ERR_NODE_DOWN')
    else if (record.id === undefined) counts.refused(record.failure ?? 'ERR_CHANNEL_NOT_OPEN')
    else {
      const pending: Pending = { flow: record[direction], amount: Number(amount) }
      const waiting = this.#pending.get(payer) ?? new Set()
      this.#pending.set(payer, waiting.add(pending))
      const asked = this.calendar.now
      payer.engine.pay(record.id, amount, '').then(() => {
        if (!waiting.delete(pending)) return
        pending.flow.made += 1
        pending.flow.volume += pending.amount
        record.lastPaidAt = this.calendar.now
        tally.made += 1
        counts.succeeded(pending.amount, (this.calendar.now - asked) / 1_000)
      }, (error: unknown) => {
        if (!waiting.delete(pending)) return
        if (codeOf(error) === 'ERR_PAYMENT_UNKNOWN') this.#unknown(pending)
        else counts.refused(codeOf(error))
      })
    }
  }

  #unknown ({ flow, amount }: Pending): void {
    flow.unknown += amount
    this.counts.unknown += 1
  }

  #tallyOf (node: SimNode): NodePayments {
    const tally = this.byNode.get(node) ?? { asked: 0, made: 0 }
    this.byNode.set(node, tally)
    return tally
  }
}
