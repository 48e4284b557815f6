/** The parts of a node that exist between its start and its stop. */
import type { ElectrumChain } from '../chain/chain.js'
import type { Policy } from '../channel/policy.js'
import type { Engine } from '../engine/engine.js'
import type { Signer, Store } from '../engine/ports.js'
import type { Libp2pPeers } from '../p2p/peers.js'
import type { NodeWallet } from '../wallet/node-wallet.js'
import { assertWholePeer, peerByEnds } from './choose.js'

export interface Running {
  readonly store: Store
  readonly chain: ElectrumChain
  readonly wallet: NodeWallet
  readonly engine: Engine
  readonly signer: Signer
  readonly peers: Libp2pPeers
  readonly policy: Policy
}

/** Finds the PeerId that a person means, also by a part of it. A multiaddr stays as it is. */
export async function peerNamed({ engine, peers }: Running, text: string): Promise<string> {
  if (text.startsWith('/')) return text
  const known = [
    peers.self,
    ...engine.states().map(({ peer }) => peer),
    ...(await peers.peers()).map(({ peerId }) => peerId)
  ]
  const found = peerByEnds(known, text)
  if (found === undefined) assertWholePeer(text)
  return found ?? text
}
