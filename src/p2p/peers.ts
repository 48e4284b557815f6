/**
 * The port `Peers` over a libp2p host: registers `/paychan/1.0`, opens and accepts its streams.
 * It needs a few components of the host and no more, so it can be a service of any.
 */
import type {
  ComponentLogger,
  Connection,
  CounterGroup,
  Logger,
  Metrics,
  Peer,
  PeerId,
  Stream,
  StreamHandler
} from '@libp2p/interface'
import { CODE_P2P_CIRCUIT, type Multiaddr } from '@multiformats/multiaddr'
import { PROTOCOL } from '../../protocols/paychan/1.0/index.js'
import {
  inBackground,
  type Link,
  type LinkListener,
  type Peers,
  type Unsubscribe
} from '../engine/ports.js'
import type { ErrorCode } from '../types/error-codes.js'
import { messageOf, PaychanError } from '../types/errors.js'
import { parseDialTarget } from './dial-target.js'
import type { DialTarget } from './dial-target.js'
import { asError, report } from './guarded-listener.js'
import { StreamLink } from './stream-link.js'
import type { LinkOptions } from './stream-link.js'

/** The components of a libp2p host that this service needs. */
export interface PeersComponents {
  readonly peerId: PeerId
  readonly registrar: {
    handle: (
      protocol: string,
      handler: StreamHandler,
      options?: {
        maxInboundStreams?: number
        maxOutboundStreams?: number
        runOnLimitedConnection?: boolean
      }
    ) => Promise<void>
    unhandle: (protocol: string) => Promise<void>
    register: (
      protocol: string,
      topology: { notifyOnLimitedConnection?: boolean; onConnect?: (peer: PeerId) => void }
    ) => Promise<string>
    unregister: (id: string) => void
  }
  readonly connectionManager: {
    openConnection: (
      peer: PeerId | Multiaddr,
      options?: { signal?: AbortSignal }
    ) => Promise<Connection>
    getConnections: (peer?: PeerId) => Connection[]
  }
  readonly peerStore: { all: () => Promise<Peer[]> }
  readonly logger: ComponentLogger
  /** Undefined in a host that measures nothing. */
  readonly metrics?: Metrics
}

/** The options that libp2p's own services let their users choose. */
export interface StreamsInit {
  /**
   * Streams that one peer may have open towards this node at the same time: one for each channel.
   * Default 64.
   */
  readonly maxInboundStreams?: number | undefined
  /** Streams that this node may have open towards one peer. Default 1,000. */
  readonly maxOutboundStreams?: number | undefined
  /**
   * False keeps channels off connections that a relay limits in time and bytes. Default true: when
   * the limit ends such a connection, the next one goes on where it stopped.
   */
  readonly runOnLimitedConnection?: boolean | undefined
}

export interface PeersOptions extends StreamsInit {
  /** Called for errors that nobody else sees, such as a listener that throws. */
  readonly onError: (error: Error) => void
  /** Called for every peer that connects, or is connected to, and speaks paychan. */
  readonly onMeet?: (peer: string) => void
  /**
   * Bytes that may wait for a peer that does not read. Default 4 MiB, a window of 25 full Updates.
   */
  readonly maxQueuedBytes?: number
  /** Milliseconds to reach a peer and agree on the protocol. Default 15,000. */
  readonly dialTimeout?: number
  /** Milliseconds that a peer has to close its side of a stream. Default 5,000. */
  readonly closeTimeout?: number
}

/** A peer that we are, or were, connected to. */
export interface KnownPeer {
  readonly peerId: string
  readonly connected: boolean
  readonly multiaddrs: readonly string[]
  /** True when the peer speaks /paychan/1.0; undefined before it has said what it speaks. */
  readonly paychan: boolean | undefined
}

export interface Libp2pPeers extends Peers {
  start: () => Promise<void>
  stop: () => Promise<void>
  /**
   * Connects to a full multiaddr; the signal gives the dial up. Errors: `ERR_INVALID_MULTIADDR`,
   * `ERR_PEER_UNREACHABLE`.
   */
  connect: (multiaddr: string, signal?: AbortSignal) => Promise<KnownPeer>
  peers: () => Promise<KnownPeer[]>
  isConnected: (peer: string) => boolean
  /** Connects to a PeerId or a full multiaddr. Errors: as `connect`, `ERR_PEER_UNKNOWN`. */
  dial: (to: string) => Promise<void>
}

