/**
 * The libp2p host of our own node, and where it listens.
 */
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify, type Identify } from '@libp2p/identify'
import type { PrivateKey } from '@libp2p/interface'
import { ping, type Ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import type { Libp2pOptions, ServiceFactoryMap } from 'libp2p'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import './polyfill.js'

/*
 * The libp2p host of our own node: TCP (or what it is given), Noise, Yamux, identify, ping. As a
 * service, we live in anybody's.
 */

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

/*
 * Where a node of our own listens: addresses that it cannot listen on are refused in words that say
 * which, and why.
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
 * Refuses what is no TCP address before anything is started. libp2p would pass over one that no
 * transport of ours knows as soon as it can listen on any other.
 *
 * @throws PaychanError `ERR_INVALID_LISTEN` (facts: address)
 */
export function checkListen(addresses: readonly string[]): void {
  for (const address of addresses) {
    if (!isTcp(address)) {
      throw new PaychanError(
        'ERR_INVALID_LISTEN',
        `A node listens on TCP, and '${address}' is something else. Write the address like /ip4/0.0.0.0/tcp/4001.`,
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
 * What libp2p says when it cannot listen is a page with the stack of every address: this is one
 * sentence about the first. Other errors stay as they are.
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

/** Whether a node could not listen because somebody else does. */
export function isInUse(error: unknown): boolean {
  return (
    error instanceof PaychanError &&
    error.code === 'ERR_LISTEN_FAILED' &&
    error.facts['reason'] === IN_USE
  )
}

/**
 * Whether nobody listens there now. Whatever else is wrong with an address shows when it is
 * listened on.
 */
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
