/** What a history keeps of loads that came to nothing. */
import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import { scriptOf } from '../../src/bitcoin/address.js'
import { hash160 } from '../../src/bitcoin/hashes.js'
import { signSpend, SpendJudge } from '../../src/bitcoin/owner-spend.js'
import {
  makeTransaction,
  parseTransaction,
  type Transaction as ParsedTransaction
} from '../../src/bitcoin/transaction.js'
import type { ElectrumChain } from '../../src/chain/chain.js'
import type { ScriptWatcher } from '../../src/engine/ports.js'
import { HeaderChain } from '../../src/chain/headers.js'
import { type HistorySource, VerifiedHistory } from '../../src/chain/history.js'
import { SharedFetches, UnprovedBudget } from '../../src/chain/shared-costs.js'
import { chainParams } from '../../src/chain/params.js'
import { scriptHashOf } from '../../src/chain/electrum/session.js'
import { txid, type Txid } from '../../src/types/bytes.js'
import { codeOf } from '../../src/types/errors.js'
import { blockHeight, MAX_MONEY, satoshi } from '../../src/types/units.js'
import { loadEcdsa } from '../../src/wallet/signer.js'
import { FakeChain, idOf, merkleProof } from './fake-chain.js'
import { type FakeServer, Refusal } from './fake-server.js'
import {
  type History,
  isSettled,
  Recorder,
  recordingWatcher,
  type RecordingWatcher,
  numberedPayment as payment,
  testScript
} from './helpers.js'
import { entries, watchWorld, type WatchWorld } from './watch-world.js'
import { itInAll } from '../size.js'

const SCRIPT = testScript(1)

describe('chain / history', () => {
  const [a, b, lost] = [payment(1), payment(2), payment(3)].map((tx) => txid(tx.getId()))
  const raws = new Map([payment(1), payment(2)].map((tx) => [tx.getId(), tx.toBuffer()]))
  let asked: Txid[]
  let history: VerifiedHistory

  beforeEach(() => {
    asked = []
    history = new VerifiedHistory(SCRIPT, new UnprovedBudget())
  })

  /** The server lists these, and loses one of them after it has given the others. */
  async function load(...listed: Array<Txid | undefined>): Promise<Txid[]> {
    const source: HistorySource = {
      history: async () => listed.map((id) => ({ txid: id ?? assert.fail(), height: undefined })),
      transaction: async (id) => {
        asked.push(id)
        const raw = raws.get(id)
        if (raw !== undefined) return raw
        await new Promise((resolve) => {
          setImmediate(resolve)
        })
        throw new Error('lost')
      },
      merkleProof: async () => assert.fail('nothing is in a block'),
      headers: async () => assert.fail('no header is asked for')
    }
    return (
      await history.load({
        source,
        headers: new HeaderChain(chainParams('regtest')),
        catchUp: async () => {},
        shared: new SharedFetches()
      })
    ).map((each) => each.transaction.txid)
  }

  it('a server that loses answers gives the whole bit by bit: what it gave is not asked for again', async () => {
    await assert.rejects(load(a, lost), /lost/)
    assert.deepEqual(await load(a, b), [a, b])
    assert.deepEqual(asked, [a, lost, b])
  })

  it('what it lists no more is forgotten: one that lists others with every try does not make us keep them all', async () => {
    await assert.rejects(load(a, lost), /lost/)
    await assert.rejects(load(b, lost), /lost/)
    assert.deepEqual(await load(a, b), [a, b])
    assert.deepEqual(asked, [a, lost, b, lost, a])
  })

  it('nor does it when they were whole once', async () => {
    assert.deepEqual(await load(a, b), [a, b])
    await assert.rejects(load(a, lost), /lost/)
    assert.deepEqual(await load(a, b), [a, b])
    assert.deepEqual(asked, [a, b, lost, b])
  })
})