/**
 * Makes the port; libp2p, or the caller, starts and stops it.
 *
 * @example
 * const peers = (components) => createPeers(components, { onError })
 * const node = await createLibp2p({ ...host, services: { ...host.services, peers } })
 */
export function createPeers(components: PeersComponents, options: PeersOptions): Libp2pPeers {
  return new PeersOfHost(components, options)
}

type Accept = (link: Link) => LinkListener

class PeersOfHost implements Libp2pPeers {
  readonly self: string
  readonly #components: PeersComponents
  readonly #links = new Set<StreamLink>()
  readonly #incoming = new Map<string, number>()
  readonly #linkOptions: LinkOptions
  readonly #maxInboundStreams: number
  readonly #maxOutboundStreams: number
  readonly #runOnLimitedConnection: boolean
  readonly #log: Logger
  readonly #streamCount: CounterGroup<'inbound' | 'outbound' | 'refused'> | undefined
  readonly #dialCount: CounterGroup<'made' | 'failed'> | undefined
  readonly #dialTimeout: number
  readonly #onMeet: ((peer: string) => void) | undefined
  #topology: string | undefined
  #accept: Accept | undefined
  #started = false

  constructor(components: PeersComponents, options: PeersOptions) {
    this.#components = components
    this.self = components.peerId.toString()
    this.#maxInboundStreams = options.maxInboundStreams ?? 64
    this.#maxOutboundStreams = options.maxOutboundStreams ?? 1_000
    this.#runOnLimitedConnection = options.runOnLimitedConnection ?? true
    this.#log = components.logger.forComponent('paychan:streams')
    const { metrics } = components
    this.#streamCount = metrics?.registerCounterGroup('paychan_streams_total', {
      label: 'kind',
      help: 'Streams of /paychan/1.0 that were opened, or refused as one too many'
    })
    this.#dialCount = metrics?.registerCounterGroup('paychan_dials_total', {
      label: 'outcome',
      help: 'Dials for a channel, first ones and later ones'
    })
    metrics?.registerMetric('paychan_streams', {
      help: 'Streams of /paychan/1.0 that are open',
      calculate: () => this.#links.size
    })
    this.#dialTimeout = options.dialTimeout ?? 15_000
    this.#onMeet = options.onMeet
    this.#linkOptions = {
      maxQueuedBytes: options.maxQueuedBytes ?? 4_194_304,
      closeTimeout: options.closeTimeout ?? 5_000,
      onError: options.onError
    }
  }

  async start(): Promise<void> {
    if (this.#started) return
    this.#started = true
    // libp2p counts per connection, and one more than what we answer with an Error of our own.
    await this.#components.registrar.handle(
      PROTOCOL,
      (stream, connection) => {
        this.#onStream(stream, connection)
      },
      {
        maxInboundStreams: this.#maxInboundStreams + 1,
        maxOutboundStreams: this.#maxOutboundStreams,
        runOnLimitedConnection: this.#runOnLimitedConnection
      }
    )
    const meet = this.#onMeet
    if (meet !== undefined) {
      this.#topology = await this.#components.registrar.register(PROTOCOL, {
        notifyOnLimitedConnection: this.#runOnLimitedConnection,
        onConnect: (peer) => {
          meet(peer.toString())
        }
      })
    }
  }

  async stop(): Promise<void> {
    if (!this.#started) return
    this.#started = false
    if (this.#topology !== undefined) this.#components.registrar.unregister(this.#topology)
    await this.#components.registrar.unhandle(PROTOCOL)
    const links = [...this.#links]
    for (const link of links) link.close()
    await Promise.all(links.map((link) => link.gone))
  }

  async open(peer: string, listener: (link: Link) => LinkListener): Promise<Link> {
    const connection = await this.#dial(parseDialTarget(peer))
    const link = this.#adopt(await this.#newStream(connection), connection)
    this.#streamCount?.increment({ outbound: true })
    try {
      link.start(listener(link))
    } catch (error) {
      link.close()
      throw error
    }
    return link
  }

  onIncoming(accept: Accept): Unsubscribe {
    if (this.#accept !== undefined) throw new Error('There can be only one that accepts streams.')
    this.#accept = accept
    return () => {
      if (this.#accept === accept) this.#accept = undefined
    }
  }

  async connect(multiaddr: string, signal?: AbortSignal): Promise<KnownPeer> {
    const target = parseDialTarget(multiaddr)
    if (target.address === undefined) {
      throw new PaychanError(
        'ERR_INVALID_MULTIADDR',
        `'${multiaddr}' is not a multiaddr: it says who, but not where.`,
        { multiaddr }
      )
    }
    const connection = await this.#dial(target, signal)
    const peerId = connection.remotePeer.toString()
    const known = (await this.peers()).find((one) => one.peerId === peerId)
    return (
      known ?? {
        peerId,
        connected: true,
        multiaddrs: [connection.remoteAddr.toString()],
        paychan: undefined
      }
    )
  }

  async peers(): Promise<KnownPeer[]> {
    const known = new Map<string, KnownPeer>()
    for (const { id, addresses, protocols } of await this.#components.peerStore.all()) {
      known.set(id.toString(), {
        peerId: id.toString(),
        connected: false,
        multiaddrs: addresses.map(({ multiaddr }) => multiaddr.toString()),
        paychan: protocols.length === 0 ? undefined : protocols.includes(PROTOCOL)
      })
    }
    for (const { remotePeer, remoteAddr } of this.#components.connectionManager.getConnections()) {
      const peerId = remotePeer.toString()
      const stored = known.get(peerId)
      const multiaddrs =
        stored === undefined || stored.multiaddrs.length === 0
          ? [remoteAddr.toString()]
          : stored.multiaddrs
      known.set(peerId, { peerId, connected: true, multiaddrs, paychan: stored?.paychan })
    }
    known.delete(this.self)
    return [...known.values()]
  }

  isConnected(peer: string): boolean {
    const id = parseDialTarget(peer).peer
    return this.#components.connectionManager.getConnections(id).length > 0
  }

  async dial(to: string): Promise<void> {
    await this.#dial(parseDialTarget(to))
  }

  async #dial(target: DialTarget, signal?: AbortSignal): Promise<Connection> {
    const { peer, address } = target
    const name = peer.toString()
    if (name === this.self) {
      throw new PaychanError('ERR_PEER_UNREACHABLE', 'That is this node itself.', { peer: name })
    }
    try {
      const late = AbortSignal.timeout(this.#dialTimeout)
      const connection = await connectionTo(
        this.#components,
        target,
        signal === undefined ? late : AbortSignal.any([signal, late]),
        this.#runOnLimitedConnection
      )
      this.#dialCount?.increment({ made: true })
      return connection
    } catch (cause) {
      this.#dialCount?.increment({ failed: true })
      this.#log.error('%s could not be dialled - %e', name, cause)
      if (
        address === undefined &&
        (isNoValidAddress(cause) || (cause instanceof Error && cause.name === 'NotFoundError'))
      ) {
        throw new PaychanError(
          'ERR_PEER_UNKNOWN',
          `No address of ${name} is known. Connect to its multiaddr first.`,
          { peer: name },
          { cause }
        )
      }
      if (isRelayed(address) && isNoValidAddress(cause)) {
        throw new PaychanError(
          'ERR_PEER_UNREACHABLE',
          `${name} is behind a relay, and this host has no transport for relays: start it with --relay, or give it circuitRelayTransport().`,
          { peer: name },
          { cause }
        )
      }
      throw unreachable(name, cause)
    }
  }

  async #newStream(connection: Connection): Promise<Stream> {
    const peer = connection.remotePeer.toString()
    const signal = AbortSignal.timeout(this.#dialTimeout)
    const options = { signal, runOnLimitedConnection: this.#runOnLimitedConnection }
    return await openStream(connection, PROTOCOL, options, [
      'ERR_NO_PAYCHAN',
      `${peer} does not speak ${PROTOCOL}, so no channel can be opened to it.`
    ])
  }

  #adopt(stream: Stream, connection: Connection): StreamLink {
    const link = new StreamLink(
      stream,
      { peer: connection.remotePeer.toString(), address: dialledAddress(connection) },
      this.#linkOptions
    )
    this.#links.add(link)
    this.#log('stream with %s at %a is open', link.peer, connection.remoteAddr)
    this.#onceGone(link, () => {
      this.#links.delete(link)
      this.#log('stream with %s is gone', link.peer)
    })
    return link
  }

  /** Never throws: a peer can call this whenever it likes. */
  #onStream(stream: Stream, connection: Connection): void {
    const link = this.#adopt(stream, connection)
    const count = (this.#incoming.get(link.peer) ?? 0) + 1
    this.#incoming.set(link.peer, count)
    this.#onceGone(link, () => {
      this.#forget(link.peer)
    })
    const isTooMany = count > this.#maxInboundStreams
    this.#streamCount?.increment(isTooMany ? { refused: true } : { inbound: true })
    if (isTooMany) {
      link.refuse(
        'ERR_TOO_MANY_STREAMS',
        'WIRE-9',
        `No more than ${this.#maxInboundStreams} streams at the same time.`
      )
    } else if (this.#accept === undefined) {
      link.refuse('ERR_NOT_READY', '', 'This node takes no channels at the moment.')
    } else {
      this.#welcome(link, this.#accept)
    }
  }

  #welcome(link: StreamLink, accept: Accept): void {
    try {
      link.start(accept(link))
    } catch (error) {
      report(this.#linkOptions.onError, asError(error))
      link.refuse('ERR_INTERNAL', '', 'The stream could not be accepted.')
    }
  }

  #onceGone(link: StreamLink, then: () => void): void {
    inBackground(() => link.gone.then(then), this.#linkOptions.onError)
  }

  #forget(peer: string): void {
    const left = (this.#incoming.get(peer) ?? 1) - 1
    if (left > 0) this.#incoming.set(peer, left)
    else this.#incoming.delete(peer)
  }
}

