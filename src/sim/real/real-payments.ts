/** Asks real nodes for payments as the plan says, and notes the answers to callers. */
import { codeOf } from '../../types/errors.js'
import type { NodePayments } from '../drive/payments.js'
import { isForOff, type PaymentOutcome, PaymentCounts } from '../measure/payments.js'
import type { PlannedPayment } from '../plan.js'
import type { Places, RealChannel } from './places.js'

export class RealPayments {
  readonly counts = new PaymentCounts()
  /** The payments of each node, by name. */
  readonly byNode = new Map<string, NodePayments>()
  readonly #places: Places
  readonly #tell: (outcome: PaymentOutcome) => void

  constructor(places: Places, tell: (outcome: PaymentOutcome) => void) {
    this.#places = places
    this.#tell = tell
  }

  /** Asks in the order of the place; other places do not wait. */
  ask(payment: PlannedPayment): void {
    const id = this.counts.planned++
    this.#places.do(payment.opening, async (channel) => {
      await this.#pay(id, payment, channel)
    })
  }

  async #pay(
    id: number,
    { time, direction, amount }: PlannedPayment,
    channel: RealChannel | undefined
  ): Promise<void> {
    if (channel === undefined) {
      this.#failed({ id, code: 'ERR_NO_CHANNEL', seconds: 0 })
      return
    }
    const { client, server, number } = channel
    const [payer, payee] = direction === 'forth' ? [client, server] : [server, client]
    if (!payer.isUp) {
      this.#off({ id, channel: number })
      return
    }
    const tally = this.byNode.get(payer.name) ?? { asked: 0, made: 0 }
    this.byNode.set(payer.name, tally)
    tally.asked += 1
    const wasUp = payee.isUp
    const refused = (code: string, seconds: number): void => {
      const what = { id, channel: number, code, seconds }
      if (isForOff(code, wasUp && payee.isUp)) {
        tally.asked -= 1
        this.#off(what)
      } else this.#failed(what)
    }
    if (channel.id === undefined) {
      refused(channel.failure ?? 'ERR_CHANNEL_NOT_OPEN', 0)
      return
    }
    const begin = performance.now()
    const flow = channel[direction]
    try {
      await payer.api.pay({ to: channel.id, amount })
      const seconds = (performance.now() - begin) / 1_000
      flow.made += 1
      flow.volume += Number(amount)
      channel.lastPaidAt = time
      tally.made += 1
      this.counts.succeeded(Number(amount), seconds)
      this.#tell({ id, status: 'made', seconds, channel: number })
    } catch (error) {
      if (codeOf(error) !== 'ERR_PAYMENT_UNKNOWN') {
        refused(codeOf(error), (performance.now() - begin) / 1_000)
        return
      }
      flow.unknown += Number(amount)
      this.counts.unknown += 1
      this.#tell({ id, status: 'unknown', channel: number })
    }
  }

  /** Notes that payer or payee is switched off. */
  #off(what: Omit<PaymentOutcome, 'status'>): void {
    this.counts.off += 1
    this.#tell({ ...what, status: 'off' })
  }

  #failed(what: Omit<PaymentOutcome, 'status'> & { readonly code: string }): void {
    this.counts.refused(what.code)
    this.#tell({ ...what, status: 'failed' })
  }
}
