import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import fc from 'fast-check'
import {
  type BlockLookup,
  hiddenBy,
  isSameHistory,
  mergeHistories,
  type ServerView
} from '../../src/chain/pooled-script.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { lowerMedian, nextBlockOf } from '../../src/chain/waiting.js'
import type { ProvedTransaction } from '../../src/chain/history.js'
import { blockHeight } from '../../src/types/units.js'

/** A transaction that spends a coin, one of each number. */
function made(coin: number, version = 1): Transaction {
  const tx = new Transaction()
  tx.version = version
  tx.addInput(new Uint8Array(32).fill(coin), 0)
  tx.addOutput(new Uint8Array(22), 1n)
  return tx
}

const at = (tx: Transaction, height?: number, branch = 'best'): ProvedTransaction => ({
  transaction: parseTransaction(tx.toBuffer()),
  height: height === undefined ? undefined : blockHeight(height),
  ...(height === undefined ? {} : { block: `${branch} ${height}` })
})
const view = (history: ProvedTransaction[], { isUsed = true } = {}): ServerView => ({
  history,
  isUsed
})
const best: BlockLookup = (height) => `best ${height}`
const shown = (views: ServerView[]): Array<[string, number | undefined]> =>
  mergeHistories(views, best).map(({ transaction: { txid }, height }) => [txid, height])

