/** Paying: what a request asks for is shown before it is paid; a peer is paid an amount. */
import { element, need } from '../../browser/dom.js'
import type { ChannelInfo, RequestTerms } from '../../node/api.js'
import { codeOf } from '../../types/errors.js'
import { blockDelta, formatAmount, type Satoshi } from '../../types/units.js'
import { blocksText } from '../../words/channels.js'
import { paidWords, requestWords } from '../../words/payments.js'
import { printable, shortChannel } from '../../words/text.js'
import { type Client, say } from './client.js'
import type { Known } from './known.js'
import { amountOf, copyable, isChecked, onSend, openDialog, setText, valueOf } from './parts.js'
import type { Payments } from './payments.js'

/** The payment for which a channel is opened, when there is none to pay on. */
interface Wanted {
  readonly peer: string
  readonly amount: Satoshi | undefined
}

export interface Paying {
  /** Opens the form; on a channel, with that one filled in. */
  readonly begin: (channel?: ChannelInfo) => void
}

export function preparePaying(
  client: Client,
  payments: Payments,
  onOpen: (wanted: Wanted) => void
): Paying {
  const form = need('pay-form', HTMLFormElement)
  const confirm = need('confirm-form', HTMLFormElement)
  const paid = need('paid', HTMLElement)
  const to = need('pay-to', HTMLTextAreaElement)
  /** The request that is shown, and its text. */
  let asked: { readonly text: string; readonly terms: RequestTerms } | undefined

  const step = (place: HTMLElement): void => {
    for (const each of [form, confirm, paid]) each.hidden = each !== place
  }
  const showFields = (): void => {
    const isRequest = isRequestText(to.value)
    need('pay-peer', HTMLElement).hidden = isRequest
    need('pay-amount', HTMLInputElement).required = !isRequest
    setText(need('pay-button', HTMLElement), isRequest ? 'See what it asks for' : 'Pay')
  }
  to.addEventListener('input', showFields)
  to.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter') return
    event.preventDefault()
    form.requestSubmit()
  })

  onSend(form, async (key) => {
    const text = valueOf(form, 'to')
    if (isRequestText(text)) {
      const terms = await client.call('readRequest', { request: text })
      asked = { text, terms }
      showTerms(terms)
      step(confirm)
      need('asked', HTMLElement).focus()
      return
    }
    const memo = valueOf(form, 'memo')
    const result = await client.call(
      'pay',
      { to: text, amount: amountOf(form), ...(memo === '' ? {} : { memo }) },
      key
    )
    showPaid(paidWords(result))
  })

  onSend(confirm, async (key) => {
    if (asked === undefined) return
    const { text, terms } = asked
    const { amount } = terms
    const chosen = amount === undefined ? { amount: amountOf(confirm) } : {}
    // A request is paid once by itself; one that is reusable needs a name for each payment.
    const result = await client
      .call('payRequest', { request: text, ...chosen }, terms.reusable ? key : true)
      .catch((error: unknown) => {
        if (codeOf(error) !== 'ERR_NO_CHANNEL') throw error
        offerChannel(terms, chosen.amount ?? amount)
        throw error
      })
    for (const part of result.parts) payments.wasFor(part, result.request)
    showPaid(paidWords(result), result)
  })
  need('back', HTMLButtonElement).addEventListener('click', () => {
    step(form)
    to.focus()
  })

  const offerChannel = (terms: RequestTerms, amount: Satoshi | undefined): void => {
    const offer = need('open-instead', HTMLButtonElement)
    offer.hidden = false
    offer.onclick = () => {
      need('pay-dialog', HTMLDialogElement).close()
      onOpen({ peer: fullAddress(terms), amount })
    }
  }
  const showTerms = (terms: RequestTerms): void => {
    const [what = '', ...theirs] = requestWords(terms).split('\n')
    need('asked', HTMLElement).replaceChildren(
      element('p', {}, what),
      ...theirs.map((line) => element('p', { class: 'quote' }, line))
    )
    need('open-instead', HTMLElement).hidden = true
    need('confirm-amount-field', HTMLElement).hidden = terms.amount !== undefined
    need('confirm-amount', HTMLInputElement).required = terms.amount === undefined
    setText(
      need('confirm-button', HTMLElement),
      terms.amount === undefined ? 'Pay' : `Pay ${formatAmount(terms.amount)}`
    )
  }
  const showPaid = (
    words: string,
    {
      receipt,
      receiptProblem
    }: { readonly receipt?: string | undefined; readonly receiptProblem?: string | undefined } = {}
  ): void => {
    paid.replaceChildren(
      element('p', { class: 'state good' }, words),
      ...(receipt === undefined
        ? []
        : [
            element('p', {}, 'The receipt, signed by the payee; anybody can check it:'),
            copyable('receipt', receipt)
          ]),
      ...(receiptProblem === undefined
        ? []
        : [element('p', { class: 'notice' }, `There is no receipt yet: ${receiptProblem}`)])
    )
    step(paid)
    paid.focus()
    form.reset()
    confirm.reset()
    showFields()
  }
  return {
    begin: (channel) => {
      form.reset()
      confirm.reset()
      if (channel !== undefined) to.value = channel.id
      showFields()
      step(form)
      openDialog('pay-dialog')
      if (channel !== undefined) need('pay-amount', HTMLInputElement).focus()
    }
  }
}