describe('chain / history / in blocks', () => {
  /** What a server tells of the script, to which all of block 1 pays; a proof is noted. */
  function told(
    fake: FakeChain,
    known?: ScriptWatcher['known']
  ): { load: () => Promise<number>; fetched: string[]; proofs: string[] } {
    const history = new VerifiedHistory(SCRIPT, new UnprovedBudget())
    const [fetched, proofs]: [string[], string[]] = [[], []]
    const transactions = fake.blocks[1]?.transactions ?? assert.fail()
    const ids = transactions.map(idOf)
    const headers = new HeaderChain(chainParams('regtest'))
    headers.connect(1, fake.header(1))
    const source: HistorySource = {
      history: async () => ids.slice(1).map((id) => ({ txid: id, height: blockHeight(1) })),
      transaction: async (id) => {
        fetched.push(id)
        return (transactions[ids.indexOf(id)] ?? assert.fail()).toBuffer()
      },
      merkleProof: async (id) => {
        proofs.push(id)
        return merkleProof(ids, ids.indexOf(id))
      },
      headers: async () => assert.fail('no header is asked for')
    }
    const load = async (): Promise<number> =>
      (
        await history.load({
          source,
          headers,
          catchUp: async () => {},
          shared: new SharedFetches(),
          known
        })
      ).length
    return { load, fetched, proofs }
  }

  it('what the records have is neither fetched nor proved again, as long as it is in the same block', async () => {
    const fake = new FakeChain()
    const paid = fake.pay(SCRIPT)
    fake.mine()
    const id = idOf(paid)
    const block = new HeaderChain(chainParams('regtest'))
    block.connect(1, fake.header(1))
    const raw = paid.toBuffer()
    const cases = [
      { record: { raw, block: block.hashAt(1) }, fetched: [], proofs: [] },
      { record: { raw, block: 'ab'.repeat(32) }, fetched: [], proofs: [id] },
      { record: { raw, block: undefined }, fetched: [], proofs: [id] },
      {
        record: { raw: payment(1).toBuffer(), block: block.hashAt(1) },
        fetched: [id],
        proofs: [id]
      }
    ]
    for (const { record, ...expected } of cases) {
      const { load, fetched, proofs } = told(fake, (asked) => (asked === id ? record : undefined))
      assert.equal(await load(), 1)
      assert.deepEqual({ fetched, proofs }, expected)
    }
  })

  it('a proof is asked for once', async () => {
    const fake = new FakeChain()
    const paid = fake.pay(SCRIPT)
    fake.mine()
    const { load, proofs } = told(fake)
    for (let n = 0; n < 2; n++) assert.equal(await load(), 1)
    assert.deepEqual(proofs, [idOf(paid)])
  })
})

