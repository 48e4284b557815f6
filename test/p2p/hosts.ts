/** libp2p hosts on the loopback for tests: no name service, no fixed port. */
import '../../src/p2p/polyfill.js'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Libp2p, Stream } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import * as lp from 'it-length-prefixed'
import { createLibp2p } from 'libp2p'
import { decode } from '../../protocols/paychan/1.0/index.js'
import { createHost, KEEP_ALIVE } from '../../src/p2p/host.js'
import type { HostServices, KeepAlive } from '../../src/p2p/host.js'
import { createPeers } from '../../src/p2p/peers.js'
import type { Libp2pPeers, PeersOptions } from '../../src/p2p/peers.js'
import type { Recorder } from './recorder.js'

export interface TestServices extends HostServices {
  peers: Libp2pPeers
}

/** libp2p lets 5 connections a second in from one address; here everybody has the same one. */
const connectionManager = { inboundConnectionThreshold: 1_000 }

/** A host that speaks /paychan/1.0 as a service: libp2p starts and stops it. */
export async function startHost(
  options: PeersOptions,
  keepAlive: KeepAlive = KEEP_ALIVE
): Promise<Libp2p<TestServices>> {
  const host = createHost({
    privateKey: await generateKeyPair('Ed25519'),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    keepAlive
  })
  return createLibp2p<TestServices>({
    ...host,
    connectionManager,
    services: { ...host.services, peers: (components) => createPeers(components, options) }
  })
}

/** A host that does not. */
export async function startMute(): Promise<Libp2p> {
  return createLibp2p({
    ...createHost({
      privateKey: await generateKeyPair('Ed25519'),
      listen: ['/ip4/127.0.0.1/tcp/0']
    }),
    connectionManager
  })
}

/** A full multiaddr of a host. */
export function addressOf(host: Libp2p): string {
  const [address] = host.getMultiaddrs()
  if (address === undefined) throw new Error('The host does not listen.')
  return address.toString()
}

/** Passes what arrives on a raw stream on to a listener. */
export function listen(stream: Stream, listener: Recorder): void {
  const read = async (): Promise<void> => {
    for await (const frame of lp.decode(stream)) void listener.onMessage(decode(frame.subarray()))
  }
  read().then(
    () => {
      listener.onClosed(undefined)
    },
    (error: unknown) => {
      listener.onClosed(error instanceof Error ? error : new Error(String(error)))
    }
  )
}

/** Waits for what no event tells, a turn of the event loop at a time. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) {
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
}

/** The PeerId of nobody. */
export async function somePeerId(): Promise<string> {
  return peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString()
}
