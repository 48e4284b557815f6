/** Payments as they come, those that were, and all about one. */
import { element, need } from '../../browser/dom.js'
import type { PaymentFilter, PaymentInfo } from '../../node/api.js'
import { messageOf } from '../../types/errors.js'
import { formatAmount } from '../../types/units.js'
import { paymentFields, paymentLines, paymentText, receiptFields } from '../../words/payments.js'
import { printable, shortChannel } from '../../words/text.js'
import { type Client, say } from './client.js'
import {
  copyable,
  fieldList,
  moment,
  onSend,
  openDialog,
  type Row,
  RowList,
  setText,
  valueOf
} from './parts.js'
import type { Known } from './known.js'

/** The number of payments shown at first, and of those added at each wish. */
const PAGE = 25

/** Payments that come one after the other fill the list; it does not grow without end. */
const MOST_SHOWN = 500

export class Payments {
  #limit = PAGE
  #payments: readonly PaymentInfo[] = []
  /** A payment that was made here for a request, and the request: it has a receipt. */
  readonly #requests = new Map<string, string>()
  readonly #form = need('payments-filter', HTMLFormElement)
  readonly #rows: RowList<PaymentInfo>
  readonly #lines = paymentLines(
    {
      after: (ms, run) => {
        const timer = setTimeout(run, ms)
        return () => {
          clearTimeout(timer)
        }
      }
    },
    (payments) => {
      say(paymentText(payments))
    }
  )
  #asked = 0
  /** Those that came since the list was asked for: it may be older. */
  #since: PaymentInfo[] = []
  #shownId = ''
  /** The one that came last, to be seen among the others. */
  #fresh: PaymentInfo | undefined
  readonly #known: Known
  readonly #client: Client

  constructor(known: Known, client: Client) {
    this.#known = known
    this.#client = client
    this.#rows = new RowList(
      need('payment-list', HTMLElement),
      ({ channel, id, direction }) => `${channel}/${id}/${direction}`,
      () => this.#row()
    )
    this.#form.addEventListener('change', () => {
      this.#limit = PAGE
      this.load()
    })
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault()
    })
    need('more-payments', HTMLButtonElement).addEventListener('click', () => {
      this.#limit += PAGE
      this.load()
    })
    onSend(need('receipt-form', HTMLFormElement), async () => {
      await this.#fetchReceipt()
    })
  }

  /** Remembers the request that a payment was made for. */
  wasFor(payment: Pick<PaymentInfo, 'id'>, request: string): void {
    this.#requests.set(payment.id, request)
  }

  /** Asks for the payments that the filter lets pass. */
  load(): void {
    this.#asked++
    const asked = this.#asked
    this.#since = []
    this.#client
      .call('payments', { ...this.#filter(), limit: this.#limit + 1 })
      .then((found) => {
        // An answer to an older question is not shown any more.
        if (asked !== this.#asked) return
        need('more-payments', HTMLButtonElement).hidden = found.length <= this.#limit
        this.#payments = this.#since.reduce(withPayment, found.slice(0, this.#limit))
        this.show()
        setText(need('payments-problem', HTMLElement), '')
      })
      .catch((error: unknown) => {
        setText(need('payments-problem', HTMLElement), messageOf(error))
      })
  }

  /** Takes a payment that was just made or received. */
  readonly add = (payment: PaymentInfo): void => {
    this.#lines.add(payment)
    const { channel, direction } = this.#filter()
    const isWanted =
      (channel === undefined || channel === payment.channel) &&
      (direction === undefined || direction === payment.direction)
    if (!isWanted) return
    this.#since.push(payment)
    this.#payments = withPayment(this.#payments, payment)
    this.#fresh = payment
  }

  /** Shows the payments, with the names of their peers. */
  show(): void {
    this.#rows.show(this.#payments)
    need('no-payments', HTMLElement).hidden = this.#payments.length > 0
  }

  /** Offers the channels there are, and keeps the one that was chosen. */
  showChannels(): void {
    const place = need('filter-channel', HTMLSelectElement)
    const said = this.#known.channels.map(({ id, peerId }) => `${id} ${this.#known.nameOf(peerId)}`)
    if (place.dataset.said === said.join('\n')) return
    place.dataset.said = said.join('\n')
    const chosen = place.value
    place.replaceChildren(
      element('option', { value: '' }, 'all channels'),
      ...this.#known.channels.map(({ id, peerId }) =>
        element(
          'option',
          { value: id },
          `${shortChannel(id)}, ${printable(this.#known.nameOf(peerId))}`
        )
      )
    )
    place.value = chosen
  }

  #filter(): Omit<PaymentFilter, 'peer'> {
    const channel = valueOf(this.#form, 'channel')
    const direction = valueOf(this.#form, 'direction')
    return {
      ...(channel === '' ? {} : { channel }),
      ...(direction === 'sent' || direction === 'received' ? { direction } : {})
    }
  }

  #row(): Row<PaymentInfo> {
    let shown: PaymentInfo | undefined
    const opener = element('button', { type: 'button', class: 'row' })
    opener.addEventListener('click', () => {
      if (shown !== undefined) this.#showDetails(shown)
    })
    const row = element('li', {}, opener)
    return {
      element: row,
      show: (payment) => {
        if (shown === undefined && payment === this.#fresh) row.className = 'fresh'
        const name = printable(this.#known.nameOf(payment.peerId))
        const said = JSON.stringify([payment.status, name])
        if (shown !== undefined && opener.dataset.said === said) return
        shown = payment
        opener.dataset.said = said
        opener.replaceChildren(...partsOf(payment, name))
      }
    }
  }

  #showDetails({ id, direction }: PaymentInfo): void {
    const place = need('payment-fields', HTMLElement)
    this.#shownId = id
    place.replaceChildren()
    need('receipt', HTMLElement).replaceChildren()
    const form = need('receipt-form', HTMLFormElement)
    form.reset()
    form.hidden = direction !== 'sent'
    need('receipt-request', HTMLInputElement).value = this.#requests.get(id) ?? ''
    openDialog('payment-dialog')
    this.#client
      .call('payment', { id })
      .then((payment) => {
        if (this.#shownId === id) place.replaceChildren(fieldList(paymentFields(payment)))
      })
      .catch((error: unknown) => {
        place.replaceChildren(element('p', { class: 'problem' }, messageOf(error)))
      })
  }

  async #fetchReceipt(): Promise<void> {
    const request = valueOf(need('receipt-form', HTMLFormElement), 'request')
    const receipt = await this.#client.call('receipt', { request })
    need('receipt', HTMLElement).replaceChildren(
      fieldList(receiptFields(receipt)),
      copyable('receipt', receipt.text)
    )
  }
}

/** The newest first; one that is there already is as it is now. */
function withPayment(
  payments: readonly PaymentInfo[],
  newest: PaymentInfo
): readonly PaymentInfo[] {
  const others = payments.filter(
    ({ id, channel }) => id !== newest.id || channel !== newest.channel
  )
  return [newest, ...others].slice(0, MOST_SHOWN)
}

function partsOf(
  { direction, amount, memo, status, time }: PaymentInfo,
  name: string
): HTMLElement[] {
  const sign = direction === 'sent' ? '−' : '+'
  return [
    element(
      'span',
      { class: `who ${direction}` },
      `${direction} ${direction === 'sent' ? 'to' : 'from'} ${name}`
    ),
    element('span', { class: `amount ${direction}` }, `${sign}${formatAmount(amount)}`),
    element('span', { class: 'memo' }, printable(memo)),
    element(
      'span',
      { class: 'when' },
      ...(status === 'acknowledged' ? [] : [element('strong', {}, status), ' ']),
      moment(time)
    )
  ]
}