describe('chain / history / of spends that wait (COST-7)', () => {
  const secret = new Uint8Array(32).fill(7)
  const ecdsa = loadEcdsa()
  const own = scriptOf({
    kind: 'witness',
    version: 0,
    program: hash160(ecdsa.publicKeyOf(secret))
  })
  const source = new Transaction()
  source.addInput(new Uint8Array(32).fill(1), 0)
  source.addOutput(own, 10_000n)
  const made = parseTransaction(source.toBuffer())
  /** All of them are signed by the owner. */
  const versions = Array.from({ length: 40 }, (_, n) => {
    const fee = satoshi(BigInt(500 + n))
    return signSpend({
      version: 2,
      lockTime: blockHeight(0),
      coins: [
        {
          outPoint: { txid: made.txid, vout: 0 },
          value: satoshi(10_000n),
          script: own,
          sequence: 1,
          secret
        }
      ],
      outputs: [{ script: own, value: satoshi(10_000n - fee) }],
      fee
    })
  })
  const raws = new Map([made, ...versions].map(({ txid: id, raw }) => [id, raw]))
  let verified = 0
  const judge = new SpendJudge((...given) => {
    verified++
    return ecdsa.verify(...given)
  })

  it('a server shows one of each output, as a mempool has; it is judged once, however often and in whatever company it is shown', async () => {
    const history = new VerifiedHistory(own, new UnprovedBudget())
    const shared = new SharedFetches()
    const load = async (listed: readonly ParsedTransaction[]): Promise<Txid[]> => {
      const loaded = await history.load({
        source: {
          history: async () => listed.map(({ txid: id }) => ({ txid: id, height: undefined })),
          transaction: async (id) => raws.get(id) ?? assert.fail(),
          merkleProof: async () => assert.fail('nothing is in a block'),
          headers: async () => assert.fail('no header is asked for')
        },
        headers: new HeaderChain(chainParams('regtest')),
        judge,
        catchUp: async () => {},
        shared
      })
      return loaded.map(({ transaction }) => transaction.txid)
    }
    const [first = assert.fail(), ...others] = versions
    for (let round = 0; round < 3; round++) {
      assert.deepEqual(await load([made, first, ...others]), [made.txid, first.txid])
    }
    assert.equal(verified, 2, 'it, and one of the others: that one could be a lie')
    const [second = assert.fail()] = others
    assert.deepEqual(await load([second, made]), [second.txid, made.txid])
    assert.equal(verified, 2)
    const [{ outPoint, sequence } = assert.fail()] = first.inputs
    const unsigned = makeTransaction({
      version: 2,
      inputs: [{ outPoint, sequence }],
      outputs: [{ script: own, value: satoshi(9_000n) }]
    })
    raws.set(unsigned.txid, unsigned.raw)
    await assert.rejects(load([made, unsigned]), {
      code: 'ERR_CHAIN_LIED',
      facts: { txid: unsigned.txid },
      message: /a spend that the owner of the coins has not signed/
    })
  })
})

const script = testScript(1)

