/**
 * A whole node across its restarts: a libp2p host, a store on disk, a wallet, and a connection to
 * the chain.
 */
import { randomUUID } from 'node:crypto'
import { memory } from '@libp2p/memory'
import { multiaddr } from '@multiformats/multiaddr'
import { BLOCKS_UNTIL_CLOSE } from '../../channel/closing.js'
import { RENEW_BEFORE } from '../../channel/self-renewal.js'
import type { ChannelInfo, LocalNode, NodeEvent } from '../../node/api.js'
import { createNode, type NodeOptions } from '../../node/create-node.js'
import type { TransportName } from './transport.js'

interface RealNodeInit {
  readonly name: string
  readonly group: string
  /** Satoshis in its wallet at the beginning. */
  readonly begin: number
  readonly transport: TransportName
  readonly options: Omit<NodeOptions, 'listen' | 'transports' | 'onEvent'> & {
    readonly onEvent: (event: NodeEvent) => void
  }
}

export class RealNode {
  readonly name: string
  readonly group: string
  readonly begin: number
  peerId = ''
  /** Its address for others, the same across restarts. */
  multiaddr = ''
  /** The channels at `seenAt`; none while it is down. */
  channels: readonly ChannelInfo[] = []
  /** Height of the chain at the last look. */
  seenAt = 0
  crashes = 0
  /** Height of the newest block that it has finished, by its own report. */
  #height = 0
  readonly #waiting = new Set<() => void>()
  /** True when it has reported a channel or a payment since the last look. */
  #hasStirred = true
  #api: LocalNode | undefined
  readonly #init: RealNodeInit

  constructor(init: RealNodeInit) {
    this.#init = init
    const { name, group, begin } = init
    this.name = name
    this.group = group
    this.begin = begin
  }

  get isUp(): boolean {
    return this.#api !== undefined
  }

  get api(): LocalNode {
    if (this.#api === undefined) throw new Error(`${this.name} is down`)
    return this.#api
  }

  /**
   * Resolves once it has verified a block at this height, and its wallet and channels have seen
   * that block. As `untilHeight`, but from its events, without a question.
   */
  async reaches(height: number): Promise<void> {
    while (this.#height < height) {
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve)
      })
    }
  }

  /**
   * True when a block without anybody's transactions makes it act, as long as nothing is asked of
   * it.
   */
  isAwake(height: number): boolean {
    return this.#hasStirred || !this.channels.every((channel) => isAtRest(channel, height))
  }

  /**
   * Reads its channels, once it has taken in what the chain has told it, and its earlier questions
   * to the chain are answered.
   */
  async look(height: number): Promise<void> {
    await this.api.caughtUp()
    this.#hasStirred = false
    this.seenAt = height
    this.channels = await this.api.channels.list()
  }

  /** Starts on the data of its directory: empty in its first life. */
  async start(): Promise<void> {
    if (this.#api !== undefined) return
    const { transport, options } = this.#init
    const host = hostOn(transport)
    const onEvent = (event: NodeEvent): void => {
      if (event.type === 'channel' || event.type === 'payment') this.#hasStirred = true
      if (event.type === 'chain') {
        this.#height = event.height ?? 0
        for (const resolve of this.#waiting) resolve()
        this.#waiting.clear()
      }
      options.onEvent(event)
    }
    this.#hasStirred = true
    this.#height = 0
    this.#api = await createNode({
      ...options,
      onEvent,
      ...host,
      ...(this.multiaddr === ''
        ? {}
        : { listen: [multiaddr(this.multiaddr).decapsulate('/p2p').toString()] })
    })
    const {
      peerId,
      multiaddrs: [address = '']
    } = await this.#api.info()
    this.peerId = peerId
    this.multiaddr = address
  }

  async stop(): Promise<void> {
    const api = this.#api
    this.#api = undefined
    this.channels = []
    await api?.stop()
  }
}

/**
 * A separate host each: any free port of the loopback interface, or a name that is unique in this
 * process.
 */
function hostOn(
  transport: TransportName
): Pick<NodeOptions, 'transports'> & Required<Pick<NodeOptions, 'listen'>> {
  switch (transport) {
    case 'tcp':
      return { listen: ['/ip4/127.0.0.1/tcp/0'] }
    case 'memory':
      return { listen: [`/memory/${randomUUID()}`], transports: [memory()] }
  }
}

/* A channel's pending actions that need no block, as far as visible from outside. */

/** True when this side renews or closes the channel with the tip at this height (TIME-5). */
export function isDue(
  { role, status, ourBalance, renewFor, lastPaymentHeight }: ChannelInfo,
  height: number
): boolean {
  if (!isIdle(status) || lastPaymentHeight === undefined) return false
  // The side that asks for a close pays for it: with nothing in the channel it cannot.
  if (ourBalance > 0n && height === lastPaymentHeight + BLOCKS_UNTIL_CLOSE[role]) return true
  return (
    role === 'client' &&
    status === 'open' &&
    renewFor !== undefined &&
    height >= lastPaymentHeight - RENEW_BEFORE
  )
}

/**
 * True when an empty block at this height changes neither the channel nor its payouts. A two-way
 * channel may end because a turn is not used (TURN-7), which is not visible from outside; a payout
 * with a lock is swept one day.
 */
export function isAtRest(
  { status, mode, spend, renewFor, lastPaymentHeight }: ChannelInfo,
  height: number
): boolean {
  if (status === 'closed') return spend?.kind === 'close'
  return (
    status === 'open' &&
    mode === 'one-way' &&
    lastPaymentHeight !== undefined &&
    height < lastPaymentHeight - (renewFor === undefined ? 0 : RENEW_BEFORE)
  )
}

export function isIdle(status: ChannelInfo['status']): boolean {
  return status === 'open' || status === 'stopped'
}

/**
 * True when something is under way between two running nodes: an opening, the message that T1 is
 * deep enough, a stream after a restart, or a transaction that the chain does not show yet.
 */
export function isHalfDone({ status, spend, confirmations, minDepth }: ChannelInfo): boolean {
  switch (status) {
    case 'opening':
    case 'offline':
      return true
    case 'confirming':
      return minDepth !== undefined && confirmations >= minDepth
    case 'closing':
    case 'settling':
    case 'refunding':
      return spend === undefined
    default:
      return false
  }
}
