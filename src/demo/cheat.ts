/** The acts of a cheat, which no node does: keep an old state, and publish it. */
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { completeState } from '../bitcoin/template.js'
import { publishable } from '../channel/publishable.js'
import { partyOf } from '../channel/terms.js'
import { loadChannels } from '../engine/stored-channel.js'
import { SEED_FILE, STORE_DIRECTORY } from '../node/system.js'
import { openLevelStore } from '../store/level.js'
import type { ChannelId } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { satoshi } from '../types/units.js'
import { readSeedFile } from '../wallet/seed-file.js'
import { rootFromWords } from '../bitcoin/seed.js'
import { createSigner } from '../wallet/signer.js'

/**
 * An old state of a channel, as its holder could publish it at a fee of its choice, in satoshis.
 */
export interface OldState {
  readonly lock: number
  readonly at: (fee: bigint) => Uint8Array
}

/** The newest state that a stopped node holds of a channel now. */
export async function keepState(dataDir: string, id: ChannelId, copyTo: string): Promise<OldState> {
  await cp(join(dataDir, STORE_DIRECTORY), copyTo, { recursive: true })
  const store = await openLevelStore(copyTo)
  const { channels } = await loadChannels(store)
  await store.close()
  const channel = channels.find((one) => one.id === id)
  const ours = channel?.stage === 'established' ? publishable(channel) : undefined
  if (channel?.stage !== 'established' || ours === undefined) {
    throw new PaychanError('ERR_DEMO_FAILED', 'There is no state to be kept.')
  }
  const signer = createSigner(
    rootFromWords(await readSeedFile(join(dataDir, SEED_FILE))),
    'regtest'
  )
  const { role, keys, terms } = channel
  const script = partyOf(terms, role).closeScript
  return {
    lock: ours.template.lock,
    at: (fee) =>
      completeState(
        ours.template,
        ours.signature,
        [{ script, value: satoshi(ours.share - fee) }],
        (digest) => signer.sign({ role, ...keys, use: 'channel' }, digest)
      ).raw
  }
}
