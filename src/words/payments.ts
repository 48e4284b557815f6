/** Payments and requests in words: what was paid, what is left, what comes in, what is asked for. */
import type {
  ChannelInfo,
  PaymentDetails,
  PaymentInfo,
  PayResult,
  ReceiptInfo,
  RequestInfo,
  RequestTerms
} from '../node/api.js'
import { formatAmount } from '../types/units.js'
import { type Field, formatTime, printable, shortChannel, shortPeer } from './text.js'

/** The meaning of the status of a payment. */
const STATUS_MEANS: Readonly<Record<PaymentInfo['status'], string>> = {
  acknowledged: 'the payee has it on its disk',
  unknown: 'signed and sent, and not acknowledged: do not pay again before that is known',
  failed: 'the chain has settled without it: nothing was paid'
}

/** All details of a payment by their names, ids whole. */
export function paymentFields({
  id,
  name,
  peerId,
  direction,
  amount,
  memo,
  time,
  status,
  parts
}: PaymentDetails): Field[] {
  const [first] = parts
  return [
    ['payment', id],
    ...(name === undefined ? [] : [['name', name] as const]),
    [direction === 'sent' ? 'to' : 'from', peerId],
    ['amount', formatAmount(amount)],
    ['memo', memo],
    ['time', formatTime(time)],
    ['status', `${status}: ${STATUS_MEANS[status]}`],
    ...(parts.length > 1 || first === undefined ? [] : [['channel', first.channel] as const])
  ]
}

/**
 * The amounts that can be paid after a payment: on its channels, and on all channels to that peer.
 */
export interface Left {
  readonly onThese: bigint
  readonly inAll: bigint
}

/**
 * Computed from the channels as they are now. A channel that waits for its peer is not counted:
 * nothing can be paid on it.
 */
export function leftAfter({ peerId, parts }: PayResult, channels: readonly ChannelInfo[]): Left {
  const sum = (of: readonly ChannelInfo[]): bigint =>
    of.reduce((total, { spendable }) => total + spendable, 0n)
  const toPeer = channels.filter((channel) => channel.peerId === peerId)
  return {
    onThese: sum(toPeer.filter(({ id }) => parts.some(({ channel }) => channel === id))),
    inAll: sum(toPeer)
  }
}

/**
 * The result of `pay`, which resolves only when all is acknowledged. `left` is unknown when the
 * node did not say.
 */
export function paidWords(
  { amount, channel, peerId, parts, already, time }: PayResult,
  left?: Left
): string {
  const start = already
    ? `${formatAmount(amount)} were paid already to ${shortPeer(peerId)}, at ${formatTime(time)}; nothing was paid now. It was`
    : `Paid ${formatAmount(amount)} to ${shortPeer(peerId)}`
  const carried =
    parts.length === 1
      ? ` on channel ${shortChannel(channel)}.`
      : ` in ${parts.length} parts: ${parts.map((part) => `${formatAmount(part.amount)} on channel ${shortChannel(part.channel)}`).join(', ')}.`
  return `${start}${carried}${left === undefined ? '' : ` ${leftText(left, parts.length > 1)}`}`
}

function leftText({ onThese, inAll }: Left, areSeveral: boolean): string {
  const here = `${formatAmount(onThese)} ${onThese === 1n ? 'is' : 'are'} left to pay on ${areSeveral ? 'them' : 'it'}`
  return inAll === onThese
    ? `${here}.`
    : `${here}, ${formatAmount(inAll)} on all channels to that peer.`
}

/* Payments as they come: at most one line a second, for any number of payments. */

const WINDOW_MS = 1_000

export interface PaymentLines {
  add: (payment: PaymentInfo) => void
  /** Shows the pending lines. */
  end: () => void
}

/** The first payment is shown at once; those that come within a second of a line share the next. */
export function paymentLines(
  { after }: { readonly after: (ms: number, run: () => void) => () => void },
  show: (payments: readonly PaymentInfo[]) => void
): PaymentLines {
  let cancel: (() => void) | undefined
  let waiting: PaymentInfo[] = []

  function flush(): void {
    cancel = undefined
    if (waiting.length === 0) return
    show(waiting)
    waiting = []
    cancel = after(WINDOW_MS, flush)
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

/* Payment requests in words. */

/** The purpose of a payment, in the words of whoever asks for it. */
export function forWhat(memo: string): string {
  return memo === '' ? '' : ` for "${printable(memo)}"`
}

/** Until when a request may be paid, and how often. */
export function until({ expires, reusable }: Pick<RequestTerms, 'expires' | 'reusable'>): string {
  const end =
    expires === undefined ? 'It does not expire' : `It may be paid until ${formatTime(expires)}`
  return `${end}${reusable ? ', more than once' : ''}.`
}

/** A request of somebody else, in words. */
export function requestWords(terms: RequestTerms): string {
  const { amount, memo, payee, network } = terms
  const sum = amount === undefined ? 'an amount of your choice' : formatAmount(amount)
  const what = `Request for ${sum}, from ${payee} on ${network}. ${until(terms)}`
  // A stranger's words come last, and are said to be theirs: they could go on like ours.
  return memo === '' ? what : `${what}\nThe payee says: ${printable(memo)}`
}

/** A receipt, in words. */
export function receiptFields({
  amount,
  memo,
  payee,
  payer,
  paid,
  request,
  network
}: ReceiptInfo): Field[] {
  return [
    ['paid', `${formatAmount(amount)} on ${network}`],
    ['time', `${formatTime(paid)}, by the payee's clock`],
    ['payee', `${payee} (signed this)`],
    ['payer', payer],
    ['request', request],
    ...(memo === '' ? [] : [['memo', printable(memo)] as const])
  ]
}

/** The sum that has come for a request of this node. */
export function requestText({ id, state, received, amount, memo, reusable }: RequestInfo): string {
  const what = forWhat(memo)
  if (state === 'paid') return `${id} is paid: ${formatAmount(received)}${what}`
  const sum = amount === undefined || reusable ? '' : ` of ${formatAmount(amount)}`
  return `${id}: ${formatAmount(received)}${sum} received${what}`
}
