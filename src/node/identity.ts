/**
 * The identity of a node: the key behind its PeerId, which derives from the seed, and the rule that
 * channels belong to a PeerId (ID-2); and the names that its owner gives to peers.
 */
import { join } from 'node:path'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { z } from 'zod'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import { createSeed, type HDKey, identitySeed, rootFromWords } from '../bitcoin/seed.js'
import type { Store } from '../engine/ports.js'
import { CHANNEL_PREFIX } from '../engine/stored-channel.js'
import { parseDialTarget } from '../p2p/dial-target.js'
import { codeOf, PaychanError } from '../types/errors.js'
import { parseRecord, recordChange, unlessDamaged } from '../types/records.js'
import { type AskPassphrase, readSeedFile, writeSeedFile } from '../wallet/seed-file.js'
import type { PeerAlias } from './answers.js'
import { SEED_FILE, systemRandom } from './system.js'

export type { AskPassphrase } from '../wallet/seed-file.js'

/** Value: the PeerId that the channels of a data directory were opened with. */
export const PEER_KEY = 'node/peer'

/** Where the seed lies, and how it is opened. */
export interface IdentityOptions {
  /** Each network has a PeerId of its own. */
  readonly network: Network
  /** The directory with the seed file; it must exist unless `create` makes it. */
  readonly dataDir: string
  /** Makes a new seed when the data directory has none; write the words down (`SEED_FILE`). */
  readonly create?: boolean
  /** Asked only when the seed is encrypted. */
  readonly passphrase?: AskPassphrase
}

/** The keys of a node, both from its seed. Secrets: whoever has them has the money. */
export interface Identity {
  /** The key behind the PeerId, for `createLibp2p`. */
  readonly privateKey: PrivateKey
  /** The master key (BIP32), for `paychan`. */
  readonly root: HDKey
}

/**
 * The key for a libp2p host and the master key for `paychan`: both derive from the seed of the data
 * directory, so that the host has the same PeerId at every start.
 *
 * @throws PaychanError `ERR_SEED_UNREADABLE`, `ERR_PASSPHRASE_NEEDED`, `ERR_WRONG_PASSPHRASE`,
 *   `ERR_SEED_UNWRITABLE`
 * @example
 * const { privateKey, root } = await paychanIdentity({ network, dataDir, create: true })
 */
export async function paychanIdentity({
  network,
  dataDir,
  create = false,
  passphrase
}: IdentityOptions): Promise<Identity> {
  const path = join(dataDir, SEED_FILE)
  if (create) await ensureSeed(path)
  const root = rootFromWords(await readSeedFile(path, passphrase))
  return { privateKey: await generateKeyPairFromSeed('Ed25519', identitySeed(root, network)), root }
}

/**
 * Peers know a channel by the PeerId that it was opened with: under another one its payments would
 * stop, and no close could be agreed on.
 *
 * @throws PaychanError `ERR_WRONG_PEER_ID`
 */
export async function staysPeer(store: Store, peerId: string): Promise<void> {
  const value = await store.get(PEER_KEY)
  const known = value === undefined ? undefined : parseRecord(PEER_KEY, value, z.string())
  if (known === peerId) return
  if (known !== undefined && (await hasChannels(store))) {
    throw new PaychanError(
      'ERR_WRONG_PEER_ID',
      `The channels of this data directory belong to the peer id ${known}, and this node has ${peerId}: their peers would not know it. Give libp2p the same \`privateKey\` at every start; \`paychanIdentity\` derives one from the seed.`,
      { known, peerId }
    )
  }
  await store.commit([recordChange(PEER_KEY, peerId)])
}

async function hasChannels(store: Store): Promise<boolean> {
  const first = await store.entries(CHANNEL_PREFIX)[Symbol.asyncIterator]().next()
  return first.done !== true
}

async function ensureSeed(path: string): Promise<void> {
  try {
    await writeSeedFile(path, createSeed(systemRandom))
  } catch (error) {
    if (codeOf(error) !== 'ERR_SEED_EXISTS') throw error
  }
}

/*
 * Names that a person gives to peers, usable wherever a peer is named.
 *
 * - `alias/<name>`: the PeerId
 */

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
