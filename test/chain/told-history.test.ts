/**
 * What one server may tell of a script, line by line: room, order, echoes, and what it has told
 * before.
 */
import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import { concat } from 'uint8arrays'
import { HeaderChain } from '../../src/chain/headers.js'
import { type HistorySource, VerifiedHistory } from '../../src/chain/history.js'
import { chainParams } from '../../src/chain/params.js'
import { SharedFetches, UnprovedBudget } from '../../src/chain/shared-costs.js'
import type { OutPoint, Txid } from '../../src/types/bytes.js'
import type { ErrorCode } from '../../src/types/error-codes.js'
import { codeOf, PaychanError } from '../../src/types/errors.js'
import { type BlockHeight, blockHeight } from '../../src/types/units.js'
import { itInAll } from '../size.js'
import { FakeChain, idOf } from './fake-chain.js'
import { type History, numberedPayment as payment, testScript } from './helpers.js'
import { entries } from './watch-world.js'

const SCRIPT = testScript(1)

describe('chain / history / of a server that tells what a test says', () => {
  /** A transaction, and the height that the server names. */
  type Listed = readonly [Transaction, height?: number]

  const ALL_ROOM = 20_000_000
  /** For one small transaction, and not for two. */
  const LITTLE_ROOM = 2_000

  let fake: FakeChain
  let headers: HeaderChain
  let budget: UnprovedBudget
  let history: VerifiedHistory
  /** What the server has been asked for. */
  let asked: Txid[]
  /** What it loses: transactions, and proofs. */
  let lost: Set<unknown>

  beforeEach(() => {
    fake = new FakeChain()
    headers = new HeaderChain(chainParams('regtest'))
    budget = new UnprovedBudget()
    history = new VerifiedHistory(SCRIPT, budget)
    asked = []
    lost = new Set()
  })

  /** In the next block. */
  function mine(...transactions: readonly Transaction[]): void {
    fake.mempool.push(...transactions)
    fake.mine()
    follow()
  }

  function follow(): void {
    headers.connect(fake.height, fake.header(fake.height))
  }

  /** Two blocks in the place of the last one, without what was in it. */
  function reorganise(): void {
    const { height } = fake
    fake.unmine(1)
    fake.mempool.splice(0)
    fake.mine(2)
    headers.connect(height, concat([fake.header(height), fake.header(height + 1)]))
  }

  /** Spends an output of each, and pays to somebody else. */
  function spend(of: readonly Transaction[], vout = 0, value = 1n): Transaction {
    const tx = new Transaction()
    for (const each of of) tx.addInput(each.getHash(), vout)
    tx.addOutput(testScript(9), value)
    return tx
  }

  interface More extends Partial<HistorySource> {
    readonly catchUp?: () => Promise<void>
    readonly outPoint?: () => OutPoint | undefined
    readonly kept?: () => Uint8Array
  }

  async function loaded(listed: readonly Listed[], more: More = {}): Promise<History> {
    const told = new Map(listed.map(([tx]) => [idOf(tx), tx]))
    const { catchUp = async () => {}, outPoint, kept, ...calls } = more
    const source: HistorySource = {
      history: async () => entriesOf(listed),
      transaction: async (id) => {
        asked.push(id)
        const tx = told.get(id)
        if (tx === undefined || lost.has(tx)) throw new Error('lost')
        return tx.toBuffer()
      },
      merkleProof: async (id, height) => {
        if (lost.has('proofs')) throw new Error('lost')
        return fake.proof(id, height) ?? assert.fail()
      },
      headers: async () => assert.fail('no header is asked for'),
      ...calls
    }
    const shared = new SharedFetches()
    return await history.load({ source, headers, shared, catchUp, outPoint, kept })
  }

  const entriesOf = (
    listed: readonly Listed[]
  ): Array<{ txid: Txid; height: BlockHeight | undefined }> =>
    listed.map(([tx, height]) => ({
      txid: idOf(tx),
      height: height === undefined ? undefined : blockHeight(height)
    }))
  const load = async (
    listed: readonly Listed[],
    more?: More
  ): Promise<Array<[Txid, number | undefined]>> => entries(await loaded(listed, more))
  const shown = (...listed: readonly Listed[]): Array<[Txid, number | undefined]> =>
    listed.map(([tx, height]) => [idOf(tx), height])
  const isLie = (error: unknown): boolean => codeOf(error) === 'ERR_CHAIN_LIED'

  it('asks for its tip again only where it names a block above ours', async () => {
    const paid = payment(1)
    fake.mempool.push(paid)
    fake.mine()
    let times = 0
    const catchUp = async (): Promise<void> => {
      times++
      follow()
    }
    for (let n = 0; n < 2; n++) {
      assert.deepEqual(await load([[paid, 1]], { catchUp }), shown([paid, 1]))
    }
    assert.equal(times, 1)
  })

  it('takes the confirmation of what it has in a block and for a moment in its mempool as well', async () => {
    const paid = payment(1)
    mine(paid)
    assert.deepEqual(await load([[paid, 1], [paid]]), shown([paid, 1]))
  })

  it('may show any number of payments and spends that blocks have, though no room is left', async () => {
    const paid = payment(1)
    mine(paid)
    const spent = spend([paid])
    mine(spent)
    assert.equal(budget.take(ALL_ROOM), true)
    assert.deepEqual(
      await load([
        [paid, 1],
        [spent, 2]
      ]),
      shown([paid, 1], [spent, 2])
    )
    assert.equal(history.isCut, false)
  })

  it('gets back the room of what is proved, even if the rest is lost', async () => {
    const [paid, other] = [payment(1), payment(2)]
    mine(paid)
    assert.equal(budget.take(ALL_ROOM - LITTLE_ROOM), true)
    lost.add(other)
    await assert.rejects(load([[paid, 1], [other]]), /lost/)
    assert.equal(budget.take(LITTLE_ROOM), true)
  })

  it('may mix up the order within a block: a spend takes room until what it spends is shown, and gives it back', async () => {
    const paid = payment(1)
    const spent = spend([paid])
    mine(paid, spent)
    assert.equal(budget.take(ALL_ROOM - LITTLE_ROOM), true)
    assert.deepEqual(
      await load([
        [spent, 1],
        [paid, 1]
      ]),
      shown([spent, 1], [paid, 1])
    )
    assert.equal(budget.take(LITTLE_ROOM), true)
  })

  it('is not helped to it by what it has shown without room: that is asked for again', async () => {
    const paid = payment(1)
    const spent = spend([paid])
    mine(paid, spent)
    assert.equal(budget.take(ALL_ROOM), true)
    const mixed: readonly Listed[] = [
      [spent, 1],
      [paid, 1]
    ]
    for (let n = 0; n < 2; n++) {
      await assert.rejects(load(mixed), { code: 'ERR_HISTORY_TOO_LARGE' })
    }
    assert.deepEqual(asked, [idOf(spent), idOf(paid), idOf(spent), idOf(paid)])
    asked = []
    lost.add('proofs')
    await assert.rejects(load([[paid, 1]]), /lost/)
    lost.clear()
    assert.deepEqual(await load([[paid, 1]]), shown([paid, 1]))
    assert.deepEqual(asked, [idOf(paid), idOf(paid)], 'nor what it has given without a proof')
  })

  itInAll(
    'shows a block of what cannot be told yet, and no byte more: own transactions do not count',
    async () => {
      for (const more of [0, 1]) {
        const paid = payment(1)
        const large = spend([paid])
        const others = Array.from({ length: 15 }, (_, n) => payment(2 + n))
        large.addOutput(new Uint8Array(3_900_000), 0n)
        const room = 4_000_000 + more - large.byteLength()
        large.outs[1] = { script: new Uint8Array(3_900_000 + room), value: 0n }
        assert.equal(large.byteLength(), 4_000_000 + more)
        mine(paid, large, ...others)
        history = new VerifiedHistory(SCRIPT, budget)
        const told = [...others.slice(5), large, ...others.slice(0, 5), paid].map((tx): Listed => [
          tx,
          fake.height
        ])
        if (more === 0) {
          assert.deepEqual(await load(told), shown(...told))
        } else {
          await assert.rejects(load(told), { code: 'ERR_CHAIN_LIED', facts: { txid: idOf(large) } })
        }
      }
    }
  )

  it('may leave out what a transaction spends, which is then left out as well; but only where there was no room', async () => {
    const paid = payment(1)
    const spent = spend([paid])
    await assert.rejects(load([[spent]]), isLie)
    assert.equal(budget.take(ALL_ROOM - LITTLE_ROOM), true)
    assert.deepEqual(await load([[spent], [paid]]), [])
    assert.equal(history.isCut, true)
    mine(spent)
    await assert.rejects(load([[spent, 1], [payment(2)]]), isLie, 'it has proved that one')
  })

  it('what has left its block comes before what is new', async () => {
    const paid = payment(1)
    mine(paid)
    assert.deepEqual(await load([[paid, 1]]), shown([paid, 1]))
    reorganise()
    assert.equal(budget.take(ALL_ROOM - LITTLE_ROOM), true)
    const others = Array.from({ length: 20 }, (_, n): Listed => [payment(2 + n)])
    assert.deepEqual(await load([...others, [paid]]), shown([paid]))
  })

  it('may not show what spends another output of a payment', async () => {
    const paid = payment(1)
    paid.addOutput(testScript(2), 5n)
    await assert.rejects(load([[paid], [spend([paid], 1)]]), isLie)
  })

  it('may show a spend that waits before the one that a block has: it is a rival of that one', async () => {
    const paid = payment(1)
    mine(paid)
    const [spent, rival] = [spend([paid]), spend([paid], 0, 2n)]
    mine(spent)
    assert.deepEqual(await load([[paid, 1], [rival], [spent, 2]]), shown([paid, 1], [spent, 2]))
  })

  it('shows the same transaction every time: bytes that are kept elsewhere are exchanged once', async () => {
    const paid = payment(1)
    const bytes = Uint8Array.from(paid.toBuffer())
    const [first] = await loaded([[paid]], { kept: () => bytes })
    const [second] = await loaded([[paid]], { kept: () => bytes })
    assert.equal(first?.transaction.raw, bytes)
    assert.equal(second?.transaction, first.transaction)
  })

  describe('when the history is too long for it', () => {
    const refusal = (code: ErrorCode, reason: string): PaychanError =>
      new PaychanError(code, 'Refused.', { reason })
    const tooLong = refusal('ERR_ELECTRUM_REFUSED', 'history too large')
    const outPoint = (): OutPoint => ({ txid: idOf(payment(1)), vout: 0 })

    it('tells that of an output, where it is asked for one and knows how; else it has refused', async () => {
      const outPointHistory = async (): Promise<never> => assert.fail('it is not asked')
      for (const [error, more] of [
        [tooLong, { outPointHistory }],
        [tooLong, { outPoint }],
        [
          refusal('ERR_ELECTRUM_REFUSED', 'excessive resource usage'),
          { outPoint, outPointHistory }
        ],
        [refusal('ERR_CHAIN_UNAVAILABLE', 'history too large'), { outPoint, outPointHistory }],
        [new Error('history too large'), { outPoint, outPointHistory }]
      ] as const) {
        const refused = load([], { ...more, history: async () => await Promise.reject(error) })
        assert.equal(await refused.catch((cause: unknown) => cause), error)
      }
    })

    it('tells it beside what it has proved before, by height', async () => {
      const [paid, late, waiting] = [payment(1), payment(2), payment(3)]
      mine(paid)
      mine(late)
      await load([[late, 2]])
      assert.equal(history.isPart, false)
      const told = async (): Promise<ReturnType<typeof entriesOf>> =>
        entriesOf([[paid, 1], [waiting]])
      assert.deepEqual(
        await load([[paid, 1], [waiting]], {
          outPoint,
          outPointHistory: told,
          history: async () => await Promise.reject(tooLong)
        }),
        shown([paid, 1], [late, 2], [waiting])
      )
      assert.equal(history.isPart, true)
    })
  })
})
