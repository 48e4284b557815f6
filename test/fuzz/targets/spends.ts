/**
 * What a channel makes of whatever spends its funding output: the balances are within the capacity,
 * and nothing throws.
 */
import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import { toDer } from '../../../src/bitcoin/ecdsa.js'
import { fundingWitnessScript } from '../../../src/bitcoin/scripts.js'
import { neverThrows, type Target, unlessRefused } from '../fuzzer.js'
import { parseTransaction } from '../../../src/bitcoin/transaction.js'
import { balances } from '../../../src/channel/ledger.js'
import { nextDue } from '../../../src/channel/due.js'
import type { Transition } from '../../../src/channel/effects.js'
import type { FundingHistory, ShownTransaction } from '../../../src/channel/events.js'
import { lockOf } from '../../../src/channel/schedule.js'
import type { Established } from '../../../src/channel/state.js'
import { summarise } from '../../../src/channel/summary.js'
import { fundingHistory } from '../../../src/engine/watches.js'
import { hashFromTxid } from '../../../src/types/bytes.js'
import { blockHeight, MAX_MONEY } from '../../../src/types/units.js'
import { scriptOf } from '../../channel/side.js'
import { Choices } from '../mutations.js'
import { channels, sides, transactions } from './transactions.js'

const SIGNATURE = new Uint8Array(64).fill(1)
const SIGHASHES = [1, 2, 3, 0x81, 0x82, 0x83] as const

export const SPENDS: Target = {
  name: 'spends',
  seeds: () => [
    // Every lock, with the least, more than the capacity, and all that there is in the payer's
    // output, which the payer has signed or not.
    ...sides().flatMap((_side, n) =>
      [0, 1, 2, 3].flatMap((lock) =>
        [1, 4, 5].flatMap((value) =>
          [4, 5].map((sighash) =>
            Uint8Array.from([n, 1, 0, 0, 1, 0, lock, 0, 0, 1, 0, 0, value, 0, sighash, 0, sighash])
          )
        )
      )
    ),
    ...transactions().flatMap((raw) =>
      sides().map((_side, n) => Uint8Array.from([n, 1, 0, 9, ...raw]))
    )
  ],
  run: (input) => {
    const choices = new Choices(input)
    const side = choices.pick(sides())
    const channel = side.established
    const height = choices.flag ? blockHeight(600) : undefined
    const shownBy = choices.flag ? 2 : 1
    // What cannot be read never comes as far as this.
    const spends = Array.from({ length: 1 + (choices.byte % 2) }, (): ShownTransaction[] => {
      const raw = choices.byte === 9 ? choices.rest : built(channel, choices)
      const transaction = unlessRefused(() => parseTransaction(raw))
      return transaction === undefined ? [] : [{ transaction, height, shownBy }]
    }).flat()
    const funding = {
      transaction: parseTransaction(channel.fundingTx),
      height: blockHeight(501)
    }
    // Whatever the signatures are, both are good: what is looked for is what is made of the rest.
    const env = side.env({
      verify: () => true,
      height: blockHeight(choices.pick([600, 690, 700, 850]))
    })
    const told = (spends: readonly ShownTransaction[]): FundingHistory =>
      neverThrows('the history of a channel', () =>
        fundingHistory([funding, ...spends], channel.outPoint)
      )
    for (const history of [told(spends), { funding, spends, strays: spends }]) {
      assertSound(
        neverThrows('a transition', () => side.attempt({ type: 'history', history }, env))
      )
    }
  }
}

/** A spend that both have signed, with whatever else they have agreed on, or one of them alone. */
function built({ terms, outPoint }: Established, choices: Choices): Uint8Array {
  const tx = new Transaction()
  tx.version = 3
  tx.locktime = choices.flag
    ? choices.uint32
    : choices.pick([
        lockOf(terms, 'refund'),
        lockOf(terms, 0),
        lockOf(terms, terms.mode === 'one-way' ? 0 : 1),
        lockOf(terms, terms.mode === 'one-way' ? 0 : 2)
      ])
  const at = choices.byte % 3
  const beside = choices.byte % 3
  for (let n = 0; n < at; n++) tx.addInput(new Uint8Array(32).fill(n + 1), n)
  tx.addInput(hashFromTxid(outPoint.txid), outPoint.vout, 0xfffffffd)
  for (let n = 0; n < beside; n++) tx.addInput(new Uint8Array(32).fill(n + 9), n)
  const scripts = [scriptOf('client close'), scriptOf('server close'), new Uint8Array(0)] as const
  for (let n = choices.byte % 4; n > 0; n--) {
    tx.addOutput(
      choices.pick(scripts),
      choices.flag
        ? choices.uint64 >> 1n
        : choices.pick([
            0n,
            1n,
            terms.capacity - 1n,
            terms.capacity,
            terms.capacity + 1n,
            MAX_MONEY
          ])
    )
  }
  const signature = (): Uint8Array =>
    choices.flag ? choices.bytes(choices.byte) : toDer(SIGNATURE, choices.pick(SIGHASHES))
  tx.setWitness(at, [
    new Uint8Array(0),
    signature(),
    signature(),
    fundingWitnessScript(terms.client.channelKey, terms.server.channelKey)
  ])
  return tx.toBuffer()
}

function assertSound({ state, effects }: Transition): void {
  assert.ok(state.stage === 'established')
  const {
    terms,
    ledger,
    onChain: { spend, shown }
  } = state
  const isShare = (amount: bigint | undefined): boolean =>
    amount === undefined || (amount >= 0n && amount <= terms.capacity)
  for (const each of spend === undefined ? shown : [spend, ...shown]) {
    assert.ok(
      isShare(each.clientBalance),
      `the client would have ${each.clientBalance} sat of ${terms.capacity} sat`
    )
  }
  for (const effect of effects) {
    if (effect.type === 'claim') {
      assert.ok(
        effect.payout.value > 0n && isShare(effect.payout.value),
        `${effect.payout.value} sat are claimed`
      )
    }
  }
  const { client, server } = balances(terms, ledger)
  assert.ok(isShare(client) && isShare(server) && client + server === terms.capacity)
  neverThrows('what people are shown', () => summarise(state, channels().oneWay.client.env()))
  neverThrows('what is due', () => nextDue(state, 600))
}
