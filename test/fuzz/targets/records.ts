/** Records on disk, damaged in every way. */
import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import { createSeed, rootFromWords } from '../../../src/bitcoin/seed.js'
import { parseTransaction } from '../../../src/bitcoin/transaction.js'
import {
  NAME_PREFIX,
  PAID_PREFIX,
  paymentKey,
  readEntry,
  readName,
  readPaid
} from '../../../src/engine/payments.js'
import type { Store } from '../../../src/engine/ports.js'
import { GIVEN_UP_PREFIX, readGivenUp } from '../../../src/engine/registry.js'
import {
  CHANNEL_PREFIX,
  channelChanges,
  readChannel,
  readTerms
} from '../../../src/engine/stored-channel.js'
import { openSimStore } from '../../../src/testing/disk.js'
import {
  decodeRecord,
  encodeRecord,
  RECORD_VERSION,
  sealRecord
} from '../../../src/types/records.js'
import { blockHeight, MAX_MONEY, satoshi } from '../../../src/types/units.js'
import { AddressBook } from '../../../src/wallet/addresses.js'
import { Claims } from '../../../src/wallet/claims.js'
import {
  CoinLocks,
  coinsOf,
  LOCKED,
  OUTGOING,
  OutgoingTransactions,
  readLock,
  readOutgoing,
  Reservations,
  sumOf
} from '../../../src/wallet/coins.js'
import { ABANDONED, readAbandoned } from '../../../src/wallet/funding.js'
import { HistoryView } from '../../../src/wallet/history-view.js'
import { listTransactions } from '../../../src/wallet/journal.js'
import { LABELS, MADE, Notes, readLabel, readMade } from '../../../src/wallet/notes.js'
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
import { loadEcdsa } from '../../../src/wallet/signer.js'
import { isRefusal, neverThrows, type Target, unlessRefused } from '../fuzzer.js'
import { Choices } from '../mutations.js'
import { sides, transactions } from './transactions.js'

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
const WALLET_KEY: readonly Reader[] = [
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
      [...ENGINE, ...WALLET_KEY].map((_reader, n) => Uint8Array.from([n, ...value]))
    ),
  run: async ([at = 0, ...bytes]) => {
    const value = Uint8Array.from(bytes)
    const [name, read] = [...ENGINE, ...WALLET_KEY][at % (ENGINE.length + WALLET_KEY.length)] ?? [
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

/* What the wallet makes of transactions that a server shows. */

const { verify } = loadEcdsa()
let book: AddressBook | undefined

function addresses(): AddressBook {
  book ??= new AddressBook(
    rootFromWords(createSeed({ bytes: (length) => new Uint8Array(length).fill(7) })),
    'regtest'
  )
  for (const branch of ['receive', 'change', 'close'] as const) book.at(branch, 2)
  return book
}

export const WALLET: Target = {
  name: 'wallet',
  seeds: () => [
    new Uint8Array(0),
    ...Array.from({ length: 12 }, (_, n) =>
      Uint8Array.from([3, 2, 1, 0, 1, n, 2, 1, n, 1, 1, 2, n, 1, 1, 0, n, 1, 2])
    ),
    ...transactions().map((raw) => Uint8Array.from([1, 9, ...raw]))
  ],
  run: (input) => {
    const choices = new Choices(input)
    const own = addresses()
    const scripts = [
      own.at('receive', 0).scriptPubKey,
      own.at('change', 1).scriptPubKey,
      own.at('close', 2).scriptPubKey,
      new Uint8Array(22).fill(3)
    ] as const
    const shown: Uint8Array[] = []
    for (let n = choices.byte % 5; n > 0; n--) {
      if (choices.byte === 9) {
        shown.push(choices.rest)
        break
      }
      const tx = new Transaction()
      const last = shown.at(-1)
      for (let inputs = 1 + (choices.byte % 2); inputs > 0; inputs--) {
        tx.addInput(
          last !== undefined && choices.flag
            ? Transaction.fromBuffer(last).getHash()
            : new Uint8Array(32).fill(choices.byte),
          choices.byte % 3
        )
      }
      for (let outputs = 1 + (choices.byte % 3); outputs > 0; outputs--) {
        tx.addOutput(
          choices.pick(scripts),
          choices.flag
            ? choices.uint64 >> 12n
            : choices.pick([1_000n, 0n, MAX_MONEY, MAX_MONEY + 1n])
        )
      }
      shown.push(tx.toBuffer())
    }
    const view = new HistoryView(verify)
    const [reservations, outgoing, notes] = [
      new Reservations(),
      new OutgoingTransactions(),
      new Notes()
    ]
    const claims = new Claims(view)
    const history = shown.flatMap((raw, n) => {
      const transaction = unlessRefused(() => parseTransaction(raw))
      const height = n % 2 === 0 || choices.flag ? undefined : blockHeight(3)
      return transaction === undefined ? [] : [{ transaction, height }]
    })
    for (const script of scripts) {
      neverThrows('the view of histories', () => {
        view.set(script, history)
      })
    }
    for (const [vout, { transaction }] of history.entries()) {
      claims.add({
        output: {
          outPoint: { txid: transaction.txid, vout: vout % 2 },
          value: satoshi(MAX_MONEY),
          scriptPubKey: scripts[0],
          key: { role: 'client', high: 1, low: vout, use: 'payout' }
        },
        sweep: undefined
      })
    }
    neverThrows('the balance', () => {
      const coins = coinsOf(view, own, blockHeight(9), {
        reservations,
        outgoing,
        locks: new CoinLocks()
      })
      assert.ok(sumOf(coins) <= MAX_MONEY)
      assert.ok(claims.unswept() <= MAX_MONEY)
    })
    neverThrows('the list of transactions', () =>
      listTransactions(
        { network: 'regtest', addresses: own, view, outgoing, notes },
        blockHeight(9),
        () => undefined
      )
    )
  }
}
