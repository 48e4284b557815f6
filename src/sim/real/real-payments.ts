/** Asks real nodes for payments as the plan says, and notes what callers are told. */
import { codeOf } from '../../types/errors.js'
import type { NodePayments } from '../drive/payments.js'
import { type PaymentOutcome, PaymentCounts } from '../measure/payments.js'
import type { PlannedPayment } from '../plan.js'
import type { Places, RealChannel } from './places.js'

export class RealPayments {
  readonly counts = new PaymentCounts()
  /** By name. */
  readonly byNode = new Map<string, NodePayments>()

  constructor(
    private readonly places: Places,
    private readonly tell: (outcome: PaymentOutcome) => void
  ) {}

  /** In the order of the place; other places do not wait. */
  ask(payment: PlannedPayment): void {
    const id = this.counts.planned++
    this.places.do(payment.opening, async (channel) => {
      await this.#pay(id, payment, channel)
    })
  }

  async #pay(
    id: number,
    { time, direction, amount }: PlannedPayment,
    channel: RealChannel | undefined
  ): Promise<void> {
    if (channel === undefined) {
      this.#refused(id, 'ERR_NO_CHANNEL')
      return
    }
    const payer = direction === 'forth' ? channel.client : channel.server
    if (!payer.isUp) {
      this.counts.off += 1
      this.tell({ id, channel: channel.number, status: 'off' })
      return
    }
    const tally = this.byNode.get(payer.name) ?? { asked: 0, made: 0 }
    this.byNode.set(payer.name, tally)
    tally.asked += 1
    if (channel.id === undefined) {
      this.#refused(id, channel.failure ?? 'ERR_CHANNEL_NOT_OPEN', channel)
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
      this.tell({ id, status: 'made', seconds, channel: channel.number })
    } catch (error) {
      if (codeOf(error) !== 'ERR_PAYMENT_UNKNOWN') {
        this.#refused(id, codeOf(error), channel, (performance.now() - begin) / 1_000)
        return
      }
      flow.unknown += Number(amount)
      this.counts.unknown += 1
      this.tell({ id, status: 'unknown', channel: channel.number })
    }
  }

  #refused(id: number, code: string, channel?: RealChannel, seconds = 0): void {
    this.counts.refused(code)
    this.tell({
      id,
      status: 'failed',
      code,
      seconds,
      ...(channel === undefined ? {} : { channel: channel.number })
    })
  }
}
