/**
 * Ties a data directory to its chain by one block that was deep in it. Without it a node would take
 * the heights in its channels for those of any chain that it is shown. (The first block of the
 * network would not tell two regtest chains apart; this block tells networks apart as well.)
 */
import type { Network } from '../../protocols/paychan/1.0/index.js'
import type { Anchor } from '../chain/headers.js'
import type { Store } from '../engine/ports.js'
import { PaychanError } from '../types/errors.js'

/** Value: `1 HEIGHT HASH`, in ASCII; 1 is the version of this form. */
export const ANCHOR_KEY = 'chain/anchor'

/** Value: the network's name, in ASCII. */
export const NETWORK_KEY = 'chain/network'

/** The network of a data directory; undefined before a node has run on it. */
export async function networkOf(store: Store): Promise<string | undefined> {
  const value = await store.get(NETWORK_KEY)
  if (value !== undefined) return new TextDecoder().decode(value)
  // Releases that wrote no name ran on regtest only, and always wrote an anchor once they had been
  // used.
  return (await store.get(ANCHOR_KEY)) === undefined ? undefined : 'regtest'
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
    await store.commit([{ key: NETWORK_KEY, value: new TextEncoder().encode(network) }])
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
  const [, height, hash] =
    /^1 (\d{1,9}) ([0-9a-f]{64})$/.exec(new TextDecoder().decode(value)) ?? []
  if (height !== undefined && hash !== undefined) return { height: Number(height), hash }
  onDamaged(
    'The record of the chain that this data directory belongs to is damaged: make sure yourself that the Electrum server is one of the right chain.'
  )
  return undefined
}

export async function writeAnchor(store: Store, { height, hash }: Anchor): Promise<void> {
  await store.commit([{ key: ANCHOR_KEY, value: new TextEncoder().encode(`1 ${height} ${hash}`) }])
}
