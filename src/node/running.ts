/** The parts of a node that exist between its start and its stop. */
import type { ElectrumChain } from '../chain/chain.js'
import type { Policy } from '../channel/policy.js'
import type { Engine } from '../engine/engine.js'
import type { Meter } from '../engine/meter.js'
import type { Signer, Store } from '../engine/ports.js'
import type { RequestQuestions } from '../p2p/requests.js'
import type { Access } from './access.js'
import type { Aliases } from './aliases.js'
import type { Libp2pPeers } from '../p2p/peers.js'
import type { NodeWallet } from '../wallet/node-wallet.js'
import type { LongReads } from './long-reads.js'
import type { ShownFees } from './shown-fees.js'
import type { KeptAnswers } from './kept-answers.js'
import type { Webhooks } from './webhooks.js'
import { assertWholePeer, LONG_PART, peerByEnds } from './choose.js'

/** The parts of a node that the API on TCP needs besides the calls of `NodeApi`. */
export interface Gate {
  readonly access: Access
  readonly answers: KeptAnswers
  /** All channels, without what takes long to reckon. */
  readonly outlines: Engine['outlines']
}

export interface Running {
  readonly store: Store
  readonly chain: ElectrumChain
  readonly wallet: NodeWallet
  readonly engine: Engine
  readonly signer: Signer
  readonly peers: Libp2pPeers
  /** Questions to a peer about payment requests. */
  readonly questions: RequestQuestions
  /** Names that a person gave to peers. */
  readonly aliases: Aliases
  readonly gate: Gate
  readonly webhooks: Webhooks
  readonly reads: LongReads
  readonly fees: ShownFees
  readonly policy: Policy
  readonly meter: Meter | undefined
}

/**
 * Finds the PeerId that a person means, also by its name or a part of it. A multiaddr stays as it
 * is.
 */
export async function peerNamed(
  { engine, peers, aliases }: Running,
  text: string
): Promise<string> {
  const named = aliases.peerOf(text)
  if (named !== undefined) return named
  if (text.startsWith('/')) return text
  const ours = [peers.self, ...engine.states().map(({ peer }) => peer)]
  const found = peerByEnds(ours, text) ?? (await strangerNamed(peers, text))
  if (found === undefined) assertWholePeer(text)
  return found ?? text
}

/** Whoever wants an id with an end of four letters has one in a minute: strangers take eight. */
async function strangerNamed(peers: Libp2pPeers, text: string): Promise<string | undefined> {
  if (text.replace(/\W/g, '').length < LONG_PART) return undefined
  return peerByEnds(
    (await peers.peers()).map(({ peerId }) => peerId),
    text
  )
}
