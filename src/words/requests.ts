/** Payment requests in words. */
import type { ReceiptInfo, RequestInfo, RequestTerms } from '../node/api.js'
import { formatAmount } from '../types/units.js'
import { type Field, formatTime, printable } from './text.js'

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
