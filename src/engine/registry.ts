/**
 * A record of what this node has dealt with: channel keys, funding outpoints, and openings that came
 * to nothing.
 */
import { channelIdOf, hashOfOutPoint } from '../bitcoin/scripts.js'
import type { Abandoned, Channel } from '../channel/state.js'
import { partyOf } from '../channel/terms.js'
import { type ChannelId, type OutPoint, outPointText, toHex } from '../types/bytes.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
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
   * An opening came to nothing: its keys are let go. K1 and the outpoint stay known to a server that
   * has signed T2.
   */
  giveUp: (channel: Abandoned, ourKey: Uint8Array) => void
  /** Reserves the id of a damaged channel: the SHA256 of K1 (ID-1), all that is left of it. */
  reserve: (id: ChannelId) => void
  /** True for a reserved id, also that of an opening that was given up. */
  isReserved: (id: ChannelId) => boolean
  /** False when so much is remembered that no opening may be added to it (OPEN-14). */
  readonly hasRoom: boolean
  /** Forgets given-up openings that are over; returns what is to be written. See `GivenUp`. */
  forget: (height: number, longest: number) => Change[]
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
      if (isGivenUpByServer(channel)) givenUp.add(channel)
      keys.delete(textOf(ourKey))
      if (channel.theirKey !== undefined) keys.delete(textOf(channel.theirKey))
      if (channel.outPoint !== undefined) outPoints.delete(outPointText(channel.outPoint))
    },
    reserve: (id) => {
      reserved.add(id)
    },
    get hasRoom() {
      return !givenUp.isFull
    },
    forget: givenUp.forget.bind(givenUp),
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
 * Openings of a server that came to nothing. Anybody can have some of them, so only keys and
 * outpoints that must not be signed for again stay, only if T2 was signed, and only until a week
 * after its L (KEY-3, REF-2):
 *
 *     known/<the first 16 bytes of the channel's id>   outPoint: the first 16 bytes of its hash;
 *                                                      until: the height at which it is forgotten
 *
 * The id is the hash of K1 (ID-1). Older records are the hash of the outpoint alone.
 */

export const GIVEN_UP_PREFIX = 'known/'

/** Number of bytes of a hash that are kept: nobody finds two things with the same ones. */
const KEPT_BYTES = 16

/** KEY-3: blocks after L for which a given-up opening stays known: a week. */
export const KNOWN_AFTER_L = 1_008

/**
 * OPEN-14: the number of given-up openings above which no others are begun, 130 MB of them. What
 * strangers are allowed, at all times and with the latest L that is usual, comes to half of it.
 */
const MOST_KNOWN = 2 ** 20

/** What a `Map` takes for sure: V8 throws at twice that. */
const MOST_IN_MAP = 2 ** 23

/** Number of records that are looked at with each block. */
const SWEPT_PER_BLOCK = 10_000

/** True for the server's side of an opening that came to nothing. */
export function isGivenUpByServer(channel: Channel): channel is Abandoned {
  return channel.stage === 'abandoned' && channel.role === 'server'
}

/** True for a client's opening that ended before T2 was asked for: nothing was built or signed. */
export function isUnasked(channel: Channel): channel is Abandoned {
  return (
    channel.stage === 'abandoned' && channel.role === 'client' && channel.outPoint === undefined
  )
}

/** The record that is left of a server's opening: none when T2 was not signed. */
export function givenUpChanges(channel: Abandoned): Change[] {
  const { id, outPoint } = channel
  if (outPoint === undefined) return []
  const hash = hashOfOutPoint(outPoint).subarray(0, KEPT_BYTES)
  return [givenUpChange(id.slice(0, 2 * KEPT_BYTES), hash, knownUntil(channel))]
}

function givenUpChange(id: string, outPoint: Uint8Array, until: number): Change {
  return recordChange(GIVEN_UP_PREFIX + id, { outPoint, until })
}

function knownUntil({ refundHeight }: Pick<Abandoned, 'refundHeight'>): number {
  return refundHeight + KNOWN_AFTER_L
}

/** A record as it is read. */
interface KnownOutPoint {
  readonly outPoint: Uint8Array
  /** Undefined in older records. */
  readonly until: number | undefined
}

/** @throws PaychanError `ERR_STORE_CORRUPT`, `ERR_STORE_VERSION` */
export function readGivenUp(key: string, value: Uint8Array): KnownOutPoint {
  const record = decodeRecord<unknown>(key, value)
  const { outPoint, until } = (
    record instanceof Uint8Array ? { outPoint: record } : (record ?? {})
  ) as { readonly outPoint?: unknown; readonly until?: unknown }
  if (
    !(outPoint instanceof Uint8Array) ||
    outPoint.length !== KEPT_BYTES ||
    !(until === undefined || Number.isSafeInteger(until)) ||
    key.length !== GIVEN_UP_PREFIX.length + 2 * KEPT_BYTES
  ) {
    throw corruptRecord(key)
  }
  return { outPoint, until: until as number | undefined }
}

