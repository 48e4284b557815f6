/** A relay with the limits that libp2p's own have, and the nodes behind it. */
import { circuitRelayServer } from '@libp2p/circuit-relay-v2'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Libp2p, PrivateKey } from '@libp2p/interface'
import { createLibp2p } from 'libp2p'
import type { NodeApi } from '../../src/node/api.js'
import { createHost } from '../../src/p2p/index.js'
import { until } from './hosts.js'

export async function startRelay(
  privateKey?: PrivateKey,
  listen = '/ip4/127.0.0.1/tcp/0',
  announce: readonly string[] = []
): Promise<Libp2p> {
  const host = createHost({
    privateKey: privateKey ?? (await generateKeyPair('Ed25519')),
    listen: [listen],
    announce
  })
  return await createLibp2p({
    ...host,
    services: { ...host.services, relay: circuitRelayServer() }
  })
}

/** The address of a node at its relay, once it has one. */
export async function relayedAddress(node: NodeApi): Promise<string> {
  let address: string | undefined
  await until(async () => {
    address = (await node.info()).multiaddrs.find((each) => each.includes('/p2p-circuit/'))
    return address !== undefined
  })
  return address ?? ''
}
