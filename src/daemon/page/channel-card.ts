/** One channel: its money as a bar, and what matters about it now. */
import { button, element } from '../../browser/dom.js'
import type { ChannelInfo, ChannelStatus } from '../../node/api.js'
import { formatAmount } from '../../types/units.js'
import { deadlineWords, remarksOf, payerWords, riskWords } from '../../words/channels.js'
import { printable, shortChannel } from '../../words/text.js'
import { percentOf } from './balances.js'
import type { Known } from './known.js'
import { drawn, type Row, setText } from './parts.js'

const TONES: Readonly<Record<ChannelStatus, 'good' | 'warn' | 'bad' | ''>> = {
  opening: 'warn',
  confirming: 'warn',
  open: 'good',
  offline: 'bad',
  closing: 'warn',
  settling: 'bad',
  refunding: 'bad',
  stopped: 'bad',
  closed: '',
  abandoned: ''
}

export interface CardActions {
  readonly onDetails: (channel: ChannelInfo) => void
  readonly onPay: (channel: ChannelInfo) => void
  readonly onClose: (channel: ChannelInfo) => void
}

/** True while a channel can be closed. */
export function canClose({ status }: ChannelInfo): boolean {
  return !['closing', 'settling', 'refunding', 'closed', 'abandoned'].includes(status)
}

/** A card that shows a channel, and then the same channel as it is later. */
export function channelCard(known: Known, actions: CardActions): Row<ChannelInfo> {
  let shown: ChannelInfo | undefined
  const act = (what: (channel: ChannelInfo) => void) => (): void => {
    if (shown !== undefined) what(shown)
  }
  const title = element('h3', {})
  const status = element('span', { class: 'badge' })
  const bar = element('div', { class: 'bar' })
  const ours = element('span', { class: 'ours' })
  const flying = element('span', {})
  const theirs = element('span', { class: 'theirs' })
  const figures = new Map(
    ['turn', 'deadline', 'at stake', 'risk', 'can pay', 'can receive'].map((name) => [
      name,
      element('dd', {})
    ])
  )
  const notes = element('ul', { class: 'notes' })
  const [details, pay, close] = [
    button('Details', act(actions.onDetails)),
    button('Pay', act(actions.onPay)),
    button('Close', act(actions.onClose))
  ]
  const card = element(
    'li',
    { class: 'card' },
    element('div', { class: 'head' }, title, status),
    bar,
    element('p', { class: 'shares' }, ours, flying, theirs),
    element(
      'dl',
      { class: 'facts' },
      ...[...figures].map(([name, value]) => element('div', {}, element('dt', {}, name), value))
    ),
    notes,
    element('p', { class: 'buttons' }, pay, details, close)
  )
  return {
    element: card,
    show: (channel) => {
      shown = channel
      const name = known.nameOf(channel.peerId)
      const id = shortChannel(channel.id)
      setText(title, `${printable(name)} · ${id}`)
      status.className = `badge ${TONES[channel.status]}`
      setText(status, channel.status)
      bar.replaceChildren(balanceBar(channel))
      setText(ours, `ours ${formatAmount(channel.ourBalance)}`)
      setText(flying, channel.inFlight === 0n ? '' : `${formatAmount(channel.inFlight)} on its way`)
      setText(theirs, `theirs ${formatAmount(channel.theirBalance)}`)
      const isEnded = channel.status === 'closed' || channel.status === 'abandoned'
      const risk = riskWords(channel)
      const values: Readonly<Record<string, string>> = {
        turn: isEnded ? '–' : payerWords(channel),
        deadline: deadlineWords(channel, known.height, known.info?.network),
        'at stake': channel.stake === 0n ? 'nothing' : formatAmount(channel.stake),
        risk,
        'can pay': formatAmount(channel.spendable),
        'can receive': formatAmount(channel.receivable)
      }
      for (const [name, place] of figures) setText(place, values[name] ?? '')
      const high = known.info?.policy.riskAlarm ?? 100
      figures.get('risk')?.classList.toggle('bad', (channel.risk ?? 0) * 100 >= high)
      const news = known.news.get(channel.id)
      const lines = [...remarksOf(channel), ...(news === undefined ? [] : [`latest: ${news}`])]
      if (notes.dataset.said !== lines.join('\n')) {
        notes.dataset.said = lines.join('\n')
        notes.replaceChildren(...lines.map((line) => element('li', {}, printable(line))))
      }
      for (const [each, label] of [
        [details, 'Details of'],
        [pay, 'Pay on'],
        [close, 'Close']
      ] as const) {
        each.setAttribute('aria-label', `${label} channel ${id} with ${printable(name)}`)
      }
      pay.hidden = channel.spendable === 0n
      close.hidden = !canClose(channel)
    }
  }
}

/**
 * Ours from the left, theirs from the right, what is not acknowledged between; an arrow to the
 * payee.
 */
function balanceBar(channel: ChannelInfo): SVGElement {
  const { capacity, ourBalance, theirBalance, inFlight } = channel
  const whole = capacity > 0n ? capacity : 1n
  const [ours, theirs] = [percentOf(ourBalance, whole), percentOf(theirBalance, whole)]
  const between = Math.min(percentOf(inFlight, whole), Math.max(0, 100 - ours - theirs))
  const isOurTurn =
    channel.turns === undefined ? channel.role === 'client' : channel.turns.payer === 'us'
  const isLive = !['closed', 'abandoned', 'opening'].includes(channel.status)
  const arrow = isOurTurn ? 'M-4 4l8 6l-8 6z' : 'M4 4l-8 6l8 6z'
  const at = Math.min(97, Math.max(3, ours + between / 2))
  return drawn(
    'svg',
    {
      class: 'track',
      role: 'img',
      'aria-label': `of ${formatAmount(capacity)}, ours ${formatAmount(ourBalance)}, theirs ${formatAmount(theirBalance)}`
    },
    drawn('rect', { class: 'ours', x: 0, width: `${ours}%`, height: '100%' }),
    drawn('rect', { class: 'flying', x: `${ours}%`, width: `${between}%`, height: '100%' }),
    drawn('rect', { class: 'theirs', x: `${100 - theirs}%`, width: `${theirs}%`, height: '100%' }),
    ...(isLive
      ? [
          drawn(
            'svg',
            { x: `${at}%`, overflow: 'visible', 'aria-hidden': 'true' },
            drawn('circle', { class: 'turn', cy: 10, r: 8 }),
            drawn('path', { class: 'arrow', d: arrow })
          )
        ]
      : [])
  )
}
