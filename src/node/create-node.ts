/** A whole node of our own: seed, identity, libp2p host, and paychan on it. */
import '../p2p/polyfill.js'
import { createLibp2p } from 'libp2p'
import {
  areFree,
  checkListen,
  createHost,
  explainListen,
  type HostInit,
  isInUse
} from '../p2p/host.js'
import { STORE_FAILED } from '../types/errors.js'
import type { LocalNode } from './api.js'
import type { NodeEvent } from './answers.js'
import { paychanIdentity, type Identity, type IdentityOptions } from './identity.js'
import { paychan, type PaychanInit } from './service.js'

/**
 * What a node is made from: where its data lies, its network and servers, and its place among
 * peers.
 */
export interface NodeOptions
  extends
    Omit<PaychanInit, 'root'>,
    IdentityOptions,
    Pick<
      HostInit,
      'transports' | 'circuits' | 'announce' | 'services' | 'peerDiscovery' | 'metrics' | 'logger'
    > {
  /** Multiaddrs to listen on; any free port of the loopback interface when left out. */
  readonly listen?: readonly string[]
  /** Addresses used instead when a port of `listen` is in use; without them that is an error. */
  readonly listenElse?: readonly string[]
  /** Receives events from the very start. */
  readonly onEvent?: (event: NodeEvent) => void
}

/**
 * Starts a node.
 *
 * @throws PaychanError `ERR_SEED_UNREADABLE`, `ERR_PASSPHRASE_NEEDED`, `ERR_WRONG_PASSPHRASE`,
 *   `ERR_STORE_LOCKED`, `ERR_STORE_FAILED`, `ERR_NETWORK_NOT_SUPPORTED`,
 *   `ERR_INVALID_ELECTRUM_URL`, `ERR_INVALID_LISTEN` and `ERR_LISTEN_FAILED` (facts: address)
 * @example
 * const electrum = 'tcp://127.0.0.1:50001'
 * const node = await createNode({ network: 'regtest', electrum, dataDir: './alice', create: true })
 */
export async function createNode(options: NodeOptions): Promise<LocalNode> {
  const { listen = ['/ip4/127.0.0.1/tcp/0'], listenElse } = options
  // Other transports have addresses of their own; relays have them beside those of TCP.
  if (options.transports === undefined || options.circuits !== undefined) checkListen(listen)
  const identity = await paychanIdentity(options)
  if (listenElse === undefined) return await startHost(options, identity, listen)
  if (!(await areFree(listen))) return await startHost(options, identity, listenElse)
  try {
    return await startHost(options, identity, listen)
  } catch (error) {
    // Another node took the port first.
    if (!isInUse(error)) throw error
    return await startHost(options, identity, listenElse)
  }
}

async function startHost(
  options: NodeOptions,
  { privateKey, root }: Identity,
  listen: readonly string[]
): Promise<LocalNode> {
  const { transports, circuits, announce, services, peerDiscovery, metrics, logger } = options
  const host = createHost({
    privateKey,
    listen,
    ...(transports === undefined ? {} : { transports }),
    ...(circuits === undefined ? {} : { circuits }),
    ...(announce === undefined ? {} : { announce }),
    ...(services === undefined ? {} : { services }),
    ...(peerDiscovery === undefined ? {} : { peerDiscovery }),
    metrics,
    logger
  })
  const libp2p = await createLibp2p({
    ...host,
    start: false,
    services: { ...host.services, paychan: paychan({ ...options, root }) }
  })
  const { paychan: service } = libp2p.services
  let stopped: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    stopped ??= Promise.resolve(libp2p.stop())
    await stopped
  }
  // Without paychan, which has then stopped by itself, our host has nothing left to do.
  service.events.on((event) => {
    if (event.type === 'alarm' && event.code === STORE_FAILED) stop().catch(() => {})
  })
  if (options.onEvent !== undefined) service.events.on(options.onEvent)
  try {
    await libp2p.start()
  } catch (error) {
    await stop()
    throw explainListen(error, listen)
  }
  return {
    wallet: service.wallet,
    channels: service.channels,
    payments: service.payments,
    requests: service.requests,
    chain: service.chain,
    peers: service.peers,
    access: service.access,
    webhooks: service.webhooks,
    events: service.events,
    info: service.info,
    pay: service.pay,
    backup: service.backup,
    gate: service.gate,
    caughtUp: service.caughtUp,
    stop
  }
}
