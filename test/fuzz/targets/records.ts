/** Records on disk, damaged in every way. */
import {
  readTerms,
  readChannel,
  CHANNEL_PREFIX,
  channelChanges
} from '../../../src/engine/stored-channel.js'
import { GIVEN_UP_PREFIX, readGivenUp } from '../../../src/engine/registry.js'
import {
  NAME_PREFIX,
  PAID_PREFIX,
  paymentKey,
  readEntry,
  readName,
  readPaid
} from '../../../src/engine/payments.js'
import {
  decodeRecord,
  encodeRecord,
  RECORD_VERSION,
  sealRecord
} from '../../../src/types/records.js'
import type { Store } from '../../../src/engine/ports.js'
import {
  branchKey,
  CLAIMS,
  GAP_KEY,
  readBranch,
  readClaim,
  readGap,
  readReservation,
  RESERVATIONS
} from '../../../src/wallet/records.js'
import { LABELS, MADE, readLabel, readMade } from '../../../src/wallet/notes.js'
import { OUTGOING, readOutgoing } from '../../../src/wallet/outgoing.js'
import { ABANDONED, readAbandoned } from '../../../src/wallet/funding.js'
import { LOCKED, readLock } from '../../../src/wallet/coins.js'
import { openSimStore } from '../../../src/testing/disk.js'
import { isRefusal, type Target, unlessRefused } from '../fuzzer.js'
import { sides } from './transactions.js'

const ID = 'ab'.repeat(32)
const OUTPOINT = `${ID}:1`
const CHANNEL = ID as never

type Reader = readonly [key: string, read: (key: string, value: Uint8Array) => unknown]

const ENGINE: readonly Reader[] = [
  ['anything', decodeRecord],
  [CHANNEL_PREFIX + ID, readTerms],
  [paymentKey(CHANNEL, 7), readEntry],
  [PAID_PREFIX + 'ab'.repeat(16), readPaid],
  [NAME_PREFIX + 'ab', readName],
  [GIVEN_UP_PREFIX + 'ab'.repeat(16), readGivenUp]
]
const WALLET: readonly Reader[] = [
  [branchKey('receive'), (_key, value) => readBranch('receive', value)],
  [GAP_KEY, (_key, value) => readGap(value)],
  [RESERVATIONS + ID, readReservation],
  [CLAIMS + OUTPOINT, readClaim],
  [LABELS + ID, readLabel],
  [MADE + ID, readMade],
  [OUTGOING + ID, readOutgoing],
  [LOCKED + OUTPOINT, readLock],
  [ABANDONED + ID, readAbandoned]
]

/** Values as they lie behind the checksum: whole channels, and what other readers take. */
function stored(): Uint8Array[] {
  const values = sides()
    .flatMap((side) => channelChanges(undefined, side.channel))
    .flatMap(({ value }) => (value === undefined ? [] : [value.slice(5)]))
  const others = [
    null,
    { stage: 'established', keys: {}, peer: 'bob', id: ID, terms: null },
    { asked: 12n, channel: ID, sequence: 2, amount: 3n },
    { payments: new Uint8Array(1), order: 1 },
    { next: 7, gap: 20, text: 'rent', kind: 'send', fee: 1n, inputs: [OUTPOINT], funding: ID },
    {
      value: 1n,
      scriptPubKey: new Uint8Array(22),
      key: { role: 'client', high: 1, low: 2, use: 'payout' }
    },
    {
      kind: 'send',
      inputs: [],
      to: new Uint8Array(22),
      exact: false,
      versions: [new Uint8Array(60)]
    }
  ]
  return [...values, ...others.map((value) => encodeRecord('key', value).slice(5))]
}

export const RECORDS: Target = {
  name: 'records',
  words: [
    ...['stage', 'established', 'keys', 'peer', 'terms', 'limits', 'ledger', 'inFlight'],
    ...['payments', 'order', 'next', 'inputs', 'value', 'versions', OUTPOINT, ID]
  ],
  seeds: () =>
    stored().flatMap((value) =>
      [...ENGINE, ...WALLET].map((_reader, n) => Uint8Array.from([n, ...value]))
    ),
  run: async ([at = 0, ...bytes]) => {
    const value = Uint8Array.from(bytes)
    const [name, read] = [...ENGINE, ...WALLET][at % (ENGINE.length + WALLET.length)] ?? [
      'anything',
      decodeRecord
    ]
    const key = read === readTerms ? CHANNEL_PREFIX + idIn(value) : name
    // As it is, and with a checksum that fits: then nothing but the reader stands between it and
    // the node.
    for (const record of [value, sealRecord(key, value, RECORD_VERSION)]) {
      unlessRefused(() => read(key, record))
      if (read === readTerms) await readWhole(key, record, value)
    }
  }
}

/** A channel lies where its id says; what has no id lies anywhere. */
function idIn(value: Uint8Array): string {
  const channel = unlessRefused(() =>
    decodeRecord<unknown>('anything', sealRecord('anything', value, RECORD_VERSION))
  )
  return typeof channel === 'object' && channel !== null && 'id' in channel
    ? String(channel.id)
    : ID
}

/** A channel whose ledger, and whose payments, are any record. */
async function readWhole(key: string, record: Uint8Array, value: Uint8Array): Promise<void> {
  const store: Store = Object.assign(openSimStore(), {
    get: async (key: string) => sealRecord(key, value, RECORD_VERSION)
  })
  try {
    await readChannel(store, key, record)
  } catch (error) {
    if (!isRefusal(error)) throw error
  }
}
