/** All channels, and what can be done with one: read it whole, close it. */
import { element, need } from '../../browser/dom.js'
import type { ChannelInfo } from '../../node/api.js'
import { channelFields, closedWords, closingWords, forcingWords } from '../../words/channels.js'
import { shortChannel } from '../../words/text.js'
import { canClose, channelCard } from './channel-card.js'
import type { Client } from './client.js'
import { isChecked, onSend, openDialog } from './forms.js'
import type { Known } from './known.js'
import { fieldList, RowList, setText } from './parts.js'
import { say } from './said.js'

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
