/** The top of the page: which node this is, how it sees the chain, and what somebody has to see. */
import { button, element, need } from '../../browser/dom.js'
import type { NodeInfo } from '../../node/api.js'
import { historiesText, serverText, shortPeer } from '../../words/text.js'
import { NO_TOKEN } from './client.js'
import type { Connection } from './event-stream.js'
import type { Known, Notice } from './known.js'
import { copyable, copyButton, setText } from './parts.js'

const LOST =
  'The node does not answer: what you see is as it was. Start it again with `paychan start --ui`, and open the address that it prints. This page keeps trying.'

/** Shows whether the page is up to date. */
export function showConnection(connection: Connection): void {
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
export function showNode({ info }: Known): void {
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
export function showNotice({ text, isAlarm }: Notice): void {
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
export function prepareTheme(): void {
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
