/** Makes a data directory from the words alone: the seed, and the range of the wallet's search. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { restoredChange } from '../engine/restores.js'
import { openLevelStore } from '../store/level.js'
import { PaychanError } from '../types/errors.js'
import { branchChange, BRANCHES, gapChange, MAX_GAP } from '../wallet/records.js'
import { writeSeedFile } from '../wallet/seed-file.js'
import { SEED_FILE, STORE_DIRECTORY } from './layout.js'

/**
 * BIP44's gap limit is 20, for wallets that give an address to a person now and then. A server of
 * an earlier release gave one to each peer that offered a channel, and many offers came to nothing;
 * the close scripts of this one have a chain and a gap of their own (`CLOSE_GAP`).
 */
export interface RestoreOptions {
  readonly words: string
  /** Encrypts the seed. */
  readonly passphrase: string | undefined
  /** Number of unused addresses in a row that end the search, on each branch: 1 to 10,000. */
  readonly gap: number
  /** Number of addresses of each branch known to be used: the search begins behind them. */
  readonly used?: number
}

/**
 * Writes the seed, which must not exist yet, and stores for every later start the gap, and the task
 * to ask peers for channels.
 *
 * @throws PaychanError `ERR_INVALID_GAP`, and those of `writeSeedFile` and of opening a store
 */
export async function restoreData(
  dataDir: string,
  { words, passphrase, gap, used = 0 }: RestoreOptions
): Promise<void> {
  assertGap(gap)
  if (used > MAX_GAP) {
    throw new PaychanError(
      'ERR_INVALID_GAP',
      `At most ${MAX_GAP} addresses can be named as used; each is a subscription on the Electrum server.`,
      { used, most: MAX_GAP }
    )
  }
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  await writeSeedFile(join(dataDir, SEED_FILE), words, passphrase)
  const store = await openLevelStore(join(dataDir, STORE_DIRECTORY))
  try {
    await store.commit([
      gapChange(gap),
      ...(used === 0 ? [] : BRANCHES.map((branch) => branchChange(branch, used))),
      restoredChange()
    ])
  } finally {
    await store.close()
  }
}

/** @throws PaychanError `ERR_INVALID_GAP` */
export function assertGap(gap: number): void {
  if (gap >= 1 && gap <= MAX_GAP) return
  throw new PaychanError(
    'ERR_INVALID_GAP',
    `The gap is 1 to ${MAX_GAP} addresses; each is a subscription on the Electrum server.`,
    { gap, most: MAX_GAP }
  )
}
