/** A whole node through its lives: a libp2p host, a store on disk, a wallet, and a connection to the chain. */
import { randomUUID } from 'node:crypto'
import { memory } from '@libp2p/memory'
import { multiaddr } from '@multiformats/multiaddr'
import type { ChannelInfo, NodeApi } from '../../node/api.js'
import { createNode, type NodeOptions } from '../../node/create-node.js'
import type { TransportName } from './transport.js'

export interface RealNodeInit {
  readonly name: string
  readonly group: string
  /** Satoshis that its wallet begins with. */
  readonly begin: number
  readonly transport: TransportName
  readonly options: Omit<NodeOptions, 'listen' | 'transports'>
}

export class RealNode {
  readonly name: string
  readonly group: string
  readonly begin: number
  peerId = ''
  /** Where others reach it: the same in all its lives. */
  multiaddr = ''
  /** As they were when the newest block had been dealt with; none while it is down. */
  channels: readonly ChannelInfo[] = []
  crashes = 0
  #api: NodeApi | undefined

  constructor (private readonly init: RealNodeInit) {
    const { name, group, begin } = init
    this.name = name
    this.group = group
    this.begin = begin
  }

  get isUp (): boolean { return this.#api !== undefined }

  get api (): NodeApi {
    if (this.#api === undefined) throw new Error(`${this.name} is down`)
    return this.#api
  }

  /** On what its directory has: nothing in its first life. */
  async start (): Promise<void> {
    if (this.#api !== undefined) return
    const { transport, options } = this.init
    const host = hostOn(transport)
    this.#api = await createNode({ ...options, ...host, ...this.multiaddr === '' ? {} : { listen: [multiaddr(this.multiaddr).decapsulate('/p2p').toString()] } })
    const { peerId, multiaddrs: [address = ''] } = await this.#api.info()
    this.peerId = peerId
    this.multiaddr = address
  }

  async stop (): Promise<void> {
    const api = this.#api
    this.#api = undefined
    this.channels = []
    await api?.stop()
  }
}

/** A host of its own each: any free port of the loopback interface, or a name that nobody else in this process has. */
function hostOn (transport: TransportName): Pick<NodeOptions, 'transports'> & Required<Pick<NodeOptions, 'listen'>> {
  switch (transport) {
    case 'tcp': return { listen: ['/ip4/127.0.0.1/tcp/0'] }
    case 'memory': return { listen: [`/memory/${randomUUID()}`], transports: [memory()] }
  }
}
