/**
 * Loads a wallet from its disk. A damaged record is reported and left alone: the rest is usable.
 */
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import type { Store } from '../engine/ports.js'
import type { AddressBook } from './addresses.js'
import { CLOSE_GAP } from './gaps.js'
import type { Claims } from './claims.js'
import {
  type CoinLocks,
  LOCKED,
  OUTGOING,
  type OutgoingTransactions,
  readLock,
  readOutgoing,
  type Reservations
} from './coins.js'
import { ABANDONED, type AbandonedFundings, readAbandoned } from './funding.js'
import { LABELS, MADE, readLabel, readMade, type Notes } from './notes.js'
import {
  BRANCHES,
  branchKey,
  CLAIMS,
  GAP_KEY,
  readBranch,
  readClaim,
  readGap,
  readReservation,
  RESERVATIONS
} from './records.js'

interface LoadedWallet {
  readonly addresses: AddressBook
  readonly reservations: Reservations
  readonly locks: CoinLocks
  readonly claims: Claims
  readonly outgoing: OutgoingTransactions
  readonly abandoned: AbandonedFundings
  readonly notes: Notes
}

/** The consequences when records of one kind cannot be read. */
const MEANING: ReadonlyArray<readonly [prefix: string, meaning: string]> = [
  [
    'wallet/branch/',
    'Which addresses were given out is not known; those that were paid to are found on the chain, others may be given out again.'
  ],
  [RESERVATIONS, 'Coins of a funding transaction are free again before it is decided.'],
  [
    ABANDONED,
    'The coins of a funding transaction that came to nothing may seem to be spent while a server shows it.'
  ],
  [LOCKED, 'A coin that was locked may be chosen: lock it once more with `paychan coins lock`.'],
  [CLAIMS, 'A payout of a channel is claimed again by its channel.'],
  [
    OUTGOING,
    'A send is not sent again, and its coins are free: look at `paychan transactions` and at the chain before it is paid again.'
  ],
  [LABELS, 'A label is gone.'],
  [MADE, 'What a transaction was for is not known any more.']
]

/** The consequences when a record cannot be read. */
export function meaningOfDamage(key: string): string {
  return MEANING.find(([prefix]) => key.startsWith(prefix))?.[1] ?? ''
}

/**
 * Reads a record as the wallet does when it starts.
 *
 * @throws PaychanError `ERR_STORE_CORRUPT`, `ERR_STORE_VERSION`
 */
export function checkRecord(key: string, value: Uint8Array): void {
  const branch = BRANCHES.find((name) => branchKey(name) === key)
  if (branch !== undefined) readBranch(branch, value)
  else if (key === GAP_KEY) readGap(value)
  else if (key.startsWith(RESERVATIONS)) readReservation(key, value)
  else if (key.startsWith(ABANDONED)) readAbandoned(key, value)
  else if (key.startsWith(LOCKED)) readLock(key, value)
  else if (key.startsWith(CLAIMS)) readClaim(key, value)
  else if (key.startsWith(OUTGOING)) readOutgoing(key, value)
  else if (key.startsWith(LABELS)) readLabel(key, value)
  else if (key.startsWith(MADE)) readMade(key, value)
}

/**
 * Reads everything into the parts of a wallet.
 *
 * @param onDamaged - called for each record that cannot be read: `ERR_STORE_CORRUPT`
 * @throws PaychanError `ERR_STORE_VERSION`, `ERR_STORE_FAILED`
 */
export async function loadWallet(
  store: Store,
  { addresses, reservations, locks, claims, outgoing, abandoned, notes }: LoadedWallet,
  onDamaged: (error: Error) => void
): Promise<void> {
  const whole = (key: string, read: () => void): void => {
    try {
      read()
    } catch (error) {
      if (codeOf(error) !== 'ERR_STORE_CORRUPT') throw error
      onDamaged(
        new PaychanError(
          'ERR_STORE_CORRUPT',
          `${messageOf(error)} ${meaningOfDamage(key)}`.trim(),
          { key },
          { cause: error }
        )
      )
    }
  }
  for (const branch of BRANCHES) {
    const key = branchKey(branch)
    const value = await store.get(key)
    if (value !== undefined) {
      whole(key, () => {
        addresses.next[branch] = readBranch(branch, value)
      })
    }
  }
  const gap = await store.get(GAP_KEY)
  if (gap !== undefined) {
    whole(GAP_KEY, () => {
      addresses.gap = readGap(gap)
      addresses.closeGap = Math.max(CLOSE_GAP, addresses.gap)
    })
  }
  for await (const [key, value] of store.entries(RESERVATIONS)) {
    whole(key, () => {
      reservations.add(readReservation(key, value))
    })
  }
  for await (const [key, value] of store.entries(ABANDONED)) {
    whole(key, () => {
      abandoned.add(readAbandoned(key, value))
    })
  }
  for await (const [key, value] of store.entries(LOCKED)) {
    whole(key, () => {
      locks.add(readLock(key, value))
    })
  }
  for await (const [key, value] of store.entries(CLAIMS)) {
    whole(key, () => {
      claims.add(readClaim(key, value))
    })
  }
  for await (const [key, value] of store.entries(OUTGOING)) {
    whole(key, () => {
      outgoing.set(readOutgoing(key, value))
    })
  }
  for await (const [key, value] of store.entries(LABELS)) {
    whole(key, () => {
      notes.setLabel(key.slice(LABELS.length), readLabel(key, value))
    })
  }
  for await (const [key, value] of store.entries(MADE)) {
    whole(key, () => {
      notes.setMade(...readMade(key, value))
    })
  }
}