describe('electrum chain / proof of histories', () => {
  let world: WatchWorld
  let server: FakeServer
  let chain: ElectrumChain

  beforeEach(async () => {
    world = await watchWorld()
    server = world.server
    chain = world.chain
  })

  afterEach(async () => {
    await world.stop()
  })

  describe('a server that lies', () => {
    /** The watch must report the lie, hold back the history, and believe the truth afterwards. */
    async function mustBeRefused(
      method: string,
      lie: (params: unknown[]) => unknown
    ): Promise<void> {
      const transaction = server.chain.pay(script)
      server.chain.pay(testScript(9))
      server.chain.mine()
      server.notifyTip()
      const watcher = recordingWatcher()
      server.on(method, lie)
      const { ready } = chain.watchScript(script, watcher)
      assert.equal(codeOf(await watcher.errors.when(() => true)), 'ERR_CHAIN_LIED')
      await watcher.errors.next()
      assert.deepEqual(watcher.histories.all, [])
      server.restore(method)
      await ready
      assert.deepEqual(watcher.histories.all.map(entries), [[[idOf(transaction), 4]]])
    }

    it('with a false merkle proof', async () => {
      await mustBeRefused('blockchain.transaction.get_merkle', () => ({
        ...merkleProof([txid('aa'.repeat(32)), txid('bb'.repeat(32))], 0),
        block_height: 4
      }))
    })

    it('with a place outside the block', async () => {
      await mustBeRefused('blockchain.transaction.get_merkle', (params) => ({
        ...Object(server.honest('blockchain.transaction.get_merkle', params)),
        pos: 1000
      }))
    })

    it('with a confirmation and no proof', async () => {
      await mustBeRefused('blockchain.transaction.get_merkle', () => {
        throw new Refusal('no such block')
      })
    })

    it('with a confirmation in another block than the real one', async () => {
      await mustBeRefused('blockchain.scripthash.get_history', ([hash]) =>
        server.chain.history(String(hash)).map((entry) => ({ ...entry, height: 3 }))
      )
    })

    it('with a confirmation above its own tip', async () => {
      await mustBeRefused('blockchain.scripthash.get_history', ([hash]) =>
        server.chain.history(String(hash)).map((entry) => ({ ...entry, height: 1000 }))
      )
    })

    it('with another transaction than the one asked for', async () => {
      await mustBeRefused('blockchain.transaction.get', ([id]) => {
        const forged = server.chain.find(txid(String(id)))?.clone() ?? new Transaction()
        forged.locktime = 7
        return forged.toHex()
      })
    })

    it('with bytes that are no transaction', async () => {
      await mustBeRefused('blockchain.transaction.get', () => 'deadbeef')
    })

    it('with a transaction in other bytes than its own, which has the same id', async () => {
      await mustBeRefused('blockchain.transaction.get', ([id]) => {
        const hex = server.chain.find(txid(String(id)))?.toHex() ?? ''
        // The number of inputs, spelled out in three bytes.
        return `${hex.slice(0, 8)}fd${hex.slice(8, 10)}00${hex.slice(10)}`
      })
    })

    it('with a transaction that pays more than there is', async () => {
      const gift = new Transaction()
      gift.addInput(new Uint8Array(32).fill(1), 0)
      gift.addOutput(script, MAX_MONEY + 1n)
      server.on('blockchain.transaction.get', (params) =>
        params[0] === gift.getId()
          ? gift.toHex()
          : server.honest('blockchain.transaction.get', params)
      )
      await mustBeRefused('blockchain.scripthash.get_history', () => [
        { tx_hash: gift.getId(), height: 0 }
      ])
    })

    it('with a transaction that has nothing to do with the script', async () => {
      await mustBeRefused('blockchain.scripthash.get_history', () =>
        server.chain.history(scriptHashOf(testScript(9)))
      )
    })

    it('with a transaction listed twice', async () => {
      await mustBeRefused('blockchain.scripthash.get_history', ([hash]) => [
        ...server.chain.history(String(hash)),
        ...server.chain.history(String(hash))
      ])
    })

    /** The server shows payments to a script that wait, 900,000 bytes each, before all others. */
    function dust(of: Uint8Array, count: number): void {
      const made = new Map<string, string>()
      for (let n = 0; n < count; n++) {
        const large = server.chain.pay(of)
        large.addOutput(new Uint8Array(900_000), BigInt(n))
        made.set(large.getId(), large.toHex())
      }
      server.chain.mempool.splice(0)
      shown.set(scriptHashOf(of), made)
      server.on('blockchain.transaction.get', ([id]) => {
        for (const those of shown.values()) {
          const found = those.get(String(id))
          if (found !== undefined) return found
        }
        return server.honest('blockchain.transaction.get', [id])
      })
      server.on('blockchain.scripthash.get_history', ([hash]) => {
        const honest = server.chain.history(String(hash))
        return [
          ...honest.filter(({ height }) => height > 0),
          ...[...(shown.get(String(hash))?.keys() ?? [])].map((id) => ({ tx_hash: id, height: 0 })),
          ...honest.filter(({ height }) => height === 0)
        ]
      })
    }
    const shown = new Map<string, Map<string, string>>()
    beforeEach(() => {
      shown.clear()
    })

    /** The bytes of a history that no block vouches for. */
    const waitingBytes = (history: History): number =>
      history.reduce(
        (sum, { transaction: { raw }, height }) => sum + (height === undefined ? raw.length : 0),
        0
      )

    it('but not with more that waits than we want to keep: the rest is left out, and the watch goes on (COST-7)', async () => {
      dust(script, 23)
      const first = server.chain.pay(script)
      const watcher = recordingWatcher()
      const watch = chain.watchScript(script, watcher)
      await watch.ready
      const { code, text } = world.reports.last ?? assert.fail()
      assert.equal(code, 'ERR_HISTORY_TOO_LARGE')
      assert.match(text, /10 MB of one script, 20 MB of all/)
      assert.equal(watch.isCurrent, true)
      const seen = watcher.histories.last ?? assert.fail()
      assert.ok(seen.length > 10 && waitingBytes(seen) <= 10_000_000)
      assert.ok(
        !seen.some(({ transaction: { txid: id } }) => id === idOf(first)),
        'what stands behind the rest'
      )
      server.chain.mine()
      server.notifyTip()
      await watcher.histories.when((history) =>
        history.some(({ transaction: { txid: id }, height }) => id === idOf(first) && height === 4)
      )
      assert.equal(world.reports.all.length, 1, 'told once')
      assert.deepEqual(watcher.errors.all, [])
    })

    itInAll(
      'but all scripts of a server together have us keep no more, however many they are; a person is told once (COST-7)',
      async () => {
        const scripts = [1, 2, 3, 4, 5].map((n) => testScript(n))
        for (const each of scripts) dust(each, 12)
        const watchers = scripts.map(() => recordingWatcher())
        const watches = scripts.map((each, n) =>
          chain.watchScript(each, watchers[n] ?? assert.fail())
        )
        await Promise.all(watches.map(async ({ ready }) => await ready))
        const kept = (): number =>
          watchers.reduce((sum, { histories }) => sum + waitingBytes(histories.last ?? []), 0)
        assert.ok(kept() <= 20_000_000 && kept() > 17_000_000, String(kept()))
        assert.equal(world.reports.all.length, 1, 'told once')

        // Who is watched no more makes room, and with the next block the others are looked up
        // again.
        const isStarved = ({ histories }: RecordingWatcher): boolean =>
          waitingBytes(histories.last ?? []) < 9_000_000
        const starved = watchers.filter(isStarved)
        assert.ok(starved.length >= 3)
        watchers.forEach((watcher, n) => {
          if (!isStarved(watcher)) watches[n]?.stop()
        })
        const fed = starved.map(async ({ histories }) => {
          const before = histories.last?.length ?? 0
          await histories.when((history) => history.length > before, histories.all.length)
        })
        server.chain.mine()
        server.notifyTip()
        await Promise.race(fed)
        assert.equal(world.reports.all.length, 1)
      }
    )

    it('but not by refusing a proof for want of resources', async () => {
      server.chain.pay(script)
      server.chain.mine()
      server.notifyTip()
      const watcher = recordingWatcher()
      server.on('blockchain.transaction.get_merkle', () => {
        throw new Refusal('excessive resource usage')
      })
      const { ready } = chain.watchScript(script, watcher)
      assert.equal(codeOf(await watcher.errors.when(() => true)), 'ERR_ELECTRUM_REFUSED')
      server.restore('blockchain.transaction.get_merkle')
      await ready
    })

    it('by taking back a confirmation that it has proved', async () => {
      server.chain.pay(script)
      server.chain.mine()
      server.notifyTip()
      const watcher = recordingWatcher()
      await chain.watchScript(script, watcher).ready
      for (const lie of [
        [],
        [{ tx_hash: watcher.histories.last?.[0]?.transaction.txid, height: 0 }]
      ]) {
        server.on('blockchain.scripthash.get_history', () => lie)
        const next = watcher.errors.next()
        server.notifyScript(script)
        assert.match((await next).message, /takes back a confirmation/)
      }
      assert.equal(watcher.histories.all.length, 1)
    })
  })

  describe('reorganisations', () => {
    let transaction: Transaction
    let watcher: ReturnType<typeof recordingWatcher>

    beforeEach(async () => {
      transaction = server.chain.pay(script)
      server.chain.mine(2)
      server.notifyTip()
      watcher = recordingWatcher()
      await chain.watchScript(script, watcher).ready
      assert.deepEqual(entries(watcher.histories.last ?? []), [[idOf(transaction), 4]])
    })

    it('take a confirmation away again, without the server having to say so', async () => {
      server.chain.unmine(2)
      const waiting = server.chain.mempool.splice(0)
      server.chain.mine(3)
      server.chain.mempool.push(...waiting)
      server.notifyTip()
      await watcher.histories.when(([first]) => first?.height === undefined)
      assert.deepEqual(watcher.errors.all, [])
    })

    it('take a transaction away altogether', async () => {
      server.chain.unmine(2)
      server.chain.mempool.splice(0)
      server.chain.mine(3)
      server.notifyTip()
      await watcher.histories.when((history) => history.length === 0)
    })

    it('move a transaction to another height', async () => {
      server.chain.unmine(2)
      const waiting = server.chain.mempool.splice(0)
      server.chain.mine(1)
      server.chain.mempool.push(...waiting)
      server.chain.mine(2)
      server.notifyTip()
      await watcher.histories.when(([first]) => first?.height === 5)
    })

    it('are checked anew when the block is another one at the same height', async () => {
      const proofs = server.count('blockchain.transaction.get_merkle')
      server.chain.unmine(2)
      server.chain.mine(3)
      const tips = new Recorder<number>()
      chain.onTip(({ height }) => {
        tips.push(height)
      })
      server.notifyTip()
      await tips.when((height) => height === 6)
      assert.equal(server.count('blockchain.transaction.get_merkle'), proofs + 1)
      const [before, after, ...more] = watcher.histories.all.map(entries)
      assert.deepEqual([after, more], [before, []], 'told once more: it is another proof')
    })

    it('are noticed when the history tells of them before the header does', async () => {
      server.chain.unmine(2)
      const waiting = server.chain.mempool.splice(0)
      server.chain.mine(3)
      server.chain.mempool.push(...waiting)
      server.notifyScript(script)
      await watcher.histories.when(([first]) => first?.height === undefined)
      assert.deepEqual(watcher.errors.all, [])
    })

    it('in the middle of a fetch: no confirmation is delivered that holds no more', async () => {
      const late = recordingWatcher()
      const second = server.chain.pay(script, 2000n)
      const fresh = await world.connect()
      let release = (): void => {}
      server.on('blockchain.transaction.get', async (params) => {
        if (params[0] === idOf(second)) {
          await new Promise<void>((resolve) => {
            release = resolve
          })
        }
        return server.honest('blockchain.transaction.get', params)
      })
      const proved = server.count('blockchain.transaction.get_merkle')
      const { ready } = fresh.watchScript(script, late)
      while (server.count('blockchain.transaction.get_merkle') === proved) {
        await server.requests.next()
      }
      await server.requests.when(
        ({ method, params }) =>
          method === 'blockchain.transaction.get' && params[0] === idOf(second)
      ) // by now the proof has arrived
      server.chain.mempool.splice(0)
      server.chain.unmine(2)
      server.chain.mempool.splice(0, 1)
      server.chain.mine(3)
      server.chain.mempool.push(second, transaction)
      server.restore('blockchain.transaction.get')
      server.notifyTip()
      await server.requests.when(
        ({ method }) => method === 'server.ping',
        server.requests.all.length
      )
      release()
      await ready
      assert.deepEqual(
        late.histories.all.map((history) => history.map((entry) => entry.height)),
        [[undefined, undefined]]
      )
    })

    it('keep an outdated history from a watcher that comes meanwhile', async () => {
      let release = (): void => {}
      server.on('blockchain.scripthash.get_history', async (params) => {
        await new Promise<void>((resolve) => {
          release = resolve
        })
        return server.honest('blockchain.scripthash.get_history', params)
      })
      server.chain.unmine(2)
      server.chain.mempool.splice(0)
      server.chain.mine(3)
      const asked = server.requests.when(
        ({ method }) => method === 'blockchain.scripthash.get_history',
        server.requests.all.length
      )
      server.notifyTip()
      await asked
      const late = recordingWatcher()
      const { ready } = chain.watchScript(script, late)
      assert.equal(await isSettled(ready), false)
      server.restore('blockchain.scripthash.get_history')
      release()
      await ready
      assert.deepEqual(late.histories.all, [[]])
    })

    it('between a history and its proofs are no lie', async () => {
      await chain.stop()
      chain = await world.connect()
      const late = recordingWatcher()
      server.on('blockchain.transaction.get_merkle', (params) => {
        server.restore('blockchain.transaction.get_merkle')
        server.chain.unmine(2)
        server.chain.mine(3)
        return server.honest('blockchain.transaction.get_merkle', params)
      })
      await chain.watchScript(script, late).ready
      assert.deepEqual(entries(late.histories.last ?? []), [[idOf(transaction), 4]])
      assert.deepEqual(late.errors.all, [])
    })
  })
})
