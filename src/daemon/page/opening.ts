/** Opening a channel: with whom, how large, for how long, and what it costs. */
import { element, need } from '../../browser/dom.js'
import { blockDelta, formatAmount } from '../../types/units.js'
import { blocksText } from '../../words/channels.js'
import { printable, shortChannel } from '../../words/text.js'
import { type Client, say } from './client.js'
import { amountOf, isChecked, onSend, openDialog, setText, valueOf } from './parts.js'
import type { Known } from './known.js'
import type { Wanted } from './paying.js'

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
