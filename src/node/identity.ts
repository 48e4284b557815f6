/**
 * The identity of a node: the key behind its PeerId, which derives from the seed, and the rule that
 * channels belong to a PeerId (ID-2).
 */
import { join } from 'node:path'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { z } from 'zod'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import { createSeed, type HDKey, identitySeed, rootFromWords } from '../bitcoin/seed.js'
import type { Store } from '../engine/ports.js'
import { CHANNEL_PREFIX } from '../engine/stored-channel.js'
import { codeOf, PaychanError } from '../types/errors.js'
import { parseRecord, recordChange } from '../types/records.js'
import { type AskPassphrase, readSeedFile, writeSeedFile } from '../wallet/seed-file.js'
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
