/** The target of a dial: a person's text as libp2p's PeerId or multiaddr. */
import type { PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { CODE_P2P, multiaddr } from '@multiformats/multiaddr'
import type { Multiaddr } from '@multiformats/multiaddr'
import { PaychanError } from '../types/errors.js'

export interface DialTarget {
  readonly peer: PeerId
  readonly address: Multiaddr | undefined
}

/**
 * A PeerId, or a full multiaddr (one that ends with `/p2p/<PeerId>`, so that we know whom we pay).
 *
 * @throws PaychanError `ERR_INVALID_PEER` (it is neither), `ERR_INVALID_MULTIADDR`
 * @example parseDialTarget('/ip4/192.0.2.1/tcp/9800/p2p/12D3KooW...')
 */
export function parseDialTarget(text: string): DialTarget {
  if (text.startsWith('/')) {
    const address = parseMultiaddr(text)
    return { peer: peerOf(address, text), address }
  }
  const peer = parsePeerId(text)
  if (peer === undefined) {
    throw new PaychanError(
      'ERR_INVALID_PEER',
      `'${text}' is neither a PeerId nor a multiaddr such as /ip4/192.0.2.1/tcp/9800/p2p/12D3KooW...; \`paychan info\` shows both on the other side.`,
      { peer: text }
    )
  }
  return { peer, address: undefined }
}

function parseMultiaddr(text: string): Multiaddr {
  try {
    return multiaddr(text)
  } catch (cause) {
    throw new PaychanError(
      'ERR_INVALID_MULTIADDR',
      `'${text}' is not a multiaddr such as /ip4/192.0.2.1/tcp/9800/p2p/12D3KooW...`,
      { multiaddr: text },
      { cause }
    )
  }
}

/** The peer of the last `/p2p`: in a relayed address the first one is the relay. */
function peerOf(address: Multiaddr, text: string): PeerId {
  const components = address.getComponents()
  const last = components.at(-1)
  const peer =
    last?.code === CODE_P2P && last.value !== undefined ? parsePeerId(last.value) : undefined
  if (peer === undefined) {
    throw new PaychanError(
      'ERR_INVALID_MULTIADDR',
      `'${text}' does not end with /p2p/ and a PeerId, so it does not say who is meant.`,
      { multiaddr: text }
    )
  }
  return peer
}

function parsePeerId(text: string): PeerId | undefined {
  try {
    return peerIdFromString(text)
  } catch {
    return undefined
  }
}