/**
 * The address to dial a peer again. The port of a peer that dialled us is gone with its connection;
 * one that we dialled answers again.
 */
function dialledAddress({ direction, remoteAddr, remotePeer }: Connection): string | undefined {
  if (direction !== 'outbound') return undefined
  const address = remoteAddr.toString()
  return address.includes('/p2p/') ? address : `${address}/p2p/${remotePeer.toString()}`
}

/**
 * The connection to a peer: one that is open, else a new one. libp2p itself never takes a limited
 * one that is open for a dial, and would ask the relay for another one with each stream.
 *
 * @param mayBeLimited - takes a limited one as well, unless a direct address is asked for
 */
export async function connectionTo(
  { connectionManager }: Pick<PeersComponents, 'connectionManager'>,
  { peer, address }: DialTarget,
  signal: AbortSignal,
  mayBeLimited: boolean
): Promise<Connection> {
  const open = connectionManager.getConnections(peer).filter(({ status }) => status === 'open')
  const [limited] = open.every(({ limits }) => limits !== undefined) ? open : []
  const isAnyFit = address === undefined || isRelayed(address)
  if (mayBeLimited && isAnyFit && limited !== undefined) return limited
  return await connectionManager.openConnection(address ?? peer, { signal })
}

function isRelayed(address: Multiaddr | undefined): boolean {
  return address?.getComponents().some(({ code }) => code === CODE_P2P_CIRCUIT) === true
}

