/** Peers as callers name them: by a text, or by a type of libp2p. */
import type { PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

/**
 * A peer: its PeerId or full multiaddr, as libp2p has them or as a text; or a text that is its
 * name, or the beginning or end of its PeerId.
 */
export type NamedPeer = string | PeerId | Multiaddr

/** The text that a caller means. */
export function peerText(peer: NamedPeer): string {
  return typeof peer === 'string' ? peer : peer.toString()
}