describe('histories of several servers', () => {
  const [a, b, rival] = [made(1), made(2), made(1, 2)]

  it('what one of them has proved is there, whatever the others say', () => {
    for (const others of [[], [at(a)], [at(b, 7)]]) {
      assert.ok(
        shown([view(others), view([at(a, 5)])]).some(
          ([id, height]) => id === a.getId() && height === 5
        )
      )
    }
  })

  it('what is proved on a branch that has lost waits again', () => {
    assert.deepEqual(shown([view([at(a, 5, 'other')]), view([])]), [[a.getId(), undefined]])
    assert.deepEqual(shown([view([at(a, 5, 'other')])]), [[a.getId(), undefined]])
  })

  it('of what waits the bytes count that were shown as waiting: a proof says nothing of witnesses', () => {
    const [forged, real] = [at(a, 5, 'other'), at(a)]
    for (const views of [
      [view([forged]), view([real])],
      [view([real]), view([forged])]
    ]) {
      assert.equal(mergeHistories(views, best)[0]?.transaction, real.transaction)
    }
  })

  it('of one transaction with two witnesses both are there, whoever answers last: nothing proves either', () => {
    const [one, other] = [made(3), made(3)]
    one.setWitness(0, [Uint8Array.of(1)])
    other.setWitness(0, [Uint8Array.of(2)])
    for (const height of [5, undefined]) {
      const views = [view([at(one, height)]), view([at(other, height)]), view([at(one, height)])]
      assert.deepEqual(
        mergeHistories(views, best).map(({ transaction, shownBy }) => [
          transaction.inputs[0]?.witness[0]?.[0],
          shownBy
        ]),
        height === undefined
          ? [
              [1, 2],
              [2, 1]
            ]
          : [
              [1, undefined],
              [2, undefined]
            ]
      )
      const [first] = views
      assert.ok(first)
      assert.ok(!isSameHistory(first.history, [at(other, height)]))
      assert.ok(isSameHistory(first.history, [at(one, height)]))
    }
  })

  it('what a block has made impossible is gone, with what spends it', () => {
    const child = new Transaction()
    child.addInput(rival.getHash(), 0)
    child.addOutput(new Uint8Array(22), 1n)
    assert.deepEqual(shown([view([at(rival), at(child)]), view([at(a, 5)])]), [[a.getId(), 5]])
  })

  it('what spends a transaction that a block has taken waits on: it is a child, and no rival', () => {
    const child = new Transaction()
    child.addInput(a.getHash(), 0)
    child.addOutput(new Uint8Array(22), 1n)
    const grandchild = new Transaction()
    grandchild.addInput(child.getHash(), 0)
    grandchild.addOutput(new Uint8Array(22), 1n)
    // One server has not seen the block yet.
    assert.deepEqual(shown([view([at(a), at(child), at(grandchild)]), view([at(a, 5)])]), [
      [a.getId(), 5],
      [child.getId(), undefined],
      [grandchild.getId(), undefined]
    ])
  })

  it('what is in blocks comes by height, the lowest first, whoever shows it first', () => {
    const [first, second, third] = [made(3), made(4), made(5)]
    const views = [view([at(third, 9)]), view([at(first, 2), at(second, 7)])]
    for (const each of [views, [...views].reverse()]) {
      assert.deepEqual(shown(each), [
        [first.getId(), 2],
        [second.getId(), 7],
        [third.getId(), 9]
      ])
    }
  })

  it('rivals that wait are both shown: whoever looks has to think of either', () => {
    assert.deepEqual(
      shown([view([at(a)]), view([at(rival)])])
        .map(([id]) => id)
        .sort(),
      [a.getId(), rival.getId()].sort()
    )
  })

  it('of a server that was dropped only what it has proved counts', () => {
    assert.deepEqual(shown([view([at(a, 5), at(b)], { isUsed: false }), view([])]), [
      [a.getId(), 5]
    ])
  })

  it('who leaves out what is proved is found, who only has not heard of what waits is not', () => {
    const merged = mergeHistories([view([at(a, 5), at(b)]), view([])], best)
    assert.equal(hiddenBy([], best, merged)?.transaction.txid, a.getId())
    assert.equal(
      hiddenBy([], (height) => (height <= 4 ? best(height) : undefined), merged),
      undefined,
      'it has not come as far'
    )
    assert.equal(
      hiddenBy([], (height) => `other ${height}`, merged),
      undefined,
      'it is on another branch'
    )
    assert.equal(hiddenBy([at(a)], best, merged), undefined)
  })

  it('in whatever order they are asked, the same is proved', () => {
    const entry = fc.record({
      coin: fc.integer({ min: 1, max: 5 }),
      version: fc.integer({ min: 1, max: 2 }),
      height: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined })
    })
    fc.assert(
      fc.property(
        fc.array(fc.array(entry, { maxLength: 4 }), { minLength: 1, maxLength: 4 }),
        (servers) => {
          // What is proved is where it is: one height, and one of two rivals.
          const blockOf = (coin: number): number => coin + 10
          const views = servers.map((rows) =>
            view([
              ...new Map(
                rows.map(({ coin, version, height }) => {
                  const tx = made(coin, height === undefined ? version : 1)
                  return [
                    tx.getId(),
                    at(tx, height === undefined ? undefined : blockOf(coin))
                  ] as const
                })
              ).values()
            ])
          )
          const proved = (each: ServerView[]): string[] =>
            shown(each)
              .flatMap(([id, height]) => (height === undefined ? [] : `${id}:${height}`))
              .sort()
          assert.deepEqual(proved(views), proved([...views].reverse()))
          for (const { history } of views) {
            for (const {
              transaction: { txid: id },
              height
            } of history) {
              if (height !== undefined) {
                assert.ok(shown(views).some(([each, where]) => each === id && where === height))
              }
            }
          }
          const ids = shown(views).map(([id]) => id)
          assert.equal(new Set(ids).size, ids.length)
        }
      )
    )
  })
})

describe('what the next block takes, by several servers', () => {
  it('is the higher of the two in the middle, up to four times the lower one: who says too little keeps nobody out of blocks', () => {
    const cases: Array<readonly [bigint[], bigint | undefined]> = [
      [[], undefined],
      [[30n], 30n],
      [[1n, 30n], 4n],
      [[20n, 30n], 30n],
      [[30n, 1_000n], 120n],
      [[1n, 30n, 1_000n], 30n]
    ]
    for (const [told, taken] of cases) assert.equal(nextBlockOf(told), taken, told.join())
  })
})

describe('the lower median', () => {
  it('is the middle one, of two the lower', () => {
    assert.deepEqual(
      [
        lowerMedian([3n]),
        lowerMedian([9n, 2n]),
        lowerMedian([5n, 1n, 9n]),
        lowerMedian([4n, 3n, 2n, 1n]),
        lowerMedian([])
      ],
      [3n, 2n, 5n, 2n, undefined]
    )
  })
})
