/** What a server may have us keep that no block vouches for: bytes and number, over all scripts. */
import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import { HeaderChain } from '../../src/chain/headers.js'
import { VerifiedHistory } from '../../src/chain/history.js'
import { chainParams } from '../../src/chain/params.js'
import {
  MOST_LACKED,
  SharedFetches,
  UnprovedBudget,
  UnprovedShare
} from '../../src/chain/shared-costs.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { txid, type Txid } from '../../src/types/bytes.js'
import { PaychanError } from '../../src/types/errors.js'
import { FakeChain, idOf } from './fake-chain.js'
import { testScript } from './helpers.js'

const headers = new HeaderChain(chainParams('regtest'))

/** Payments to a script that differ in what they spend. */
function payments(to: Uint8Array, count: number, size = 0, from = 0): Map<Txid, Uint8Array> {
  const made = new Map<Txid, Uint8Array>()
  for (let n = from; n < from + count; n++) {
    const tx = new Transaction()
    tx.addInput(new Uint8Array(32).fill(7), n)
    tx.addOutput(to, 330n)
    if (size > 0) tx.addOutput(new Uint8Array(size), 0n)
    made.set(txid(tx.getId()), tx.toBuffer())
  }
  return made
}

describe('chain / what a server shows and then does not have (COST-10)', () => {
  const script = testScript(1)
  let now: number
  let asked: number
  let history: VerifiedHistory

  beforeEach(() => {
    ;[now, asked] = [0, 0]
    history = new VerifiedHistory(script, new UnprovedBudget(undefined, { now: () => now }))
  })

  /** The ids that are told; `there`: what the server has of what it lists. */
  async function load(
    listed: readonly Txid[],
    there: ReadonlyMap<Txid, Uint8Array>
  ): Promise<Txid[]> {
    const told = await history.load({
      source: {
        history: async () => listed.map((id) => ({ txid: id, height: undefined })),
        transaction: async (id) => {
          asked++
          const reason = 'No such mempool or blockchain transaction'
          const missing = new PaychanError('ERR_ELECTRUM_REFUSED', reason, { reason })
          const raw = there.get(id)
          if (raw === undefined) throw missing
          return raw
        },
        merkleProof: async () => assert.fail('nothing is in a block'),
        headers: async () => assert.fail('no header is asked for')
      },
      headers,
      catchUp: async () => {},
      shared: new SharedFetches()
    })
    return told.map(({ transaction }) => transaction.txid)
  }

  it('is as if it were not shown: a payment that is replaced when it is notified stops no watch', async () => {
    const [[kept] = assert.fail(), [replaced] = assert.fail()] = [...payments(script, 2)]
    const there = new Map([...payments(script, 1)])
    assert.deepEqual(await load([kept, replaced], there), [kept])
  })

  it('counts while it is asked for: however many are shown at once, eight are under way (COST-10)', async () => {
    const ids = [...payments(script, 40).keys()]
    assert.deepEqual(await load(ids, new Map()), [])
    assert.equal(asked, MOST_LACKED)
  })

  it('holds up nothing that is there: those wait for a place, and all are told (COST-10)', async () => {
    const there = payments(script, 40)
    assert.equal((await load([...there.keys()], there)).length, 40)
  })

  it('is asked for eight times in 35 minutes over all scripts, whatever is shown; then again', async () => {
    for (const id of payments(script, 100).keys()) assert.deepEqual(await load([id], new Map()), [])
    assert.equal(asked, MOST_LACKED)
    const [first = assert.fail()] = payments(script, 1)
    assert.deepEqual(await load([first[0]], new Map([first])), [], 'left out for a while')
    now += 2_100_000
    assert.deepEqual(await load([first[0]], new Map([first])), [first[0]])
  })
})

