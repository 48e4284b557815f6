/** Getting paid: a request is made, shown as a text and a QR code, and turns to paid by itself. */
import { element, need } from '../../browser/dom.js'
import type { RequestInfo } from '../../node/api.js'
import { formatAmount } from '../../types/units.js'
import { requestText, until } from '../../words/payments.js'
import { printable } from '../../words/text.js'
import type { Client } from './client.js'
import {
  copyable,
  isChecked,
  maybeAmountOf,
  onSend,
  openDialog,
  qrCode,
  type Row,
  RowList,
  setText,
  valueOf
} from './parts.js'
import type { Known } from './known.js'

export interface Requests {
  readonly show: () => void
  /** Opens the form for another one. */
  readonly begin: () => void
}

const TONES: Readonly<Record<RequestInfo['state'], string>> = {
  open: '',
  partly: 'warn',
  paid: 'good',
  expired: 'bad'
}

export function prepareRequests(known: Known, client: Client): Requests {
  const form = need('request-form', HTMLFormElement)
  const shownRequest = need('shown-request', HTMLElement)
  /** The id of the request that the dialog shows; empty while its form is shown. */
  let shown = ''

  const open = (request: RequestInfo | undefined): void => {
    shown = request?.id ?? ''
    form.hidden = request !== undefined
    shownRequest.hidden = request === undefined
    if (request !== undefined) showWhole(request)
    openDialog('request-dialog')
  }
  const rows = new RowList(
    need('request-list', HTMLElement),
    ({ id }: RequestInfo) => id,
    () => requestRow(open)
  )
  onSend(form, async (key) => {
    const amount = maybeAmountOf(form)
    const [memo, seconds] = [valueOf(form, 'memo'), valueOf(form, 'expires')]
    const made = await client.call(
      'makeRequest',
      {
        ...(amount === undefined ? {} : { amount }),
        ...(memo === '' ? {} : { memo }),
        expiresIn: seconds === 'never' ? seconds : Number(seconds),
        ...(isChecked(form, 'reusable') ? { reusable: true } : {})
      },
      key
    )
    known.addRequest(made)
    form.reset()
    open(made)
    need('request-state', HTMLElement).focus()
  })
  return {
    begin: () => {
      open(undefined)
    },
    show: () => {
      rows.show(known.requests)
      need('no-requests', HTMLElement).hidden = known.requests.length > 0
      const request = known.requests.find(({ id }) => id === shown)
      if (request !== undefined) showState(request)
    }
  }
}

function requestRow(open: (request: RequestInfo) => void): Row<RequestInfo> {
  let shown: RequestInfo | undefined
  const opener = element('button', { type: 'button', class: 'row' })
  opener.addEventListener('click', () => {
    if (shown !== undefined) open(shown)
  })
  return {
    element: element('li', {}, opener),
    show: (request) => {
      shown = request
      const { id, memo, state, received, reusable } = request
      const said = JSON.stringify([state, String(received)])
      if (opener.dataset.said === said) return
      opener.dataset.said = said
      opener.replaceChildren(
        element('span', { class: 'who' }, memo === '' ? `request ${id}` : printable(memo)),
        element('span', { class: 'amount' }, askedFor(request)),
        element(
          'span',
          { class: 'memo' },
          received === 0n ? '' : `${formatAmount(received)} received`
        ),
        element(
          'span',
          { class: 'when' },
          element(
            'span',
            { class: `badge ${TONES[state]}` },
            reusable && state === 'open' ? 'reusable' : state
          )
        )
      )
    }
  }
}

function askedFor({ amount }: RequestInfo): string {
  return amount === undefined ? 'any amount' : formatAmount(amount)
}

/** The part that does not change: the code, the texts, until when. */
function showWhole(request: RequestInfo): void {
  setText(need('request-amount', HTMLElement), askedFor(request))
  setText(need('request-memo', HTMLElement), printable(request.memo))
  setText(need('request-until', HTMLElement), until(request))
  need('request-qr', HTMLElement).replaceChildren(qrCode(request.text))
  need('request-texts', HTMLElement).replaceChildren(
    copyable('request', request.text),
    copyable('bitcoin URI', request.uri)
  )
  showState(request)
}

function showState(request: RequestInfo): void {
  const place = need('request-state', HTMLElement)
  const { state, received } = request
  place.className = `state ${TONES[state]}`
  setText(
    place,
    state === 'open' && received === 0n
      ? 'Waiting for the payment.'
      : state === 'expired'
        ? 'It has expired, and is not paid any more.'
        : `${state === 'paid' ? 'Paid.' : ''} Request ${requestText(request)}.`.trim()
  )
}
