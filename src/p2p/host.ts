/** The libp2p host of our own node: TCP, Noise, Yamux, identify, ping. As a service, we live in anybody's. */
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
 * Bytes that a peer may send on one stream before we have read them. Yamux would let the window grow
 * to 16 MiB, while a stream that has paused is reset past `MAX_READ_BUFFER_BYTES` (see stream-source.ts).
 */
export const MAX_STREAM_WINDOW_BYTES = 1_048_576

export interface HostServices extends Record<string, unknown> { identify: Identify, ping: Ping }

export interface HostInit {
  /** The identity: its PeerId is what others pay to. */
  readonly privateKey: PrivateKey
  /** Multiaddrs such as `/ip4/0.0.0.0/tcp/9800`; empty for a node that only dials. */
  readonly listen: readonly string[]
}

/**
 * Options for `createLibp2p`.
 *
 * @example
 * const host = createHost({ privateKey, listen: ['/ip4/127.0.0.1/tcp/0'] })
 * const node = await createLibp2p({ ...host, services: { ...host.services, paychan: paychan(init) } })
 */
export function createHost (init: HostInit): Libp2pOptions<HostServices> & { services: ServiceFactoryMap<HostServices> } {
  return {
    privateKey: init.privateKey,
    addresses: { listen: [...init.listen] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux({ streamOptions: { maxStreamWindowSize: MAX_STREAM_WINDOW_BYTES } })],
    services: { identify: identify(), ping: ping() }
  }
}