describe('chain / what no block vouches for (COST-7)', () => {
  let told: PaychanError[]
  let budget: UnprovedBudget
  let scripts: Uint8Array[]
  let histories: VerifiedHistory[]
  /** Called when the server is asked for a transaction. */
  let onAsked: () => void

  beforeEach(() => {
    told = []
    onAsked = () => {}
    budget = new UnprovedBudget((error) => {
      told.push(error)
    })
    scripts = [1, 2, 3].map((n) => testScript(n))
    histories = scripts.map((script) => new VerifiedHistory(script, budget))
  })

  /** How many of these are in the history, when the server lists them. */
  async function load(n: number, shown: ReadonlyMap<Txid, Uint8Array>): Promise<number> {
    const history = await (histories[n] ?? assert.fail()).load({
      source: {
        history: async () => [...shown.keys()].map((id) => ({ txid: id, height: undefined })),
        transaction: async (id) => {
          onAsked()
          return shown.get(id) ?? assert.fail()
        },
        merkleProof: async () => assert.fail('nothing is in a block'),
        headers: async () => assert.fail('no header is asked for')
      },
      headers,
      catchUp: async () => {},
      shared: new SharedFetches()
    })
    return history.length
  }

  const to = (n: number, count: number, size?: number, from?: number): Map<Txid, Uint8Array> =>
    payments(scripts[n] ?? assert.fail(), count, size, from)

  it('is bounded over all scripts of a server: half of it for one, and a person is told once', async () => {
    assert.equal(await load(0, to(0, 12, 900_000)), 11)
    assert.equal(await load(1, to(1, 12, 900_000)), 11)
    assert.equal(await load(2, to(2, 12, 900_000)), 0)
    assert.deepEqual(
      told.map(({ code }) => code),
      ['ERR_HISTORY_TOO_LARGE']
    )
  })

  it('is bounded in number as well: a small transaction takes more memory than its bytes', async () => {
    const kept = await load(0, to(0, 9_000))
    assert.ok(kept > 7_000 && kept < 8_000, String(kept))
    assert.equal(told.length, 1)
  })

  it('has room for thousands of payments that wait, on many scripts', async () => {
    assert.equal(await load(0, to(0, 5_000)), 5_000)
    assert.equal(await load(1, to(1, 5_000)), 5_000)
    assert.equal(await load(2, to(2, 4_000)), 4_000)
    assert.deepEqual(told, [])
  })

  it('makes room when a server lists something no more, and when a script is watched no more', async () => {
    const first = to(0, 11, 900_000)
    await load(0, first)
    await load(1, to(1, 11, 900_000))
    const third = to(2, 2, 900_000)
    assert.equal(await load(2, third), 0)
    await load(0, new Map([...first].slice(2)))
    assert.equal(await load(2, third), 2)
    const fourth = to(2, 11, 900_000)
    assert.ok((await load(2, fourth)) < 11)
    histories[1]?.end()
    assert.equal(await load(2, fourth), 11)
    assert.equal(told.length, 1, 'told once, whatever happens later')
  })

  it('keeps what is known before what is new', async () => {
    const known = to(0, 11, 900_000)
    await load(0, known)
    const more = new Map([...to(0, 11, 900_000, 11), ...known])
    assert.equal(await load(0, more), 11)
    assert.equal(await load(0, known), 11)
  })

  it('is not asked for while there is no room', async () => {
    await load(0, to(0, 12, 900_000))
    await load(1, to(1, 12, 900_000))
    assert.equal(await load(2, to(2, 1, 900_000)), 0)
    const unasked = new Map([...to(2, 100).keys()].map((id) => [id, new Uint8Array(0)]))
    assert.equal(await load(2, unasked), 0, 'what is asked for would be no transaction')
  })

  it('takes nothing for a script that is watched no more, though its load was under way', async () => {
    onAsked = () => histories[0]?.end()
    assert.equal(await load(0, to(0, 3, 900_000)), 0)
    onAsked = () => {}
    assert.deepEqual(told, [])
    assert.equal(await load(1, to(1, 11, 900_000)), 11)
    assert.equal(await load(2, to(2, 11, 900_000)), 11)
  })

  it('has no room for what blocks have of others: not for more than a block of it, and not for any when it is full', async () => {
    const blocks = new FakeChain()
    const chain = new HeaderChain(chainParams('regtest'))
    const made = Array.from({ length: 5 }, () => {
      const tx = blocks.pay(testScript(9))
      tx.addOutput(new Uint8Array(900_000), 0n)
      blocks.mine()
      chain.connect(blocks.height, blocks.header(blocks.height))
      return tx
    })
    const raws = new Map(made.map((tx) => [idOf(tx), tx.toBuffer()]))
    const foreign = async (n: number, count: number): Promise<unknown> =>
      await (histories[n] ?? assert.fail()).load({
        source: {
          // The server never gives the last one, so that the history is never whole.
          history: async () => [
            ...[...raws.keys()].slice(0, count).map((id, i) => ({ txid: id, height: i + 1 })),
            { txid: txid('ab'.repeat(32)), height: undefined }
          ],
          transaction: async (id) => raws.get(id) ?? (await Promise.reject(new Error('lost'))),
          merkleProof: async (id, height) => blocks.proof(id, height) ?? assert.fail(),
          headers: async () => assert.fail('no header is asked for')
        },
        headers: chain,
        catchUp: async () => {},
        shared: new SharedFetches()
      })
    await assert.rejects(foreign(0, 4), /lost/)
    await assert.rejects(foreign(1, 5), { code: 'ERR_CHAIN_LIED' })
    // Of 20 MB the first script has 3.6, and the second one of what came before the lie.
    assert.equal(budget.take(20_000_000 - 10 * 901_400), true)
    await assert.rejects(foreign(2, 4), { code: 'ERR_HISTORY_TOO_LARGE' })
  })

  it('counts the inputs, whose names are kept: many of them take more than their bytes', () => {
    const tx = new Transaction()
    for (let n = 0; n < 20_000; n++) tx.addInput(new Uint8Array(32).fill(7), n)
    tx.addOutput(testScript(1), 330n)
    const parsed = parseTransaction(tx.toBuffer())
    assert.ok(parsed.raw.length < 1_000_000)
    assert.equal(budget.take(20_000_000), true)
    budget.giveBack(4_000_000)
    histories[0]?.end()
    const share = new UnprovedShare(budget)
    assert.equal(share.take(parsed), false)
    budget.giveBack(2_000_000)
    assert.equal(share.take(parsed), true)
  })
})