/** True when no transport of the host can dial any address that it has. */
function isNoValidAddress(error: unknown): boolean {
  return error instanceof Error && error.name === 'NoValidAddressesError'
}

/**
 * The first stream of each connection, until it stands or has failed. A host that is still busy
 * with the handshake hangs up on more than ten streams (`maxEarlyStreams` of `@libp2p/utils`), and
 * a node that comes back begins one for each of its channels.
 */
const firstStreams = new WeakMap<Connection, Promise<unknown>>()

/**
 * Opens a stream of a protocol, once the first one of the connection stands.
 *
 * @param notSpoken - code and sentence for a peer that does not speak it
 * @throws PaychanError that one, `ERR_PEER_UNREACHABLE`
 */
export async function openStream(
  connection: Connection,
  protocol: string,
  options: { readonly signal: AbortSignal; readonly runOnLimitedConnection: boolean },
  [code, sentence]: readonly [code: ErrorCode, sentence: string]
): Promise<Stream> {
  const peer = connection.remotePeer.toString()
  try {
    return await begun(connection, async () => await connection.newStream(protocol, options))
  } catch (cause) {
    if (cause instanceof Error && cause.name === 'UnsupportedProtocolError') {
      throw new PaychanError(code, sentence, { peer }, { cause })
    }
    // Nothing came back: the connection is dead and has not said so. The next dial makes another
    // one, instead of trying this one again until TCP gives up, a quarter of an hour later.
    if (options.signal.aborted) connection.abort(asError(cause))
    throw unreachable(peer, cause)
  }
}

async function begun(connection: Connection, begin: () => Promise<Stream>): Promise<Stream> {
  const first = firstStreams.get(connection)
  if (first !== undefined) {
    await first
    return await begin()
  }
  const stream = begin()
  firstStreams.set(
    connection,
    stream.catch(() => {})
  )
  return await stream
}

/** The error for a peer that cannot be reached. */
export function unreachable(peer: string, cause: unknown): PaychanError {
  return new PaychanError(
    'ERR_PEER_UNREACHABLE',
    `${peer} could not be reached: ${messageOf(cause)}`,
    { peer },
    { cause }
  )
}