/** A request, or a URI that may have one; anything else names a peer or a channel. */
function isRequestText(text: string): boolean {
  return /^\s*(paychan1|bitcoin:)/i.test(text)
}

function fullAddress({ payee, multiaddrs: [first] }: RequestTerms): string {
  if (first === undefined) return payee
  return first.includes('/p2p/') ? first : `${first}/p2p/${payee}`
}

/* Opening a channel: with whom, how large, for how long, and what it costs. */

/** Virtual bytes of a funding transaction with one coin and change. */
const USUAL_VSIZE = 153

/** Blocks within which it is to be confirmed: the estimate that `open` pays. */
const TARGET = 6

export interface Opening {
  /** Opens the form, with what is known already filled in. */
  readonly begin: (wanted?: Wanted) => void
}

export function prepareOpening(known: Known, client: Client): Opening {
  const form = need('open-form', HTMLFormElement)
  onSend(form, async (key) => {
    const blocks = valueOf(form, 'blocks')
    const opened = await client.call(
      'open',
      {
        peer: valueOf(form, 'peer'),
        amount: amountOf(form),
        wait: 'broadcast',
        ...(blocks === '' ? {} : { blocks: blockDelta(Number(blocks)) }),
        ...(isChecked(form, 'two-way') ? { twoWay: true } : {}),
        ...(isChecked(form, 'renew') ? { renew: true } : {})
      },
      key
    )
    need('open-dialog', HTMLDialogElement).close()
    form.reset()
    say(
      `Channel ${shortChannel(opened.id)} of ${formatAmount(opened.capacity)} is ${opened.status}`
    )
  })

  const showCost = async (): Promise<void> => {
    const place = need('open-cost', HTMLElement)
    setText(place, '')
    const { estimates, leastSatPerVByte } = await client.call('fees', {})
    const near = estimates.filter(({ blocks }) => blocks <= TARGET).at(-1)
    const rate = near?.satPerVByte ?? leastSatPerVByte
    setText(
      place,
      `The funding transaction pays what is estimated for ${blocksText(TARGET)}, now ${rate} sat/vB: with one coin some ${formatAmount(BigInt(Math.ceil(rate * USUAL_VSIZE)))}.`
    )
  }
  const showPeers = async (): Promise<void> => {
    const peers = await client.call('peers', {})
    need('known-peers', HTMLDataListElement).replaceChildren(
      ...peers
        .filter(({ paychan }) => paychan !== false)
        .map(({ peerId }) => element('option', { value: peerId }, printable(known.nameOf(peerId))))
    )
  }
  return {
    begin: (wanted) => {
      form.reset()
      const { info, balance } = known
      need('open-peer', HTMLInputElement).value = wanted?.peer ?? ''
      need('open-amount', HTMLInputElement).value =
        wanted?.amount === undefined ? '' : String(wanted.amount * 10n)
      if (info !== undefined) {
        need('open-blocks', HTMLInputElement).placeholder = String(info.policy.defaultBlocks)
      }
      setText(
        need('open-free', HTMLElement),
        balance === undefined
          ? ''
          : `${formatAmount(balance.confirmed - balance.reserved - balance.locked)} are free.`
      )
      openDialog('open-dialog')
      // Both are help beside the form: without them it can be sent as well.
      Promise.all([showCost(), showPeers()]).catch(() => {})
    }
  }
}
