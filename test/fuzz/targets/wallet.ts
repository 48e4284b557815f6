/** What the wallet makes of transactions that a server shows. */
import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import { AddressBook } from '../../../src/wallet/addresses.js'
import { Claims } from '../../../src/wallet/claims.js'
import { CoinLocks, coinsOf, Reservations, sumOf } from '../../../src/wallet/coins.js'
import { loadEcdsa } from '../../../src/wallet/signer.js'
import { HistoryView } from '../../../src/wallet/history-view.js'
import { listTransactions } from '../../../src/wallet/journal.js'
import { Notes } from '../../../src/wallet/notes.js'
import { OutgoingTransactions } from '../../../src/wallet/outgoing.js'
import { createSeed, rootFromWords } from '../../../src/bitcoin/seed.js'
import { blockHeight, MAX_MONEY, satoshi } from '../../../src/types/units.js'
import { Choices } from '../mutations.js'
import { neverThrows, type Target, unlessRefused } from '../fuzzer.js'
import { parseTransaction } from '../../../src/bitcoin/transaction.js'
import { transactions } from './transactions.js'

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
