/**
 * The view of all histories in any order of what servers show: it comes to the same as a merge of
 * all of them, and does no more than what has changed asks for.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { ChainTransaction } from '../../src/engine/ports.js'
import { outPointText, toHex, txid, type OutPoint, type Txid } from '../../src/types/bytes.js'
import { blockHeight } from '../../src/types/units.js'
import { HistoryView } from '../../src/wallet/history-view.js'
import { loadEcdsa } from '../../src/wallet/signer.js'
import { sized } from '../size.js'
import { countedOf } from './plain-view.js'
import { FOREIGN, OURS, signed, SOMEWHERE, transaction, unsigned } from './shown.js'

const { verify } = loadEcdsa()
const { a, b, c } = OURS
const SCRIPTS = [a, b, c, FOREIGN]

const outputOf = ({ transaction: { txid } }: ChainTransaction, vout = 0): OutPoint => ({
  txid,
  vout
})

/** Coins, their spends and those of spends, rivals, and what anybody can make up about them. */
function everything(): readonly ChainTransaction[] {
  const [coin, other, third] = [1_000, 2_000, 3_000].map((value, vout) =>
    transaction(
      [{ ...SOMEWHERE, vout }],
      [
        [value === 3_000 ? b : a, value],
        [c, 10]
      ]
    )
  )
  assert.ok(coin && other && third)
  const spend = signed(coin, [[b, 900]])
  const rival = signed(coin, [[a, 800]])
  const onward = signed(spend, [[c, 700]])
  const further = signed(onward, [[FOREIGN, 600]])
  const beside = signed(other, [[b, 1_500]], SOMEWHERE)
  const payments = [0, 1, 2].map((n) =>
    transaction([SOMEWHERE, { ...SOMEWHERE, vout: 9 }], [[c, 50 + n]])
  )
  const [payment] = payments
  assert.ok(payment)
  const reward = { txid: txid('00'.repeat(32)), vout: 0xffffffff }
  return [
    ...[coin, other, third, spend, rival, onward, further, beside, ...payments],
    ...[spend, rival, onward, beside].map(unsigned),
    signed(payment, [[a, 40]]),
    transaction([outputOf(coin)], [[c, 5]]),
    transaction([outputOf(coin), outputOf(third)], [[a, 6]]),
    transaction([outputOf(coin, 7)], [[a, 7]]),
    transaction([outputOf(payment), outputOf(payment)], [[FOREIGN, 8]]),
    transaction([outputOf(further)], [[a, 9]]),
    transaction([reward], [[a, 11]]),
    transaction([reward], [[b, 12]])
  ]
}

describe('wallet / the view of all histories', function () {
  this.slow(4000)

  const ALL = everything()
  const ids = [...new Set(ALL.map(({ transaction }) => transaction.txid))]
  const outPoints = [
    ...new Map(
      [
        ...ALL.flatMap(({ transaction: { inputs } }) => inputs.map(({ outPoint }) => outPoint)),
        ...ids.flatMap((id) => [0, 1].map((vout) => ({ txid: id, vout })))
      ].map((outPoint) => [outPointText(outPoint), outPoint])
    ).values()
  ]

  const anyShown = fc
    .tuple(fc.constantFrom(...ALL), fc.option(fc.integer({ min: 10, max: 12 }), { nil: undefined }))
    .map(([{ transaction }, height]): ChainTransaction => ({
      transaction,
      height: height === undefined ? undefined : blockHeight(height)
    }))
  const anyStep = fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({
        script: fc.constantFrom(...SCRIPTS),
        /** So many of the history before stay at its beginning. */
        keeps: fc.nat({ max: 8 }),
        shows: fc.array(anyShown, { maxLength: 8 })
      })
    },
    {
      weight: 3,
      // A block comes, or is taken back.
      arbitrary: fc.record({
        script: fc.constantFrom(...SCRIPTS),
        at: fc.nat({ max: 8 }),
        height: fc.constantFrom(undefined, blockHeight(10))
      })
    },
    { weight: 2, arbitrary: fc.record({ forgets: fc.constantFrom(...SCRIPTS) }) },
    { weight: 1, arbitrary: fc.record({ abandons: fc.constantFrom(...ids) }) }
  )

  it('comes to the same as all histories merged anew, whatever they show in any order', () => {
    fc.assert(
      fc.property(fc.array(anyStep, { minLength: 1, maxLength: 25 }), (steps) => {
        const view = new HistoryView(verify)
        const histories = new Map<string, readonly ChainTransaction[]>()
        const abandoned = new Set<Txid>()
        for (const step of steps) {
          if ('abandons' in step) {
            abandoned.add(step.abandons)
            view.abandon(step.abandons)
          } else if ('forgets' in step) {
            histories.delete(toHex(step.forgets))
            view.delete(step.forgets)
          } else {
            const name = toHex(step.script)
            const before = histories.get(name) ?? []
            const history =
              'at' in step
                ? before.map((shown, n) =>
                    n === step.at ? { ...shown, height: step.height } : shown
                  )
                : [...before.slice(0, step.keeps), ...step.shows]
            histories.delete(name)
            histories.set(name, history)
            view.set(step.script, history)
          }
          const { transactions, spenders } = countedOf(histories, abandoned, verify)
          for (const id of ids) assert.deepEqual(view.transaction(id), transactions.get(id))
          for (const outPoint of outPoints) {
            assert.deepEqual(view.spender(outPoint), spenders.get(outPointText(outPoint)))
          }
          assert.deepEqual([...view.transactions()], [...transactions.values()])
        }
      }),
      { numRuns: sized({ small: 200, all: 5_000 }) }
    )
  })

  it('reads what a transaction spends only when it is new, or asked about: one server can make up thousands', () => {
    let read = 0
    const payments = (count: number, from: number): ChainTransaction[] =>
      Array.from({ length: count }, (_, n) => {
        const payment = transaction([{ ...SOMEWHERE, vout: from + n }], [[a, 5]])
        const { inputs } = payment.transaction
        Object.defineProperty(payment.transaction, 'inputs', {
          get: () => {
            read++
            return inputs
          }
        })
        return payment
      })
    const view = new HistoryView(verify)
    const coin = transaction([{ ...SOMEWHERE, vout: 1_000 }], [[b, 1_000]], 10)
    view.set(b, [coin])
    let waiting = payments(300, 0)
    view.set(a, waiting)
    const look = (): number => {
      read = 0
      assert.equal(view.spender(outputOf(coin)), undefined)
      assert.equal(view.transaction(txid('ab'.repeat(32))), undefined)
      return read
    }
    look()
    view.set(c, [])
    assert.equal(look(), 0, 'another history')
    read = 0
    waiting = [...payments(1, 300), ...waiting]
    view.set(a, waiting)
    assert.equal(read, 1, 'one more in this one')
    assert.equal(look(), 0)
    assert.equal([...view.transactions()].length, 302)
  })

  it('follows a chain of any length that somebody has made up', () => {
    const view = new HistoryView(verify)
    const chain = [transaction([SOMEWHERE], [[FOREIGN, 5]])]
    for (let n = 1; n < 20_000; n++) {
      chain.push(transaction([outputOf(chain.at(-1) ?? assert.fail())], [[FOREIGN, 5]]))
    }
    view.set(a, chain.toReversed())
    assert.equal([...view.transactions()].length, 20_000)
    view.set(b, [transaction([SOMEWHERE], [[b, 5]], 10)])
    assert.equal([...view.transactions()].length, 1, 'all of it spends what a block has spent')
  })
})
