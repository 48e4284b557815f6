/** What the scripts of a server fetch in common (COST-4), and what they may ask for in a time. */
import assert from 'node:assert/strict'
import { makeTransaction, type Transaction } from '../../src/bitcoin/transaction.js'
import { HeaderChain } from '../../src/chain/headers.js'
import { type HistorySource, VerifiedHistory } from '../../src/chain/history.js'
import { chainParams } from '../../src/chain/params.js'
import {
  type WatchContext,
  WatchedScript,
  type WatchSession
} from '../../src/chain/script-watch.js'
import { SharedFetches, UnprovedBudget } from '../../src/chain/shared-costs.js'
import { Slots } from '../../src/chain/waiting.js'
import { Allowance } from '../../src/types/allowance.js'
import { txid } from '../../src/types/bytes.js'
import { satoshi } from '../../src/types/units.js'
import { FakeChain, idOf, merkleProof } from './fake-chain.js'
import { FakeClock, recordingWatcher, seededRandom, testScript } from './helpers.js'

const SCRIPTS = Array.from({ length: 64 }, (_, n) => testScript(n))

describe('chain / fetches of all scripts of a server (COST-4)', () => {
  it('ask for a transaction once, and for its proof once, to however many scripts it pays', async () => {
    const fake = new FakeChain()
    const paid = fake.pay(SCRIPTS[0] ?? assert.fail())
    for (const script of SCRIPTS.slice(1)) paid.addOutput(script, 1n)
    fake.mine()
    const headers = new HeaderChain(chainParams('regtest'))
    headers.connect(1, fake.header(1))
    const transactions = fake.blocks[1]?.transactions ?? assert.fail()
    const ids = transactions.map(idOf)
    let isMined = false
    const asked: string[] = []
    const source: HistorySource = {
      history: async () => [{ txid: idOf(paid), height: isMined ? 1 : undefined }],
      transaction: async (id) => {
        asked.push(`transaction ${id}`)
        return (transactions[ids.indexOf(id)] ?? assert.fail()).toBuffer()
      },
      merkleProof: async (id) => {
        asked.push(`proof ${id}`)
        return merkleProof(ids, ids.indexOf(id))
      },
      headers: async () => assert.fail('no header is asked for')
    }
    const [budget, shared] = [new UnprovedBudget(), new SharedFetches()]
    const histories = SCRIPTS.map((script) => new VerifiedHistory(script, budget))
    const load = async (some: readonly VerifiedHistory[]): Promise<void> => {
      for (const loaded of await Promise.all(
        some.map((each) => each.load({ source, headers, shared, catchUp: async () => {} }))
      )) {
        assert.deepEqual(
          loaded.map(({ transaction, height }) => [transaction.txid, height]),
          [[idOf(paid), isMined ? 1 : undefined]]
        )
      }
    }
    // At the same time, and one after the other.
    await load(histories.slice(0, 32))
    for (const each of histories.slice(32)) await load([each])
    assert.deepEqual(asked, [`transaction ${idOf(paid)}`])
    isMined = true
    await load(histories.slice(0, 32))
    for (const each of histories.slice(32)) await load([each])
    assert.deepEqual(asked, [`transaction ${idOf(paid)}`, `proof ${idOf(paid)}`])
  })

  const transaction = (n: number, size: number): Transaction =>
    makeTransaction({
      version: 2,
      inputs: [{ outPoint: { txid: txid('ab'.repeat(32)), vout: n }, sequence: 0 }],
      outputs: [{ script: new Uint8Array(size), value: satoshi(1n) }]
    })

  it('do not keep a failure: whoever asks next asks again', async () => {
    const shared = new SharedFetches()
    const made = transaction(0, 10)
    const lost = async (): Promise<never> => await Promise.reject(new Error('lost'))
    await Promise.all(
      [0, 1].map(async () => {
        await assert.rejects(shared.transaction(made.txid, lost), /lost/)
      })
    )
    assert.equal(await shared.transaction(made.txid, async () => made), made)
    await assert.rejects(shared.proof(made.txid, 'block', lost), /lost/)
    await shared.proof(made.txid, 'block', async () => {})
    await shared.proof(made.txid, 'block', lost)
    await assert.rejects(shared.proof(made.txid, 'another block', lost), /lost/)
  })

  it('keep 1,000,000 bytes and 1,000 names, the newest', async () => {
    for (const [size, count] of [
      [300_000, 5],
      [10, 1_002]
    ] as const) {
      const shared = new SharedFetches()
      const made = Array.from({ length: count }, (_, n) => transaction(n, size))
      for (const each of made) await shared.transaction(each.txid, async () => each)
      const kept: Transaction[] = []
      for (const each of [...made].reverse()) {
        const isKept = await shared
          .transaction(each.txid, async () => await Promise.reject(new Error('not kept')))
          .then(
            () => true,
            () => false
          )
        if (isKept) kept.push(each)
      }
      assert.deepEqual(kept.reverse(), made.slice(2))
    }
  })
})

