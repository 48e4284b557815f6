/** Payment requests and receipts in words and tables. */
import type { ReceiptInfo, RequestInfo, RequestPayment } from '../node/api.js'
import { formatAmount } from '../types/units.js'
import type { Colors } from './output.js'
import { type Cell, type Column, renderTable, widthOf } from './table.js'
import { forWhat, paidWords, until } from '../words/payments.js'
import { printable, shortPeer, formatTime } from '../words/text.js'

/** A request that was just made, for a person: the words, the QR code, the text. */
export function renderMade(
  request: RequestInfo,
  qr: string | undefined,
  colors: Colors,
  width: number
): string {
  const { id, amount, memo, text } = request
  const sum = amount === undefined ? 'an amount of the payer’s choice' : formatAmount(amount)
  const words = `Request ${id}: ${sum}${forWhat(memo)}. ${until(request)}`
  const fits = qr !== undefined && qr.split('\n').every((line) => widthOf(line) <= width)
  return [words, '', ...(fits ? [onDark(qr, colors), ''] : []), text].join('\n')
}

/** White on black, whatever the terminal's own colours are: readers want dark squares on light. */
function onDark(qr: string, colors: Colors): string {
  return qr
    .split('\n')
    .map((line) => colors.bgBlack(colors.whiteBright(line)))
    .join('\n')
}

const COLUMNS: readonly Column[] = [
  { title: 'MADE' },
  { title: 'REQUEST' },
  { title: 'STATE' },
  { title: 'ASKED', align: 'right' },
  { title: 'RECEIVED', align: 'right' },
  { title: 'UNTIL', leftOut: 1 },
  { title: 'BY', leftOut: 2 },
  { title: 'MEMO', below: true }
]

export function renderRequests(
  requests: readonly RequestInfo[],
  colors: Colors,
  width: number
): string {
  if (requests.length === 0) return 'No requests. Make one with: paychan request AMOUNT'
  return renderTable(
    COLUMNS,
    requests.map(
      ({ made, id, state, amount, received, payments, expires, reusable, ...rest }): Cell[] => [
        formatTime(made),
        id,
        state === 'paid'
          ? { text: state, style: colors.green }
          : state === 'partly'
            ? { text: state, style: colors.yellow }
            : reusable && state === 'open'
              ? 'reusable'
              : state,
        amount === undefined ? 'any' : formatAmount(amount),
        `${formatAmount(received)}${payments > 1 ? ` (${payments})` : ''}`,
        expires === undefined ? 'never' : formatTime(expires),
        rest.paidBy === undefined ? '' : shortPeer(rest.paidBy),
        rest.memo
      ]
    ),
    colors,
    width
  )
}

/** A receipt in words, and its worth. */
export function renderReceipt(receipt: ReceiptInfo): string {
  const { amount, memo, payee, payer, paid, request, network } = receipt
  return [
    `Valid: ${formatAmount(amount)} were paid on ${network} at ${formatTime(paid)}, by the payee's clock.`,
    `  payee    ${payee} (signed this)`,
    `  payer    ${payer}`,
    `  request  ${request}`,
    ...(memo === '' ? [] : [`  memo     ${printable(memo)}`])
  ].join('\n')
}

/** The result of paying a request. */
export function renderRequestPaid(payment: RequestPayment): string {
  const { receipt } = payment
  return receipt === undefined
    ? paidWords(payment)
    : `${paidWords(payment)}\nReceipt, signed by the payee (check it anywhere with: paychan receipt verify):\n${receipt}`
}
