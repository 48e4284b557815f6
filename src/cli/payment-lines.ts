/** Payments on a terminal: at most one line a second, for any number of them. */
import type { PaymentInfo } from '../node/api.js'
import { formatAmount } from '../types/units.js'
import type { Io } from './io.js'
import { shortChannel, shortPeer } from './render.js'

const WINDOW_MS = 1_000

export interface PaymentLines {
  add: (payment: PaymentInfo) => void
  /** Shows the pending lines. */
  end: () => void
}

/** The first payment is shown at once; those that come within a second of a line share the next. */
export function paymentLines(
  io: Pick<Io, 'after'>,
  show: (payments: readonly PaymentInfo[]) => void
): PaymentLines {
  let cancel: (() => void) | undefined
  let waiting: PaymentInfo[] = []

  function flush(): void {
    cancel = undefined
    if (waiting.length === 0) return
    show(waiting)
    waiting = []
    cancel = io.after(WINDOW_MS, flush)
  }

  return {
    add: (payment) => {
      waiting.push(payment)
      if (cancel === undefined) flush()
    },
    end: () => {
      cancel?.()
      flush()
      cancel?.()
    }
  }
}

/** One of them whole, or the sums of several. */
export function paymentText(payments: readonly PaymentInfo[]): string {
  const [first] = payments
  if (first !== undefined && payments.length === 1) {
    const { direction, amount, peerId, channel, memo } = first
    const who = `${direction === 'sent' ? 'to' : 'from'} ${shortPeer(peerId)}`
    return `${direction} ${formatAmount(amount)} ${who} on channel ${shortChannel(channel)}${memo === '' ? '' : `: ${memo}`}`
  }
  return (['received', 'sent'] as const)
    .flatMap((direction) => {
      const these = payments.filter((payment) => payment.direction === direction)
      if (these.length === 0) return []
      return [
        `${direction} ${these.length.toLocaleString('en')} ${these.length === 1 ? 'payment' : 'payments'}, ${formatAmount(these.reduce((sum, { amount }) => sum + amount, 0n))}`
      ]
    })
    .join('; ')
}
