/**
 * Names that a person gives to peers, usable wherever a peer is named.
 *
 * - `alias/<name>`: the PeerId
 */
import { z } from 'zod'
import type { Store } from '../engine/ports.js'
import { parseDialTarget } from '../p2p/dial-target.js'
import { PaychanError } from '../types/errors.js'
import { parseRecord, recordChange, unlessDamaged } from '../types/records.js'
import type { PeerAlias } from './api.js'

export const ALIAS_PREFIX = 'alias/'

/**
 * A name: small letters, digits, `-`, `_` and `.`. A PeerId is longer, and a channel is 8 or more
 * digits of hex: a name that is hex alone has fewer.
 */
const NAME = /^(?![0-9a-f]{8,}$)(?!all$)[a-z0-9][a-z0-9._-]{0,31}$/

export class Aliases {
  readonly #peers = new Map<string, string>()
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  /** Leaves out records that are damaged, and tells them. */
  async load(onDamaged: (error: unknown) => void): Promise<void> {
    for await (const [key, value] of this.#store.entries(ALIAS_PREFIX)) {
      const peer = unlessDamaged(() => readAlias(key, value), onDamaged)
      if (peer !== undefined) this.#peers.set(key.slice(ALIAS_PREFIX.length), peer)
    }
  }

  /** The PeerId of a name; undefined when nobody has it. */
  peerOf(name: string): string | undefined {
    return this.#peers.get(name)
  }

  list(): PeerAlias[] {
    return [...this.#peers]
      .map(([name, peerId]) => ({ name, peerId }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /**
   * Gives a peer a name, which it then has alone.
   *
   * @throws PaychanError `ERR_INVALID_ALIAS`, `ERR_INVALID_PEER`
   */
  async set(peerId: string, name: string): Promise<PeerAlias> {
    if (!NAME.test(name)) {
      throw new PaychanError(
        'ERR_INVALID_ALIAS',
        `'${name}' cannot be the name of a peer: take 1 to 32 small letters, digits, '.', '-' or '_', and not what could be a channel (8 or more of 0 to 9 and a to f).`,
        { name }
      )
    }
    const whole = parseDialTarget(peerId).peer.toString()
    await this.#store.commit([recordChange(ALIAS_PREFIX + name, whole)])
    this.#peers.set(name, whole)
    return { name, peerId: whole }
  }

  /** @throws PaychanError `ERR_NO_ALIAS` */
  async remove(name: string): Promise<void> {
    if (!this.#peers.has(name)) {
      throw new PaychanError(
        'ERR_NO_ALIAS',
        `No peer has the name '${name}'; \`paychan alias\` lists the names.`,
        { name }
      )
    }
    await this.#store.commit([{ key: ALIAS_PREFIX + name, value: undefined }])
    this.#peers.delete(name)
  }
}

/** @throws PaychanError `ERR_STORE_CORRUPT`, `ERR_STORE_VERSION` */
export function readAlias(key: string, value: Uint8Array): string {
  return parseRecord(key, value, z.string())
}
