import assert from 'node:assert/strict'
import { join } from 'node:path'
import { Transaction } from 'bitcoinjs-lib'
import { scriptHashOf } from '../../src/devnet/transaction.js'
import { type Devnet, startDevnet } from '../../src/devnet/index.js'
import type { ChainStatus } from '../../src/engine/ports.js'
import type { ChannelInfo } from '../../src/node/api.js'
import {
  ANCHOR_KEY,
  historiesOf,
  HistoryProgress,
  NETWORK_KEY,
  PROGRESS_MS,
  readAnchor
} from '../../src/node/chain.js'
import { STORE_DIRECTORY } from '../../src/node/system.js'
import { openLevelStore } from '../../src/store/level.js'
import { txid } from '../../src/types/bytes.js'
import { satoshi } from '../../src/types/units.js'
import { FakeClock } from '../chain/helpers.js'
import { Liar } from '../lies/liar.js'
import { codeOfRejection, Fixture, type TestNode } from './fixture.js'

/** A chain that says how far it is, and nothing else. */
class FakeChain {
  status: ChainStatus = 'connecting'
  watches = { known: 0, total: 10_000 }
  readonly #listeners = new Set<(status: ChainStatus) => void>()

  onStatus(listener: (status: ChainStatus) => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  become(status: ChainStatus): void {
    this.status = status
    for (const listener of this.#listeners) listener(status)
  }

  read(known: number): void {
    this.watches = { ...this.watches, known }
  }
}

describe('the progress of reading histories', () => {
  let chain: FakeChain
  let clock: FakeClock
  let told: number[]
  let progress: HistoryProgress

  beforeEach(() => {
    chain = new FakeChain()
    clock = new FakeClock()
    told = []
    progress = new HistoryProgress(chain, clock, ({ type, known, total }) => {
      assert.equal(type, 'histories')
      assert.equal(total, 10_000)
      told.push(known)
    })
  })

  /** So many are known when the next look comes. */
  function second(known: number): void {
    chain.read(known)
    clock.advance(PROGRESS_MS)
  }

  /** All at once, and nobody is told. */
  function quickStart(): void {
    chain.read(10_000)
    chain.become('synced')
    clock.advance(PROGRESS_MS)
  }

  it('is told once a second while a start takes long, and once more when all are known; then no more', () => {
    second(1_500)
    second(3_200)
    chain.become('synced')
    second(6_000)
    second(10_000)
    assert.deepEqual(told, [3_200, 6_000, 10_000])
    clock.advance(60 * PROGRESS_MS)
    assert.deepEqual(told, [3_200, 6_000, 10_000])
    assert.equal(clock.pending, 0, 'it looks no more')
  })

  it('is not told of a start that is quick', () => {
    quickStart()
    clock.advance(60 * PROGRESS_MS)
    assert.deepEqual(told, [])
    assert.equal(clock.pending, 0)
  })

  it('is told after a reconnection as after a start', () => {
    quickStart()
    chain.read(0)
    chain.become('down')
    second(0)
    second(2_000)
    second(4_000)
    chain.become('synced')
    second(10_000)
    assert.deepEqual(told, [4_000, 10_000])
  })

  it('is not told of a reconnection that is quick, even if somebody looks in its middle', () => {
    quickStart()
    chain.become('down')
    second(4_000)
    chain.become('synced')
    second(10_000)
    assert.deepEqual(told, [])
  })

  it('says nothing twice, and nothing while there is no server', () => {
    second(1_000)
    second(2_000)
    second(2_000)
    chain.become('down')
    second(0)
    second(0)
    assert.deepEqual(told, [2_000])
  })

  it('ends with the node', () => {
    progress.stop()
    second(1_000)
    chain.become('down')
    second(2_000)
    assert.deepEqual(told, [])
    assert.equal(clock.pending, 0)
  })

  it('is part of what a node tells of itself, while histories are being read', () => {
    assert.equal(
      historiesOf(chain),
      undefined,
      'nobody has answered yet: that is what the status says'
    )
    chain.read(3_200)
    assert.deepEqual(historiesOf(chain), { known: 3_200, total: 10_000 })
    chain.read(10_000)
    assert.equal(historiesOf(chain), undefined)
  })
})

describe('a node with another chain behind its data directory', () => {
  let fixture: Fixture
  let other: Devnet
  beforeEach(async () => {
    fixture = await Fixture.create()
    other = await startDevnet({ seed: 'another chain' })
  })
  afterEach(async () => {
    await fixture.end()
    await other.stop()
  })

  it('says so loudly and does nothing on it; on the right one it goes on', async () => {
    const first = await fixture.node('alice')
    await first.api.stop()

    const { api, events } = await fixture.node('alice', { electrum: other.url }, 'started')
    const alarm = await events.when((event) => event.type === 'alarm')
    assert.deepEqual([alarm.type, 'code' in alarm && alarm.code], ['alarm', 'ERR_WRONG_CHAIN'])
    const { chain } = await api.info()
    assert.deepEqual([chain.status, chain.height], ['down', undefined])
    assert.match(chain.lastError ?? '', /another chain than the one of this data directory/)
    await api.stop()

    await fixture.node('alice')
  })

  it('ends the wait for a height with the reason, whenever it begins', async () => {
    const first = await fixture.node('alice')
    await first.api.stop()
    const { api, events } = await fixture.node('alice', { electrum: other.url }, 'started')
    assert.equal(await codeOfRejection(api.chain.untilHeight(20)), 'ERR_WRONG_CHAIN')
    await events.when((event) => event.type === 'alarm')
    assert.equal(await codeOfRejection(api.chain.untilHeight(20)), 'ERR_WRONG_CHAIN')
  })

  it('does not start on the data of a version before the first release, and says how to go on', async () => {
    const first = await fixture.node('bob')
    await first.api.stop()
    const store = await openLevelStore(join(fixture.path('bob'), STORE_DIRECTORY))
    const record = await store.get(NETWORK_KEY)
    await store.commit([{ key: NETWORK_KEY, value: new TextEncoder().encode('regtest') }])
    await store.close()
    await assert.rejects(fixture.node('bob'), {
      code: 'ERR_STORE_VERSION',
      message: /before the first release, .*Close its channels with the version that wrote it/
    })
    const again = await openLevelStore(join(fixture.path('bob'), STORE_DIRECTORY))
    await again.commit([{ key: NETWORK_KEY, value: record }])
    await again.close()
  })

  it('goes on with an alarm when the record of its chain is damaged, and writes another', async () => {
    const first = await fixture.node('bob')
    await first.api.stop()
    const directory = join(fixture.path('bob'), STORE_DIRECTORY)
    const store = await openLevelStore(directory)
    assert.equal((await readAnchor(store, assert.fail))?.height, 20)
    await store.commit([{ key: ANCHOR_KEY, value: new Uint8Array([1, 2, 3]) }])
    await store.close()

    const second = await fixture.node('bob')
    assert.equal(
      second.events.all.some(
        (event) => event.type === 'alarm' && event.code === 'ERR_STORE_CORRUPT'
      ),
      true
    )
    await second.api.stop()
    const again = await openLevelStore(directory)
    assert.equal((await readAnchor(again, assert.fail))?.height, 20)
    await again.close()
  })
})

/*
 * A server that declines to tell of a channel, which has lost its funding transaction meanwhile:
 * nothing is paid on it (UPD-20).
 */

const SUBSCRIBE = 'blockchain.scripthash.subscribe'
const HISTORY = 'blockchain.scripthash.get_history'

describe('node / a channel that its server declines to show', () => {
  let fixture: Fixture
  let [hers, his]: Liar[] = []

  beforeEach(async () => {
    fixture = await Fixture.create({ autoMine: false })
    ;[hers, his] = [await Liar.start(fixture.devnet), await Liar.start(fixture.devnet)]
  })
  afterEach(async () => {
    await fixture.end()
    await Promise.all([hers?.stop(), his?.stop()])
  })

  const of = async (node: TestNode): Promise<ChannelInfo> =>
    (await node.api.channels.list())[0] ?? assert.fail()

  for (const method of [SUBSCRIBE, HISTORY]) {
    it(`takes no payment after a restart, when ${method} is refused and T1 is in no block any more`, async () => {
      const alice = await fixture.node('alice', { electrum: hers?.url ?? assert.fail() })
      let bob = await fixture.node('bob', { electrum: his?.url ?? assert.fail() })
      await fixture.devnet.fund(await alice.api.wallet.address(), satoshi(2_000_000n))
      await fixture.devnet.mine(1)
      await alice.sees(async () => (await alice.api.wallet.balance()).confirmed === 2_000_000n)
      const { id, funding } = await alice.api.channels.open({
        peer: await bob.address(),
        amount: satoshi(1_000_000n),
        blocks: 144,
        wait: 'broadcast'
      })
      await fixture.devnet.mine(2)
      for (const node of [alice, bob]) {
        await node.sees(async () => (await of(node)).status === 'open')
      }
      await alice.api.pay({ to: id, amount: satoshi(10_000n) })
      const listen = [(await bob.address()).replace(/\/p2p\/.*$/, '')]
      await bob.api.stop()

      // Her server says nothing of the reorganisation, so she goes on paying.
      if (hers !== undefined) hers.lie = { notification: () => undefined }
      const t1 =
        (await fixture.devnet.transaction(txid(funding?.txid ?? assert.fail()))) ?? assert.fail()
      const script = scriptHashOf(
        Transaction.fromBuffer(t1.raw).outs[funding?.vout ?? 0]?.script ?? assert.fail()
      )
      if (his !== undefined) {
        his.lie = {
          answer: async (asked, honest) =>
            asked.method === method && asked.params[0] === script
              ? { error: 'excessive resource usage' }
              : { result: await honest() }
        }
      }
      await fixture.devnet.reorg(2, { transactions: 'drop' })
      bob = await fixture.node('bob', { electrum: his?.url ?? assert.fail(), listen })

      assert.equal((await of(bob)).watched, false)
      assert.equal(
        await codeOfRejection(alice.api.pay({ to: id, amount: satoshi(500_000n) })),
        'ERR_PAYMENT_UNKNOWN'
      )
      assert.deepEqual([(await of(bob)).ourBalance, (await of(bob)).receivable], [10_000n, 0n])
      assert.deepEqual(
        [(await bob.api.info()).channels.unwatched, (await bob.api.wallet.balance()).unwatched],
        [1, 10_000n]
      )
      assert.equal(bob.events.all.filter(({ type }) => type === 'payment').length, 0)

      // It tells again: what was acknowledged exists nowhere, and nothing more is taken until T1 is
      // buried again.
      if (his !== undefined) his.lie = {}
      await fixture.devnet.mine(1)
      await bob.sees(async () => (await of(bob)).watched)
      assert.deepEqual([(await of(bob)).status, (await of(bob)).confirmations], ['confirming', 0])
    })
  }
})
