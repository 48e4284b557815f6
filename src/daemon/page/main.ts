/**
 * The dashboard in the browser: it asks the API of the node that has served it, and nobody else.
 */
import './styles.css'
import { button, element, need } from '../../browser/dom.js'
import type { NodeInfo } from '../../node/api.js'
import { messageOf } from '../../types/errors.js'
import { historiesText, serverText, shortPeer } from '../../words/text.js'
import { prepareChannels, showBalances } from './channels.js'
import {
  Client,
  type Connection,
  currentToken,
  EventStream,
  isRefused,
  NO_TOKEN,
  onToken
} from './client.js'
import { Known, type Notice } from './known.js'
import { copyable, copyButton, prepareDialogs, setText } from './parts.js'
import { prepareOpening, preparePaying } from './paying.js'
import { Payments } from './payments.js'
import { prepareRequests } from './requests.js'

/* The top of the page: which node this is, how it sees the chain, and what somebody has to see. */

const LOST =
  'The node does not answer: what you see is as it was. Start it again with `paychan start --ui`, and open the address that it prints. This page keeps trying.'

/** Shows whether the page is up to date. */
function showConnection(connection: Connection): void {
  const state = need('connection', HTMLElement)
  state.className = `badge ${connection === 'live' ? 'good' : connection === 'connecting' ? '' : 'bad'}`
  setText(
    state,
    { live: 'live', connecting: 'connecting', lost: 'no answer', refused: 'no access' }[connection]
  )
  const banner = need('banner', HTMLElement)
  const text = connection === 'lost' ? LOST : connection === 'refused' ? NO_TOKEN : ''
  setText(banner, text)
  banner.hidden = text === ''
}

/** Shows the node and its chain. */
function showNode({ info }: Known): void {
  if (info === undefined) return
  const { chain, channels } = info
  setText(need('network', HTMLElement), info.network)
  const place = need('chain', HTMLElement)
  place.className = `badge ${toneOf(chain)}`
  setText(place, chainWords(chain))
  const peerId = need('peer-id', HTMLElement)
  if (peerId.textContent === '') {
    for (const id of ['peer', 'who']) {
      need(id, HTMLElement).append(copyButton('peer id', () => info.peerId))
    }
  }
  setText(peerId, info.peerId)
  setText(need('peer-short', HTMLElement), shortPeer(info.peerId))
  const lines = [
    ...(channels.unwatched === 0
      ? []
      : [
          `${channels.unwatched} of the channels ${channels.unwatched === 1 ? 'is' : 'are'} not watched: no server tells what happens there.`
        ]),
    ...(chain.status === 'synced' || chain.lastError === undefined ? [] : [chain.lastError])
  ]
  setText(need('chain-problem', HTMLElement), lines.join(' '))
  showOnce(need('servers', HTMLElement), chain.servers.map(serverText), (text) =>
    element('li', {}, text)
  )
  showOnce(need('addresses', HTMLElement), info.multiaddrs, (address) =>
    element('li', {}, copyable('address', address))
  )
  setText(
    need('reach', HTMLElement),
    info.multiaddrs.every((address) => /^\/(ip4\/127\.|ip6\/::1\/)/.test(address))
      ? 'Only nodes on this machine can connect to this one. For others, start it with --listen /ip4/0.0.0.0/tcp/9801.'
      : ''
  )
  setText(need('version', HTMLElement), `paychan ${info.version}, data in ${info.dataDir}`)
}

/** The sight of the chain: by all servers, by some, or not at all. */
function toneOf({ status, servers }: NodeInfo['chain']): string {
  if (status !== 'synced') return 'bad'
  return servers.every(({ state }) => state === 'used') ? 'good' : 'warn'
}

/** The height, and how many of the servers show it. */
function chainWords({ status, height, servers, histories }: NodeInfo['chain']): string {
  const used = servers.filter(({ state }) => state === 'used').length
  return [
    ...(status === 'synced' ? [] : [status === 'down' ? 'no chain' : 'connecting']),
    ...(height === undefined ? [] : [`block ${height.toLocaleString('en')}`]),
    ...(servers.length < 2 ? [] : [`${used} of ${servers.length} servers`]),
    ...(histories === undefined ? [] : [historiesText(histories)])
  ].join(' · ')
}

/** Makes a list anew only when it says something else: who is on a button of it stays there. */
function showOnce(
  place: HTMLElement,
  texts: readonly string[],
  make: (text: string) => HTMLElement
): void {
  const said = texts.join('\n')
  if (place.dataset.said === said) return
  place.dataset.said = said
  place.replaceChildren(...texts.map(make))
}

const MOST_NOTICES = 8

/** Shows an alarm, or other news of the node, until somebody takes it away. */
function showNotice({ text, isAlarm }: Notice): void {
  const place = need(isAlarm ? 'alarms' : 'notices', HTMLElement)
  const notice = element('li', { class: isAlarm ? 'alarm' : 'notice' }, text)
  notice.append(
    button(
      'Dismiss',
      () => {
        notice.remove()
      },
      { class: 'small' }
    )
  )
  place.prepend(notice)
  while (place.children.length > MOST_NOTICES) place.lastElementChild?.remove()
}

const KEPT_AS = 'paychan-theme'

/** Light or dark: as the system is, until somebody chooses. */
function prepareTheme(): void {
  const toggle = need('theme', HTMLButtonElement)
  const dark = matchMedia('(prefers-color-scheme: dark)')
  const show = (): void => {
    const chosen = localStorage.getItem(KEPT_AS)
    const isDark = chosen === null ? dark.matches : chosen === 'dark'
    document.documentElement.dataset.theme = isDark ? 'dark' : 'light'
    toggle.setAttribute('aria-pressed', String(isDark))
  }
  toggle.addEventListener('click', () => {
    const isDark = document.documentElement.dataset.theme === 'dark'
    localStorage.setItem(KEPT_AS, isDark ? 'light' : 'dark')
    show()
  })
  dark.addEventListener('change', show)
  show()
}

let token = currentToken()
const client = new Client(() => token)

let isToBeShown = false

/** Shows everything as it is now, in the next frame: once, however much has changed. */
function show(): void {
  if (isToBeShown) return
  isToBeShown = true
  requestAnimationFrame(() => {
    isToBeShown = false
    showNode(known)
    showBalances(known)
    channels.show()
    requests.show()
    payments.showChannels()
    payments.show()
  })
}

const known = new Known(client, {
  onChange: show,
  onLoaded: () => {
    payments.load()
  },
  onPayment: (payment) => {
    payments.add(payment)
  },
  onNotice: showNotice,
  onError: (error) => {
    if (isRefused(error)) showConnection('refused')
  }
})
const payments = new Payments(known, client)
const opening = prepareOpening(known, client)
const paying = preparePaying(client, payments, opening.begin)
const channels = prepareChannels(known, client, paying.begin)
const requests = prepareRequests(known, client)

const events = new EventStream(client, {
  onEvent: known.onEvent,
  onConnection: (connection) => {
    showConnection(connection)
    if (connection !== 'live') return
    // Once the events come nothing is missed between them and what is asked for now.
    known.load().catch((error: unknown) => {
      if (isRefused(error)) showConnection('refused')
      else showNotice({ text: messageOf(error), isAlarm: false })
    })
  }
})

for (const [id, begin] of [
  ['pay', () => paying.begin()],
  ['request', requests.begin],
  ['open', () => opening.begin()]
] as const) {
  need(id, HTMLButtonElement).addEventListener('click', begin)
}
onToken(() => {
  token = currentToken()
  events.start()
})
prepareTheme()
prepareDialogs()
events.start()
