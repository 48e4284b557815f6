/** The libp2p host of our own node, and its listening addresses. */
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify, type Identify } from '@libp2p/identify'
import type { ConnectionGater, MultiaddrConnection, PrivateKey } from '@libp2p/interface'
import { ping, type Ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import type { Libp2pOptions, ServiceFactoryMap } from 'libp2p'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { toHex } from '../types/bytes.js'
import { adviceOf } from '../types/error-advice.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import { coalescing, rarelyUpdating } from './coalescing.js'
import './polyfill.js'

/*
 * The libp2p host of our own node: TCP (or the given transports), Noise, Yamux, identify, ping. The
 * port itself is a service for any host.
 */

/**
 * Bytes that a peer may send on one stream before we have read them. Yamux would let the window
 * grow to 16 MiB, while a stream that has paused is reset past `MAX_READ_BUFFER_BYTES` (see
 * stream-link.ts).
 */
export const MAX_STREAM_WINDOW_BYTES = 1_048_576

/**
 * A connection whose other end is gone without a word (a NAT that forgot it, a cable) is noticed by
 * a ping: every 15 seconds, with at most 20 seconds for the answer, so within 35 seconds. The ping
 * also keeps a NAT from forgetting an idle connection: home routers do so after a few minutes.
 */
export const KEEP_ALIVE: KeepAlive = { pingInterval: 15_000, pingTimeout: 20_000 }

/** Times in milliseconds. */
export interface KeepAlive {
  readonly pingInterval: number
  readonly pingTimeout: number
}

/**
 * A constant timeout. libp2p derives it from a moving average of ping times by the wall clock: when
 * that clock is set back by an hour, the average is NaN for good, and every ping of every
 * connection fails. Over an endless interval the average keeps its first value, and the bounds make
 * one number of it.
 */
function fixedTimeout(ms: number): { minTimeout: number; maxTimeout: number; interval: number } {
  return { minTimeout: ms, maxTimeout: ms, interval: Number.POSITIVE_INFINITY }
}

/**
 * Past `maxConnections` libp2p closes connections, those without streams first; its 300 are few for
 * a payee with many payers. From one address it lets 5 a second in, and drops the others silently:
 * too few for the payers behind one NAT after a restart of the payee. Where handshakes are half done
 * it refuses the newest, which lets whoever opens some hundred sockets and says nothing keep
 * everybody out: so `MOST_PENDING` is reached before its own bound is.
 */
const CONNECTIONS = {
  maxConnections: 2_000,
  inboundConnectionThreshold: 50,
  maxIncomingPendingConnections: 1_000
} as const

/** WIRE-13: connections of others whose handshakes may be under way at the same time. */
const MOST_PENDING = 400

export interface HostServices extends Record<string, unknown> {
  identify: Identify
  ping: Ping
}

export interface HostInit {
  /** The identity: others pay to its PeerId. */
  readonly privateKey: PrivateKey
  /** Multiaddrs such as `/ip4/0.0.0.0/tcp/9800`; empty for a node that only dials. */
  readonly listen: readonly string[]
  /** The transports of its connections; TCP when left out. `listen` has to be of that kind. */
  readonly transports?: NonNullable<Libp2pOptions['transports']>
  /**
   * Addresses at relays to listen on as well, such as
   * `/ip4/192.0.2.1/tcp/4001/p2p/12D3KooW.../p2p-circuit`.
   */
  readonly circuits?: readonly string[]
  /**
   * Addresses at which others reach the host. libp2p tells nobody of a public address before
   * AutoNAT has confirmed it, not even of one that it listens on.
   */
  readonly announce?: readonly string[]
  /** More services of libp2p, beside those that every host of ours has, such as `dcutr()`. */
  readonly services?: ServiceFactoryMap
  /** Ways to find peers, such as `mdns()`. */
  readonly peerDiscovery?: NonNullable<Libp2pOptions['peerDiscovery']>
  /** The ping settings that find dead connections; `KEEP_ALIVE` when left out. */
  readonly keepAlive?: KeepAlive
  /** Counts what libp2p does; nothing is counted when left out. */
  readonly metrics?: NonNullable<Libp2pOptions['metrics']> | undefined
  /** Takes what libp2p logs; when left out, `DEBUG` of the environment says what is shown of it. */
  readonly logger?: NonNullable<Libp2pOptions['logger']> | undefined
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
  const { metrics, logger } = init
  return {
    privateKey: init.privateKey,
    ...(metrics === undefined ? {} : { metrics }),
    ...(logger === undefined ? {} : { logger }),
    addresses: {
      listen: [...init.listen, ...(init.circuits ?? [])],
      appendAnnounce: [...(init.announce ?? [])]
    },
    transports: init.transports ?? [tcp()],
    connectionEncrypters: [coalescing(noise())],
    streamMuxers: [
      rarelyUpdating(yamux({ streamOptions: { maxStreamWindowSize: MAX_STREAM_WINDOW_BYTES } }))
    ],
    connectionManager: CONNECTIONS,
    connectionGater: inboundGate(MOST_PENDING),
    connectionMonitor: {
      enabled: true,
      pingInterval,
      pingTimeout: fixedTimeout(pingTimeout),
      abortConnectionOnPingFailure: true
    },
    ...(init.peerDiscovery === undefined ? {} : { peerDiscovery: init.peerDiscovery }),
    services: { ...init.services, identify: identify(), ping: ping() }
  }
}

/*
 * Connections of others that are not ready yet: opening one costs nothing.
 */

/**
 * Lets every connection in (WIRE-13). Where more than `most` are in their handshake, one of the
 * network that has the most of them goes, the oldest: an honest handshake takes a second, and
 * whoever wants it to go has to come with so many newer ones in that time, each network with no more
 * than the honest one has.
 */
export function inboundGate(most: number): ConnectionGater {
  /** By network, in the order in which they came. */
  const pending = new Map<string, Set<MultiaddrConnection>>()
  let count = 0

  function remove(connection: MultiaddrConnection): void {
    const network = networkOf(connection.remoteAddr)
    const those = pending.get(network)
    if (those?.delete(connection) !== true) return
    count--
    if (those.size === 0) pending.delete(network)
  }

  /** Those of the largest network; of equal ones, of the one that has been there the longest. */
  function oldestOfMost(): MultiaddrConnection | undefined {
    let largest = new Set<MultiaddrConnection>()
    for (const those of pending.values()) if (those.size > largest.size) largest = those
    const [oldest] = largest
    return oldest
  }

  return {
    denyInboundConnection: (connection) => {
      const network = networkOf(connection.remoteAddr)
      const those = pending.get(network) ?? new Set()
      // Set again: where all networks have one, the first of the map is the oldest.
      if (those.size === 0) pending.delete(network)
      pending.set(network, those.add(connection))
      count++
      connection.addEventListener('close', () => {
        remove(connection)
      })
      if (count > most) {
        const oldest = oldestOfMost()
        if (oldest !== undefined) {
          remove(oldest)
          oldest.abort(new Error('too many connections are in their handshake'))
        }
      }
      return false
    },
    denyInboundUpgradedConnection: (_, connection) => {
      remove(connection)
      return false
    }
  }
}

/** Codes of multiaddrs, and the first bytes of an IPv4 address within IPv6. */
const [IP4, IP6] = [4, 41]
const MAPPED = '00000000000000000000ffff'

/** The /24 of an IPv4 address, the /64 of an IPv6 one: who has one address there has all of them. */
function networkOf(address: Multiaddr): string {
  const [code] = address.bytes
  if (code === IP4) return toHex(address.bytes.subarray(1, 4))
  if (code !== IP6) {
    const [first] = address.getComponents()
    return `${first?.name ?? ''}/${first?.value ?? ''}`
  }
  const ip = toHex(address.bytes.subarray(1, 17))
  // A listener for both kinds shows IPv4 addresses within IPv6.
  return ip.startsWith(MAPPED) ? ip.slice(MAPPED.length, -2) : ip.slice(0, 16)
}

/*
 * The listening addresses of our own node: errors name the address that it cannot listen on, and
 * the reason.
 */

const HOSTS = new Set(['ip4', 'ip6'])

const IN_USE = 'EADDRINUSE'

const REASONS: Readonly<Record<string, string>> = {
  [IN_USE]: 'the port is in use. Stop who uses it, or take another one (0 is any that is free)',
  EADDRNOTAVAIL:
    'this machine has no such address. Take one of its own, or /ip4/0.0.0.0 for all of them',
  EACCES: 'this user may not use the port. Take one from 1024 on',
  EAFNOSUPPORT: 'this machine does not speak that version of IP'
}

/**
 * Refuses anything but a TCP address before anything is started. libp2p would pass over an address
 * that no transport of ours knows as soon as it can listen on any other.
 *
 * @throws PaychanError `ERR_INVALID_LISTEN` (facts: address)
 */
export function checkListen(addresses: readonly string[]): void {
  for (const address of addresses) {
    if (!isTcp(address)) {
      throw new PaychanError(
        'ERR_INVALID_LISTEN',
        `A node listens on TCP, and '${address}' is something else. ${adviceOf('ERR_INVALID_LISTEN')}`,
        { address }
      )
    }
  }
}

function isTcp(address: string): boolean {
  try {
    const [host, tcp, ...more] = multiaddr(address).getComponents()
    return host !== undefined && HOSTS.has(host.name) && tcp?.name === 'tcp' && more.length === 0
  } catch {
    return false
  }
}

/**
 * Explains the first failed address in one sentence: libp2p's own error is a page with the stack of
 * every address. Other errors stay as they are.
 */
export function explainListen(error: unknown, addresses: readonly string[]): unknown {
  if (!(error instanceof Error) || error.name !== 'UnsupportedListenAddressesError') return error
  const text = messageOf(error)
  const told = addresses.map((address) => ({
    address,
    reason: /\b(E[A-Z]{3,})\b/.exec(
      text.split(`${multiaddr(address).toString()}: `)[1]?.split('\n\n')[0] ?? ''
    )?.[1]
  }))
  const { address, reason } = told.find((each) => each.reason !== undefined) ?? {
    address: addresses.join(', '),
    reason: undefined
  }
  const why = reason === undefined ? 'the system does not say why' : (REASONS[reason] ?? reason)
  return new PaychanError(
    'ERR_LISTEN_FAILED',
    `The node cannot listen on ${address}: ${why}.`,
    { address, reason },
    { cause: error }
  )
}

/** True when a node could not listen because another process listens there. */
export function isInUse(error: unknown): boolean {
  return (
    error instanceof PaychanError &&
    error.code === 'ERR_LISTEN_FAILED' &&
    error.facts['reason'] === IN_USE
  )
}

/** True when nobody listens there now. Other faults of an address show when it is listened on. */
export async function areFree(addresses: readonly string[]): Promise<boolean> {
  for (const address of addresses) {
    const [host, tcp] = multiaddr(address).getComponents()
    const server = createServer()
    try {
      server.listen({ host: host?.value, port: Number(tcp?.value), exclusive: true })
      await once(server, 'listening')
    } catch (error) {
      if (codeOf(error) === IN_USE) return false
    } finally {
      server.close()
    }
  }
  return true
}