/* The looks that a server may cause by saying that a history has changed (COST-8). */

describe('chain / the allowance of a server', () => {
  /** A server without a history, which says that it was asked. */
  function sessionOf(onLook: () => void): WatchSession {
    return {
      isOpen: true,
      subscribeScript: async () => null,
      history: async () => {
        onLook()
        return []
      }
    } as unknown as WatchSession
  }

  /** The server says so many times that the history has changed, and is looked at each time. */
  async function changed(script: WatchedScript, times: number): Promise<void> {
    for (let n = 0; n < times; n++) {
      script.statusChanged()
      await turn()
    }
  }

  /** A script whose server answers at once, and how often its history was looked at. */
  async function watched(): Promise<{
    clock: FakeClock
    script: WatchedScript
    looks: () => number
  }> {
    const clock = new FakeClock()
    let looks = 0
    const session = sessionOf(() => {
      looks++
    })
    const context: WatchContext = {
      headers: { tip: { hash: 'a' }, height: 3 } as unknown as HeaderChain,
      clock,
      random: seededRandom(),
      retry: { firstMs: 2, mostMs: 20 },
      log: () => {},
      slots: new Slots(4),
      allowance: new Allowance({ burst: 2, perSecond: 1 }, clock.now()),
      shared: new SharedFetches(),
      unproved: new UnprovedBudget(() => {}),
      catchUp: async () => {},
      onUnused: () => {}
    }
    const script = new WatchedScript(testScript(1), context)
    script.attach(session)
    await script.add(recordingWatcher()).ready
    await turn()
    return { clock, script, looks: () => looks }
  }

  const turn = async (): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve))
  }

  it('above it a look waits, as one however often the server says so', async () => {
    const { clock, script, looks } = await watched()
    await changed(script, 5)
    assert.equal(looks(), 3, 'the first one, and two')
    clock.advance(1_000)
    await turn()
    assert.equal(looks(), 4)
    clock.advance(10_000)
    await turn()
    assert.equal(looks(), 4)
  })

  it('a block does not wait for it: what the server has said may be of the block', async () => {
    const { script, looks } = await watched()
    await changed(script, 3)
    assert.deepEqual([looks(), script.isKnown, script.isCurrent], [3, false, true])
    await script.settled()
    assert.deepEqual([looks(), script.isKnown], [4, true])
    await script.settled()
    assert.equal(looks(), 4)
  })

  it('what has not begun to look takes nothing of it', async () => {
    const { script, looks } = await watched()
    for (let n = 0; n < 100; n++) script.statusChanged()
    await turn()
    script.statusChanged()
    await turn()
    assert.equal(looks(), 3)
  })

  it('a new session does not wait for it', async () => {
    const { script, looks } = await watched()
    await changed(script, 5)
    script.detach()
    script.attach(sessionOf(() => {}))
    await turn()
    assert.equal(script.isKnown, true)
    assert.equal(looks(), 3)
  })
})
