/**
 * A record of everything this node has ever dealt with: channel keys, funding outpoints, and
 * openings that came to nothing.
 */
import { channelIdOf, hashOfOutPoint } from '../bitcoin/scripts.js'
import type { Abandoned, Channel } from '../channel/state.js'
import { partyOf } from '../channel/terms.js'
import { type ChannelId, type OutPoint, outPointText } from '../types/bytes.js'
import { codeOf, messageOf } from '../types/errors.js'
import { corruptRecord, decodeRecord, recordChange } from '../types/records.js'
import type { Change, Signer, Store } from './ports.js'

/**
 * Every channel key and every funding outpoint that this node has ever dealt with (KEY-3, KEY-4,
 * REF-2).
 */
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
  /** Reserves the id of a damaged channel: the SHA256 of K1 (ID-1), all that is left of it. */
  reserve: (id: ChannelId) => void
  /** True for a reserved id, also that of an opening that was given up. */
  isReserved: (id: ChannelId) => boolean
  isKnownKey: (publicKey: Uint8Array) => boolean
  isKnownOutPoint: (outPoint: OutPoint) => boolean
}

export function createRegistry(givenUp = new GivenUp()): Registry {
  /** Keys as text of one character a byte: half the memory of hex. */
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

/** Our channel key. Deriving a key costs 1 ms; after acceptance the terms have it. */
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

/*
 * Openings of a server that came to nothing. Anybody can make as many of them as they like, so only
 * keys and outpoints that must never be signed for again stay, and only if T2 was signed (KEY-3,
 * REF-2):
 *
 *     known/<the first 16 bytes of the channel's id>   the first 16 bytes of the hash of the outpoint
 *
 * The id is the hash of K1 (ID-1).
 */

export const GIVEN_UP_PREFIX = 'known/'

/** Number of bytes of a hash that are kept: nobody finds two things with the same ones. */
const KEPT_BYTES = 16

/** True for the server's side of an opening that came to nothing. */
export function isGivenUpByServer(channel: Channel): channel is Abandoned {
  return channel.stage === 'abandoned' && channel.role === 'server'
}

/** The record that is left of such an opening: none when T2 was not signed. */
export function givenUpChanges({ id, outPoint }: Abandoned): Change[] {
  return outPoint === undefined
    ? []
    : [
        recordChange(
          GIVEN_UP_PREFIX + id.slice(0, 2 * KEPT_BYTES),
          hashOfOutPoint(outPoint).subarray(0, KEPT_BYTES)
        )
      ]
}

/** @throws PaychanError `ERR_STORE_CORRUPT`, `ERR_STORE_VERSION` */
export function readGivenUp(key: string, value: Uint8Array): Uint8Array {
  const hash = decodeRecord<unknown>(key, value)
  if (
    !(hash instanceof Uint8Array) ||
    hash.length !== KEPT_BYTES ||
    key.length !== GIVEN_UP_PREFIX.length + 2 * KEPT_BYTES
  ) {
    throw corruptRecord(key)
  }
  return hash
}

/** The hashes of all openings that were given up: some dozen bytes for every two hashes. */
export class GivenUp {
  /** Hashes as text of one character a byte: a third of the memory of hex. */
  readonly #hashes = new Set<string>()

  /**
   * Reads the hashes. The key of a damaged record still tells its K1.
   *
   * @throws PaychanError `ERR_STORE_VERSION`, `ERR_STORE_FAILED`
   */
  async load(store: Store, onDamaged: (text: string) => void): Promise<void> {
    for await (const [key, value] of store.entries(GIVEN_UP_PREFIX)) {
      this.#hashes.add(bytesOfHex(key.slice(GIVEN_UP_PREFIX.length)))
      try {
        this.#hashes.add(textOf(readGivenUp(key, value)))
      } catch (error) {
        if (codeOf(error) !== 'ERR_STORE_CORRUPT') throw error
        onDamaged(
          `${messageOf(error)} It is of an opening that came to nothing; no channel needs it.`
        )
      }
    }
  }

  add({ id, outPoint }: Abandoned): void {
    if (outPoint === undefined) return
    this.#hashes.add(kept(id))
    this.#hashes.add(textOf(hashOfOutPoint(outPoint).subarray(0, KEPT_BYTES)))
  }

  hasId(id: ChannelId): boolean {
    return this.#hashes.has(kept(id))
  }

  hasKey(publicKey: Uint8Array): boolean {
    return this.#hashes.size > 0 && this.hasId(channelIdOf(publicKey))
  }

  hasOutPoint(outPoint: OutPoint): boolean {
    return (
      this.#hashes.size > 0 &&
      this.#hashes.has(textOf(hashOfOutPoint(outPoint).subarray(0, KEPT_BYTES)))
    )
  }
}

function kept(id: ChannelId): string {
  return bytesOfHex(id.slice(0, 2 * KEPT_BYTES))
}

function bytesOfHex(hex: string): string {
  return hex.replace(/../g, (digits) => String.fromCharCode(Number.parseInt(digits, 16)))
}
