/** All channels, and what can be done with one: read it whole, close it. */
import { button, element, need } from '../../browser/dom.js'
import type { ChannelInfo, ChannelStatus } from '../../node/api.js'
import { formatAmount } from '../../types/units.js'
import {
  channelFields,
  closedWords,
  closingWords,
  deadlineWords,
  forcingWords,
  payerWords,
  remarksOf,
  riskWords
} from '../../words/channels.js'
import { printable, shortChannel } from '../../words/text.js'
import { type Client, say } from './client.js'
import {
  drawn,
  fieldList,
  isChecked,
  onSend,
  openDialog,
  type Row,
  RowList,
  setText
} from './parts.js'
import type { Known } from './known.js'

/* The balances of the node, by place. */

/** Shows the sum, its parts as a bar, and each part with its amount. */
export function showBalances({ balance, channels }: Known): void {
  if (balance === undefined) return
  const free = balance.confirmed - balance.reserved - balance.locked
  const parts = [
    ['free', free],
    ['reserved', balance.reserved + balance.locked],
    ['coming', balance.pending + balance.unswept],
    ['in-channels', balance.inChannels]
  ] as const
  setText(need('total', HTMLElement), formatAmount(balance.total))
  for (const [name, amount] of parts) setText(need(name, HTMLElement), formatAmount(amount))
  const isEnded = new Set(['closed', 'abandoned'])
  const live = channels.filter(({ status }) => !isEnded.has(status))
  const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((a, b) => a + b, 0n)
  const atRisk = sum(live.map((channel) => channel.atRisk))
  const stake = sum(live.map((channel) => channel.stake))
  setText(need('at-risk', HTMLElement), formatAmount(atRisk))
  setText(
    need('at-stake', HTMLElement),
    stake === 0n
      ? 'not worth the fee of settling alone'
      : `not worth its fee alone; and ${formatAmount(stake)} at stake`
  )
  setText(
    need('locked', HTMLElement),
    balance.locked === 0n
      ? 'for transactions under way'
      : `${formatAmount(balance.locked)} of it locked by you`
  )
  setText(
    need('unwatched', HTMLElement),
    balance.unwatched === 0n
      ? 'your share of them'
      : `${formatAmount(balance.unwatched)} of it not watched`
  )
  const whole = sum(parts.map(([, amount]) => amount))
  let at = 0
  const bars = parts.map(([name, amount]) => {
    const part = whole === 0n ? 0 : percentOf(amount, whole)
    const bar = drawn('rect', { class: name, x: `${at}%`, width: `${part}%`, height: '100%' })
    at += part
    return bar
  })
  need('shares', HTMLElement).replaceChildren(
    drawn('svg', { class: 'track', 'aria-hidden': 'true' }, ...bars)
  )
}

/** A part of a whole in percent, for drawing: the ratio of two exact amounts. */
function percentOf(part: bigint, whole: bigint): number {
  return whole === 0n ? 0 : Number((part * 10_000n) / whole) / 100
}

/* One channel: its money as a bar, and what matters about it now. */

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
function canClose({ status }: ChannelInfo): boolean {
  return !['closing', 'settling', 'refunding', 'closed', 'abandoned'].includes(status)
}

/** A card that shows a channel, and then the same channel as it is later. */
function channelCard(known: Known, actions: CardActions): Row<ChannelInfo> {
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

export interface Channels {
  readonly show: () => void
}

export function prepareChannels(
  known: Known,
  client: Client,
  onPay: (channel: ChannelInfo) => void
): Channels {
  const actions = {
    onPay,
    onDetails: (channel: ChannelInfo) => {
      details = channel.id
      openDialog('details-dialog')
      show()
    },
    onClose: (channel: ChannelInfo) => {
      closing.begin(channel)
    }
  }
  const closing = prepareClosing(known, client)
  const make = (): ReturnType<typeof channelCard> => channelCard(known, actions)
  const keyOf = ({ id }: ChannelInfo): string => id
  const live = new RowList(need('channel-list', HTMLElement), keyOf, make)
  const ended = new RowList(need('ended-list', HTMLElement), keyOf, make)
  /** The id of the channel that the dialog shows. */
  let details = ''

  const showDetails = (): void => {
    const channel = known.channel(details)
    if (channel === undefined || !need('details-dialog', HTMLDialogElement).open) return
    setText(need('details-title', HTMLElement), `Channel ${shortChannel(channel.id)}`)
    const fields = channelFields(channel)
    const place = need('details-fields', HTMLElement)
    const said = fields.join('\n')
    if (place.dataset.said === said) return
    place.dataset.said = said
    place.replaceChildren(fieldList(fields))
  }
  const show = (): void => {
    const isEnded = ({ status }: ChannelInfo): boolean =>
      status === 'closed' || status === 'abandoned'
    const gone = known.channels.filter(isEnded)
    live.show(known.channels.filter((channel) => !isEnded(channel)))
    ended.show(gone)
    need('ended', HTMLElement).hidden = gone.length === 0
    setText(
      need('ended-count', HTMLElement),
      `${gone.length.toLocaleString('en')} closed ${gone.length === 1 ? 'channel' : 'channels'}`
    )
    need('no-channels', HTMLElement).hidden =
      known.info === undefined || known.channels.length > gone.length
    showDetails()
  }
  return { show }
}

/** The dialog that closes a channel: with the peer, or alone and at what cost. */
function prepareClosing(
  known: Known,
  client: Client
): { readonly begin: (channel: ChannelInfo) => void } {
  const form = need('close-form', HTMLFormElement)
  let id = ''
  onSend(form, async () => {
    const channel = known.channel(id)
    if (channel === undefined || !canClose(channel)) {
      need('close-dialog', HTMLDialogElement).close()
      return
    }
    const force = isChecked(form, 'force')
    const closed = await client.call('close', { channel: id, ...(force ? { force } : {}) })
    need('close-dialog', HTMLDialogElement).close()
    say(closedWords(closed))
  })
  return {
    begin: (channel) => {
      id = channel.id
      form.reset()
      setText(need('close-title', HTMLElement), `Close channel ${shortChannel(id)}?`)
      setText(need('close-words', HTMLElement), closingWords(channel))
      need('force-words', HTMLElement).replaceChildren(
        ...forcingWords(channel).map((line) => element('span', {}, line))
      )
      openDialog('close-dialog')
    }
  }
}