/** The hashes of the openings that were given up, each with the height at which it is forgotten. */
export class GivenUp {
  /** Hashes as text of one character a byte: a third of the memory of hex. */
  readonly #ids = new Map<string, number>()
  readonly #outPoints = new Map<string, number>()
  /** Those of older records, whose L is not known: the hash of the outpoint by that of the id. */
  readonly #undated = new Map<string, string>()
  #sweeps: Array<{ readonly hashes: Map<string, number>; at: MapIterator<[string, number]> }> = []
  /** The disk has more than is remembered. */
  #isUnread = false
  readonly #most: number

  constructor(most = MOST_KNOWN) {
    this.#most = most
  }

  /**
   * Reads as many hashes as there is room for. The key of a damaged record still tells its K1.
   *
   * @throws PaychanError `ERR_STORE_VERSION`, `ERR_STORE_FAILED`
   */
  async load(store: Pick<Store, 'entries'>, alarm: (error: PaychanError) => void): Promise<void> {
    for await (const [key, value] of store.entries(GIVEN_UP_PREFIX)) {
      if (this.#ids.size >= this.#most) {
        this.#isUnread = true
        break
      }
      const id = bytesOfHex(key.slice(GIVEN_UP_PREFIX.length))
      try {
        const { outPoint, until } = readGivenUp(key, value)
        this.#know(id, textOf(outPoint), until ?? Infinity)
        if (until === undefined) this.#undated.set(id, textOf(outPoint))
      } catch (error) {
        if (codeOf(error) !== 'ERR_STORE_CORRUPT') throw error
        this.#ids.set(id, Infinity)
        const text = `${messageOf(error)} It is of an opening that came to nothing; no channel needs it.`
        alarm(new PaychanError('ERR_STORE_CORRUPT', text, { cause: 'given-up channels' }))
      }
    }
    if (this.isFull) {
      alarm(
        new PaychanError(
          'ERR_TOO_MANY_OPENINGS',
          'This node remembers as many openings that came to nothing as it can (OPEN-14), and takes no new channels from peers before some are forgotten, a week after their refunds, and it is started again. Channels, payments and renewals go on.'
        )
      )
    }
  }

  /** OPEN-14: true when no opening may be added to those that are known. */
  get isFull(): boolean {
    return this.#isUnread || this.#ids.size >= this.#most
  }

  add(channel: Abandoned): void {
    const { id, outPoint } = channel
    // Renewals alone may come to more than `isFull` allows, and their clients each have a channel.
    if (outPoint === undefined || this.#ids.size >= MOST_IN_MAP) return
    this.#know(
      kept(id),
      textOf(hashOfOutPoint(outPoint).subarray(0, KEPT_BYTES)),
      knownUntil(channel)
    )
  }

  #know(id: string, outPoint: string, until: number): void {
    this.#ids.set(id, until)
    this.#outPoints.set(outPoint, until)
  }

  /**
   * Forgets what is over at a height, some thousand records with each block.
   *
   * @param longest - blocks for which an opening of an older record may have been locked
   * @returns what is to be written
   */
  forget(height: number, longest: number): Change[] {
    const changes = this.#dated(height + longest + KNOWN_AFTER_L)
    if (this.#sweeps.length === 0) {
      this.#sweeps = [this.#ids, this.#outPoints].map((hashes) => ({
        hashes,
        at: hashes.entries()
      }))
    }
    this.#sweeps = this.#sweeps.filter(({ hashes, at }) => {
      for (let n = 0; n < SWEPT_PER_BLOCK; n++) {
        const next = at.next()
        if (next.done === true) return false
        const [hash, until] = next.value
        if (until > height) continue
        hashes.delete(hash)
        if (hashes === this.#ids) {
          changes.push({ key: GIVEN_UP_PREFIX + hexOfBytes(hash), value: undefined })
        }
      }
      return true
    })
    return changes
  }

  /** Older records get a height at which they are over. */
  #dated(until: number): Change[] {
    const changes: Change[] = []
    for (const [id, outPoint] of this.#undated) {
      if (changes.length >= SWEPT_PER_BLOCK) break
      this.#undated.delete(id)
      this.#know(id, outPoint, until)
      changes.push(givenUpChange(hexOfBytes(id), bytesOfText(outPoint), until))
    }
    return changes
  }

  hasId(id: ChannelId): boolean {
    return this.#ids.has(kept(id))
  }

  hasKey(publicKey: Uint8Array): boolean {
    return this.#ids.size > 0 && this.hasId(channelIdOf(publicKey))
  }

  hasOutPoint(outPoint: OutPoint): boolean {
    return (
      this.#outPoints.size > 0 &&
      this.#outPoints.has(textOf(hashOfOutPoint(outPoint).subarray(0, KEPT_BYTES)))
    )
  }
}

function kept(id: ChannelId): string {
  return bytesOfHex(id.slice(0, 2 * KEPT_BYTES))
}

function bytesOfHex(hex: string): string {
  return hex.replace(/../g, (digits) => String.fromCharCode(Number.parseInt(digits, 16)))
}

function bytesOfText(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0))
}

function hexOfBytes(text: string): string {
  return toHex(bytesOfText(text))
}
