/**
 * Every channel key and every funding outpoint that this node has ever had to do with (KEY-3,
 * KEY-4, REF-2).
 */
import type { Abandoned, Channel } from '../channel/state.js'
import { channelIdOf } from '../bitcoin/scripts.js'
import { partyOf } from '../channel/terms.js'
import type { Signer } from './ports.js'
import { GivenUp } from './given-up.js'
import { outPointText, type ChannelId, type OutPoint } from '../types/bytes.js'

export interface Registry {
  /**
   * Learns the keys and the outpoint of a channel. Synchronous, so that two openings at once cannot
   * share one.
   */
  learn: (channel: Channel, ourKey: Uint8Array) => void
  /**
   * A server's opening came to nothing: its keys are let go; K1 and the outpoint stay known when T2
   * was signed.
   */
  giveUp: (channel: Abandoned, ourKey: Uint8Array) => void
  /**
   * A channel whose record is damaged: its id, the SHA256 of K1 (ID-1), is all that is left of it.
   */
  reserve: (id: ChannelId) => void
  /** Also of an opening that was given up. */
  isReserved: (id: ChannelId) => boolean
  isKnownKey: (publicKey: Uint8Array) => boolean
  isKnownOutPoint: (outPoint: OutPoint) => boolean
}

export function createRegistry(givenUp = new GivenUp()): Registry {
  /** As text of one character a byte: half of what hex takes. */
  const keys = new Set<string>()
  const outPoints = new Set<string>()
  const reserved = new Set<ChannelId>()
  return {
    learn: (channel, ourKey) => {
      keys.add(textOf(ourKey))
      const theirs = theirKeyOf(channel)
      if (theirs !== undefined) keys.add(textOf(theirs))
      if ('outPoint' in channel && channel.outPoint !== undefined) {
        outPoints.add(outPointText(channel.outPoint))
      }
    },
    giveUp: (channel, ourKey) => {
      givenUp.add(channel)
      keys.delete(textOf(ourKey))
      if (channel.theirKey !== undefined) keys.delete(textOf(channel.theirKey))
      if (channel.outPoint !== undefined) outPoints.delete(outPointText(channel.outPoint))
    },
    reserve: (id) => {
      reserved.add(id)
    },
    isReserved: (id) => reserved.has(id) || givenUp.hasId(id),
    isKnownKey: (publicKey) =>
      keys.has(textOf(publicKey)) ||
      (reserved.size > 0 && reserved.has(channelIdOf(publicKey))) ||
      givenUp.hasKey(publicKey),
    isKnownOutPoint: (outPoint) =>
      outPoints.has(outPointText(outPoint)) || givenUp.hasOutPoint(outPoint)
  }
}

function textOf(key: Uint8Array): string {
  return String.fromCharCode(...key)
}

/** Our channel key. To derive it takes a millisecond; once there are terms, they have it. */
export function keyOf(channel: Channel, signer: Pick<Signer, 'publicKey'>): Uint8Array {
  return 'terms' in channel
    ? partyOf(channel.terms, channel.role).channelKey
    : signer.publicKey({ role: channel.role, ...channel.keys, use: 'channel' })
}

function theirKeyOf(channel: Channel): Uint8Array | undefined {
  if (channel.stage === 'offered') return undefined
  if (channel.stage === 'abandoned') return channel.theirKey
  return channel.role === 'client'
    ? channel.terms.server.channelKey
    : channel.terms.client.channelKey
}
