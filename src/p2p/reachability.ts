/**
 * How a host is reached, and reaches others, where TCP alone does not do: over relays, on the local
 * network, behind a router. Each way is a package of libp2p that need not be installed.
 */
import type { Listener, Transport } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { codeOf, PaychanError } from '../types/errors.js'
import type { HostInit } from './host.js'
import { parseDialTarget } from './dial-target.js'

/** The packages, in the versions that they are tested with; `package.json` has them as peers. */
export const OPTIONAL_PACKAGES = {
  '@libp2p/circuit-relay-v2': '4.2.13',
  '@libp2p/dcutr': '3.0.28',
  '@libp2p/autonat': '3.0.28',
  '@libp2p/upnp-nat': '4.0.28',
  '@libp2p/mdns': '12.0.32'
} as const

export interface ReachabilityInit {
  /**
   * Full multiaddrs of relays at which the host asks to be reached. An empty list lets it dial
   * peers that are behind relays; undefined: no relays.
   */
  readonly relays?: readonly string[] | undefined
  /** Finds hosts on the local network, and is found there, by PeerIds (mDNS). */
  readonly mdns?: boolean | undefined
  /** Asks the router for a port (UPnP), and other peers whether it is reached (AutoNAT). */
  readonly nat?: boolean | undefined
}

/** The parts of a host that this takes. */
export type Reachability = Pick<HostInit, 'transports' | 'circuits' | 'services' | 'peerDiscovery'>

/**
 * Options for a host, with the packages that they need.
 *
 * @throws PaychanError `ERR_PACKAGE_MISSING` (facts: package), `ERR_INVALID_PEER`,
 *   `ERR_INVALID_MULTIADDR`
 * @example
 * const reach = await reachability({ relays: ['/ip4/192.0.2.1/tcp/4001/p2p/12D3KooW...'] })
 * const node = await createNode({ ...options, ...reach })
 */
export async function reachability({
  relays,
  mdns = false,
  nat = false
}: ReachabilityInit): Promise<Reachability> {
  const relayed = relays === undefined ? {} : await overRelays(relays)
  const services = { ...relayed.services, ...(nat ? await natServices() : {}) }
  const peerDiscovery = mdns ? await localDiscovery() : []
  return { ...relayed, services, peerDiscovery }
}

/** @throws PaychanError `ERR_PACKAGE_MISSING` */
async function overRelays(relays: readonly string[]): Promise<Reachability> {
  for (const relay of relays) parseDialTarget(relay)
  const { circuitRelayTransport } = await optional(
    '@libp2p/circuit-relay-v2',
    () => import('@libp2p/circuit-relay-v2')
  )
  const { dcutr } = await optional('@libp2p/dcutr', () => import('@libp2p/dcutr'))
  return {
    transports: [tcp(), lasting(circuitRelayTransport())],
    circuits: relays.map((relay) => `${relay}/p2p-circuit`),
    services: { dcutr: dcutr() }
  }
}

/** @throws PaychanError `ERR_PACKAGE_MISSING` */
async function localDiscovery(): Promise<NonNullable<HostInit['peerDiscovery']>> {
  const { mdns } = await optional('@libp2p/mdns', () => import('@libp2p/mdns'))
  return [mdns()]
}

/** @throws PaychanError `ERR_PACKAGE_MISSING` */
async function natServices(): Promise<NonNullable<HostInit['services']>> {
  const { autoNAT } = await optional('@libp2p/autonat', () => import('@libp2p/autonat'))
  const { uPnPNAT } = await optional('@libp2p/upnp-nat', () => import('@libp2p/upnp-nat'))
  return { autonat: autoNAT(), upnp: uPnPNAT() }
}

/**
 * Loads a package that need not be installed.
 *
 * @throws PaychanError `ERR_PACKAGE_MISSING` (facts: package)
 */
export async function optional<Module>(
  name: keyof typeof OPTIONAL_PACKAGES,
  load: () => Promise<Module>
): Promise<Module> {
  try {
    return await load()
  } catch (cause) {
    if (codeOf(cause) !== 'ERR_MODULE_NOT_FOUND') throw cause
    throw new PaychanError(
      'ERR_PACKAGE_MISSING',
      `This takes the package ${name}, which is not installed: npm install ${name}@${OPTIONAL_PACKAGES[name]}, beside paychan.`,
      { package: name },
      { cause }
    )
  }
}

/* Reservations at relays that come back. */

const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 60_000

/**
 * A transport whose listeners try again, for as long as the host runs. libp2p asks a relay that it
 * was told once: a host whose relay was away at that moment, or went away later, would never be
 * reached again.
 */
export function lasting<Components>(
  factory: (components: Components) => Transport
): (components: Components) => Transport {
  return (components) => {
    const transport = factory(components)
    const create = transport.createListener.bind(transport)
    transport.createListener = (options) => lastingListener(create(options))
    return transport
  }
}

function lastingListener(listener: Listener): Listener {
  const listen = listener.listen.bind(listener)
  let pause = FIRST_PAUSE_MS
  let timer: NodeJS.Timeout | undefined
  let isClosed = false
  listener.addEventListener('close', () => {
    isClosed = true
    clearTimeout(timer)
  })
  const attempt = (address: Parameters<typeof listen>[0]): void => {
    listen(address).then(
      () => {
        pause = FIRST_PAUSE_MS
      },
      () => {
        later(address)
      }
    )
  }
  const later = (address: Parameters<typeof listen>[0]): void => {
    clearTimeout(timer)
    if (isClosed) return
    timer = setTimeout(attempt, pause, address)
    pause = Math.min(2 * pause, LONGEST_PAUSE_MS)
  }
  // The start of a host waits for no relay.
  listener.listen = async (address) => {
    listener.addEventListener('listening', () => {
      if (listener.getAddrs().length === 0) later(address)
    })
    attempt(address)
  }
  return listener
}
