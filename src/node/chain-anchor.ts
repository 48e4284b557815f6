/**
 * Ties a data directory to its chain by one block that was deep in it. Without it a node would take
 * the heights in its channels for those of any chain that it is shown. (The first block of the
 * network would not tell two regtest chains apart; this block tells networks apart as well.)
 */
import { z } from 'zod'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import { NETWORKS } from '../bitcoin/network-names.js'
import type { Anchor } from '../chain/headers.js'
import type { Store } from '../engine/ports.js'
import { PaychanError } from '../types/errors.js'
import {
  corruptRecord,
  decodeRecord,
  earlierRecords,
  parseRecord,
  recordChange,
  unlessDamaged
} from '../types/records.js'

/** Value: the height and the hash of the block. */
export const ANCHOR_KEY = 'chain/anchor'

/** Value: the network's name. */
export const NETWORK_KEY = 'chain/network'

const anchorShape = z.object({
  height: z.int().nonnegative(),
  hash: z.string().regex(/^[0-9a-f]{64}$/)
})

/**
 * The network of a data directory; undefined before a node has run on it.
 *
 * @throws PaychanError `ERR_STORE_VERSION`, `ERR_STORE_CORRUPT`
 */
export async function networkOf(store: Store): Promise<Network | undefined> {
  const value = await store.get(NETWORK_KEY)
  if (value === undefined) return undefined
  // Versions before the first release wrote the bare name.
  if (isNetwork(new TextDecoder().decode(value))) throw earlierRecords()
  const network = decodeRecord(NETWORK_KEY, value)
  if (!isNetwork(network)) throw corruptRecord(NETWORK_KEY)
  return network
}

function isNetwork(name: unknown): name is Network {
  return NETWORKS.some((network) => network === name)
}

/**
 * A data directory is of one network for good: its keys, heights and channels mean nothing
 * elsewhere.
 *
 * @throws PaychanError `ERR_WRONG_NETWORK`
 */
export async function belongsTo(store: Store, network: Network): Promise<void> {
  const known = (await networkOf(store)) ?? network
  if (known !== network) {
    throw new PaychanError(
      'ERR_WRONG_NETWORK',
      `This data directory is of ${known}, not of ${network}. Use another --data for each network.`,
      { network, known }
    )
  }
  if ((await store.get(NETWORK_KEY)) === undefined) {
    await store.commit([recordChange(NETWORK_KEY, network)])
  }
}

/**
 * @param onDamaged - called when there is a record that cannot be read; the node can do without,
 * and writes another
 */
export async function readAnchor(
  store: Store,
  onDamaged: (sentence: string) => void
): Promise<Anchor | undefined> {
  const value = await store.get(ANCHOR_KEY)
  if (value === undefined) return undefined
  return unlessDamaged(
    () => parseRecord(ANCHOR_KEY, value, anchorShape),
    () => {
      onDamaged(
        'The record of the chain that this data directory belongs to is damaged: make sure yourself that the Electrum server is one of the right chain.'
      )
    }
  )
}

export async function writeAnchor(store: Store, { height, hash }: Anchor): Promise<void> {
  await store.commit([recordChange(ANCHOR_KEY, { height, hash })])
}
