/**
 * A whole node through its lives: a libp2p host, a store on disk, a wallet, and a connection to the
 * chain.
 */
import { randomUUID } from 'node:crypto'
import { memory } from '@libp2p/memory'
import { multiaddr } from '@multiformats/multiaddr'
import type { ChannelInfo, NodeApi, NodeEvent } from '../../node/api.js'
import { createNode, type NodeOptions } from '../../node/create-node.js'
import { isAtRest } from './readiness.js'
import type { TransportName } from './transport.js'

export interface RealNodeInit {
  readonly name: string
  readonly group: string
  /** Satoshis that its wallet begins with. */
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
  /** Where others reach it: the same in all its lives. */
  multiaddr = ''
  /** As they were at `seenAt`; none while it is down. */
  channels: readonly ChannelInfo[] = []
  /** Height of the chain when it was looked at. */
  seenAt = 0
  crashes = 0
  /** Of the newest block that it is through with, as it said itself. */
  #height = 0
  readonly #waiting = new Set<() => void>()
  /** It has said something of a channel or a payment since it was looked at. */
  #hasStirred = true
  #api: NodeApi | undefined

  constructor(private readonly init: RealNodeInit) {
    const { name, group, begin } = init
    this.name = name
    this.group = group
    this.begin = begin
  }

  get isUp(): boolean {
    return this.#api !== undefined
  }

  get api(): NodeApi {
    if (this.#api === undefined) throw new Error(`${this.name} is down`)
    return this.#api
  }

  /**
   * Resolves once it has verified a block at this height, and its wallet and channels know what
   * that brought: `untilHeight` for one who is told of every event, and asks nothing.
   */
  async reaches(height: number): Promise<void> {
    while (this.#height < height) {
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve)
      })
    }
  }

  /**
   * Whether a block that has nothing of anybody's makes it do something, as long as it is asked for
   * nothing.
   */
  isAwake(height: number): boolean {
    return this.#hasStirred || !this.channels.every((channel) => isAtRest(channel, height))
  }

  /**
   * Reads its channels, once it is through with what it has asked the chain before: questions go
   * over one connection, and a node begins what it does with one for fees.
   */
  async look(height: number): Promise<void> {
    await this.api.fees()
    this.#hasStirred = false
    this.seenAt = height
    this.channels = await this.api.channels()
  }

  /** On what its directory has: nothing in its first life. */
  async start(): Promise<void> {
    if (this.#api !== undefined) return
    const { transport, options } = this.init
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
 * A host of its own each: any free port of the loopback interface, or a name that nobody else in
 * this process has.
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
