/**
 * The libp2p host of our own node: TCP (or what it is given), Noise, Yamux, identify, ping. As a
 * service, we live in anybody's.
 */
import './polyfill.js'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import type { Identify } from '@libp2p/identify'
import type { PrivateKey } from '@libp2p/interface'
import { ping } from '@libp2p/ping'
import type { Ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import type { Libp2pOptions, ServiceFactoryMap } from 'libp2p'

/**
 * Bytes that a peer may send on one stream before we have read them. Yamux would let the window
 * grow to 16 MiB, while a stream that has paused is reset past `MAX_READ_BUFFER_BYTES` (see
 * stream-source.ts).
 */
export const MAX_STREAM_WINDOW_BYTES = 1_048_576

/**
 * A connection whose other end is gone without a word (a NAT that forgot it, a cable) is noticed by
 * a ping: every 15 seconds, with at most 20 seconds for the answer, so within 35 seconds. That also
 * keeps a NAT from forgetting an idle one: home routers do so after a few minutes.
 */
export const KEEP_ALIVE: KeepAlive = { pingInterval: 15_000, pingTimeout: 20_000 }

/** Milliseconds. */
export interface KeepAlive {
  readonly pingInterval: number
  readonly pingTimeout: number
}

/**
 * A timeout that is always the same. libp2p lets it follow a moving average of what pings took,
 * reckoned by the wall clock: when that is set back by an hour, the average is NaN for good, and
 * every ping of every connection fails. Over an endless interval the average stays what it was
 * first, and the bounds make one number of it.
 */
function fixedTimeout(ms: number): { minTimeout: number; maxTimeout: number; interval: number } {
  return { minTimeout: ms, maxTimeout: ms, interval: Number.POSITIVE_INFINITY }
}

/**
 * Past `maxConnections` libp2p closes connections, those without streams first; its 300 are few for
 * somebody whom many pay. From one address it lets 5 a second in, and drops the others without a
 * word: too few for the payers behind one NAT after a restart of the payee.
 */
const CONNECTIONS = {
  maxConnections: 2_000,
  inboundConnectionThreshold: 50,
  maxIncomingPendingConnections: 100
} as const

export interface HostServices extends Record<string, unknown> {
  identify: Identify
  ping: Ping
}

export interface HostInit {
  /** The identity: its PeerId is what others pay to. */
  readonly privateKey: PrivateKey
  /** Multiaddrs such as `/ip4/0.0.0.0/tcp/9800`; empty for a node that only dials. */
  readonly listen: readonly string[]
  /** What carries its connections; TCP when left out. `listen` has to be of that kind. */
  readonly transports?: NonNullable<Libp2pOptions['transports']>
  /** How a dead connection is noticed; `KEEP_ALIVE` when left out. */
  readonly keepAlive?: KeepAlive
}

/**
 * Options for `createLibp2p`.
 *
 * @example
 * const host = createHost({ privateKey, listen: ['/ip4/127.0.0.1/tcp/0'] })
 * const services = { ...host.services, paychan: paychan(init) }
 * const node = await createLibp2p({ ...host, services })
 */
export function createHost(
  init: HostInit
): Libp2pOptions<HostServices> & { services: ServiceFactoryMap<HostServices> } {
  const { pingInterval, pingTimeout } = init.keepAlive ?? KEEP_ALIVE
  return {
    privateKey: init.privateKey,
    addresses: { listen: [...init.listen] },
    transports: init.transports ?? [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux({ streamOptions: { maxStreamWindowSize: MAX_STREAM_WINDOW_BYTES } })],
    connectionManager: CONNECTIONS,
    connectionMonitor: {
      enabled: true,
      pingInterval,
      pingTimeout: fixedTimeout(pingTimeout),
      abortConnectionOnPingFailure: true
    },
    services: { identify: identify(), ping: ping() }
  }
}
