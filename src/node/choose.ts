/** Finds the channel or the peer that a caller means: by an id, a part of one, or a type of libp2p. */
import type { PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { ChannelId } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'

/* Finds the channel that an id, or its first digits, means. */

/** A PeerId is never shorter than this and never hex; a channel id is hex. */
const CHANNEL_PREFIX = /^[0-9a-f]{8,64}$/

/** True when a text means a channel, not a peer. */
export function namesChannel(text: string): boolean {
  return CHANNEL_PREFIX.test(text)
}

/**
 * The channel that an id, or at least 8 of its first digits, names.
 *
 * @throws PaychanError `ERR_NO_CHANNEL`, `ERR_AMBIGUOUS_CHANNEL`
 */
export function channelByPrefix<T extends { readonly id: ChannelId }>(
  channels: readonly T[],
  prefix: string
): T {
  if (!namesChannel(prefix)) {
    throw new PaychanError(
      'ERR_NO_CHANNEL',
      `'${prefix}' is not a channel: give at least 8 digits of an id that \`paychan channels\` lists.`,
      { asked: prefix }
    )
  }
  const matches = channels.filter((channel) => channel.id.startsWith(prefix))
  const [first, second] = matches
  if (first === undefined) {
    throw new PaychanError(
      'ERR_NO_CHANNEL',
      `No channel starts with ${prefix}; \`paychan channels\` lists them.`,
      { asked: prefix }
    )
  }
  if (second !== undefined) {
    throw new PaychanError(
      'ERR_AMBIGUOUS_CHANNEL',
      `${matches.length} channels start with ${prefix}; give more digits.`,
      { asked: prefix, matches: matches.length }
    )
  }
  return first
}

/* Finds the peer that a peer id, or its beginning or end, means. */

/** Fewer characters would be unique by chance only. */
const FEWEST = 4

/**
 * Of a stranger. 58^8 = 1.3 x 10^14: as many keys would have to be made for one that ends like
 * that.
 */
export const LONG_PART = 8

/**
 * Beginnings shared by all ids of one kind of key (Ed25519, secp256k1, RSA): they distinguish
 * nobody.
 */
const COMMON = /^(?:12D3KooW|16Uiu2HA|Qm)/

/** The shortest PeerId (a hashed RSA key) has 46 characters: a shorter text is a part of one. */
const SHORTEST_ID = 46

/**
 * The mark that stands for omitted characters in tables and examples: `…iDEp`, `12D3KooWEyop...`.
 */
const LEFT_OUT = /^(?:…|\.{3})|(?:…|\.{3})$/g

/** True when a text is that peer's id, or its beginning or end. */
export function namesPeer(text: string, peerId: string): boolean {
  const given = text.replace(LEFT_OUT, '')
  const ofItsOwn = given.replace(COMMON, '')
  return (
    given === peerId ||
    (ofItsOwn.length >= FEWEST && (peerId.startsWith(given) || peerId.endsWith(given)))
  )
}

/**
 * Finds the one known peer whose id begins or ends with the text; undefined when there is none.
 *
 * @throws PaychanError `ERR_AMBIGUOUS_PEER` (facts: asked, matches)
 */
export function peerByEnds(known: Iterable<string>, text: string): string | undefined {
  const matches = new Set<string>()
  for (const peerId of known) {
    if (peerId === text) return peerId
    if (namesPeer(text, peerId)) matches.add(peerId)
  }
  if (matches.size > 1) {
    throw new PaychanError(
      'ERR_AMBIGUOUS_PEER',
      `The ids of ${matches.size} peers begin or end with ${text}; give more of it. \`paychan peers\` lists them.`,
      { asked: text, matches: matches.size }
    )
  }
  const [only] = matches
  return only
}

/**
 * Refuses a text that can only be a part of an id, when no known peer has it.
 *
 * @throws PaychanError `ERR_INVALID_PEER`
 */
export function assertWholePeer(text: string): void {
  if (text.startsWith('/') || text.length >= SHORTEST_ID) return
  throw new PaychanError(
    'ERR_INVALID_PEER',
    `No peer that this node knows has an id that begins or ends with '${text}' (at least ${FEWEST} characters, and ${LONG_PART} of a peer without a channel), or has that name; \`paychan peers\` lists them. Give the whole PeerId, or a multiaddr such as /ip4/192.0.2.1/tcp/9800/p2p/12D3KooW...; \`paychan info\` shows both on the other side.`,
    { peer: text }
  )
}

/* Peers as callers name them: by a text, or by a type of libp2p. */

/**
 * A peer: its PeerId or full multiaddr, as libp2p has them or as a text; or a text that is its
 * name, or the beginning or end of its PeerId.
 */
export type NamedPeer = string | PeerId | Multiaddr

/** The text that a caller means. */
export function peerText(peer: NamedPeer): string {
  return typeof peer === 'string' ? peer : peer.toString()
}
