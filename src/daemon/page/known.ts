/** The page's knowledge of the node: asked for once, then kept as the events tell. */
import type {
  Balance,
  ChannelInfo,
  NodeEvent,
  NodeInfo,
  PaymentInfo,
  RequestInfo
} from '../../node/api.js'
import type { Client } from './client.js'
import { plainWords } from '../../words/channels.js'
import { alarmText, riskText, shortChannel, shortPeer } from '../../words/text.js'

/** A notice that somebody has to see, until they have. */
export interface Notice {
  readonly text: string
  readonly isAlarm: boolean
}

interface Told {
  /** Balances, channels, requests or the node are other than before. */
  readonly onChange: () => void
  readonly onPayment: (payment: PaymentInfo) => void
  readonly onNotice: (notice: Notice) => void
  /** All was asked for again: after a start, and after a break. */
  readonly onLoaded: () => void
  readonly onError: (error: unknown) => void
}

/** Payments change balances; many in a second ask for them once. */
const BETWEEN_LOADS_MS = 800

/** As many requests as a person looks through. */
const MOST_REQUESTS = 50

export class Known {
  info: NodeInfo | undefined
  balance: Balance | undefined
  /** The newest first. */
  channels: readonly ChannelInfo[] = []
  requests: readonly RequestInfo[] = []
  /** The last news about a channel, in words. */
  readonly news = new Map<string, string>()
  #names = new Map<string, string>()
  /** Requests that events have told of since all were asked for: newer than the answer. */
  #newer: RequestInfo[] = []
  #asked = 0
  #answered = 0
  #loading: Promise<void> | undefined
  #isStale = false
  readonly #client: Client
  readonly #told: Told

  constructor(client: Client, told: Told) {
    this.#client = client
    this.#told = told
  }

  get height(): number | undefined {
    return this.info?.chain.height
  }

  channel(id: string): ChannelInfo | undefined {
    return this.channels.find((channel) => channel.id === id)
  }

  /** The name that a person gave to a peer, else the end of its id. */
  nameOf(peerId: string): string {
    return this.#names.get(peerId) ?? shortPeer(peerId)
  }

  /** Asks for everything. */
  async load(): Promise<void> {
    this.#newer = []
    const [requests, aliases] = await Promise.all([
      this.#client.call('requests', { limit: MOST_REQUESTS }),
      this.#client.call('aliases', {}),
      this.#loadState()
    ])
    this.requests = this.#newer.reduce<readonly RequestInfo[]>(withNewest, requests)
    this.#names = new Map(aliases.map(({ name, peerId }) => [peerId, name]))
    this.#told.onLoaded()
    this.#told.onChange()
  }

  /** Takes a request that was just made: no event tells of it before something is paid. */
  addRequest(request: RequestInfo): void {
    this.requests = withNewest(this.requests, request)
    this.#told.onChange()
  }

  readonly onEvent = (event: NodeEvent): void => {
    switch (event.type) {
      case 'payment':
        this.#told.onPayment(event.payment)
        break
      case 'request':
        this.#newer.push(event.request)
        this.requests = withNewest(this.requests, event.request)
        break
      case 'channel':
        this.news.set(event.channel.id, plainWords(event))
        this.channels = withNewest(this.channels, event.channel)
        break
      case 'alarm':
        this.#notice(alarmText(event), true)
        break
      case 'risk':
        this.#notice(`Channel ${shortChannel(event.channel)}: ${riskText(event)}.`, event.isHigh)
        break
      case 'server':
        this.#notice(event.text, false)
        break
      case 'chain':
      case 'histories':
        break
    }
    this.#told.onChange()
    this.#reload()
  }

  #notice(text: string, isAlarm: boolean): void {
    this.#told.onNotice({ text, isAlarm })
  }

  /** Asks again for what events change without saying it, one time for many. */
  #reload(): void {
    if (this.#loading !== undefined) {
      this.#isStale = true
      return
    }
    this.#isStale = false
    this.#loading = this.#loadState()
      .then(this.#told.onChange, this.#told.onError)
      .then(async () => {
        await new Promise((resolve) => setTimeout(resolve, BETWEEN_LOADS_MS))
        this.#loading = undefined
        if (this.#isStale) this.#reload()
      })
  }

  async #loadState(): Promise<void> {
    this.#asked++
    const asked = this.#asked
    const [info, balance, channels] = await Promise.all([
      this.#client.call('info', {}),
      this.#client.call('balance', {}),
      this.#client.call('channels', {})
    ])
    // Answers may overtake each other.
    if (asked < this.#answered) return
    this.#answered = asked
    this.info = info
    this.balance = balance
    this.channels = channels
  }
}

/** A list, the newest first, with one item as it is now. */
function withNewest<Item extends { readonly id: string }>(
  items: readonly Item[],
  newest: Item
): readonly Item[] {
  return items.some(({ id }) => id === newest.id)
    ? items.map((item) => (item.id === newest.id ? newest : item))
    : [newest, ...items]
}
