/**
 * Payments with a name, and payees that list what a payer has forgotten (REEST-8): a list says
 * nothing about payments to others, and changes nothing that the payer knows.
 */
import assert from 'node:assert/strict'
import { encode, type Payment } from '../../protocols/paychan/1.0/index.js'
import type { ChannelInfo } from '../../src/channel/summary.js'
import {
  listPayments,
  partId,
  paymentChange,
  type PaymentInfo,
  paymentKey
} from '../../src/engine/payments.js'
import type { Peers, Store } from '../../src/engine/ports.js'
import { openSimStore, type Snapshot } from '../../src/testing/disk.js'
import { channelId } from '../../src/types/bytes.js'
import { satoshi } from '../../src/types/units.js'
import { reestablishOf } from '../protocols/reestablish.js'
import { tampering } from './raw-peer.js'
import { codeFrom, type Node, quiet, World } from './world.js'

const COIN = 3_000_000n
const TRUTH = (truth: readonly Payment[]): readonly Payment[] => truth

/** Lists what `list` makes of the truth. */
function lying(peers: Peers, list: () => typeof TRUTH): Peers {
  return tampering(peers, (link, message) => {
    link.send(
      message.type === 'Reestablish' && message.payments.length > 0
        ? { ...message, payments: [...list()(message.payments)] }
        : message
    )
  })
}

interface Story {
  readonly world: World
  readonly alice: Node
  readonly mallory: Node
  readonly bob: Node
  readonly toMallory: readonly [ChannelInfo, ChannelInfo]
  readonly toBob: ChannelInfo
  lieWith: (list: typeof TRUTH) => void
}

/** Alice has two channels to mallory, who lists what she likes, and one to bob. */
async function begin(): Promise<Story> {
  const world = new World()
  let list = TRUTH
  const mallory = await world.node('mallory', {
    coin: 0n,
    peers: (peers) => lying(peers, () => list)
  })
  const bob = await world.node('bob', { coin: 0n })
  const alice = await world.node('alice', { coin: COIN })
  const open = async (server: Node): Promise<ChannelInfo> => {
    const channel = await world.open(alice, server)
    alice.wallet.receive(COIN)
    await world.mine()
    return channel
  }
  return {
    world,
    alice,
    mallory,
    bob,
    toMallory: [await open(mallory), await open(mallory)],
    toBob: await open(bob),
    lieWith: (lie) => {
      list = lie
    }
  }
}

async function payOnce(
  alice: Node,
  id: string,
  channel: ChannelInfo,
  amount: bigint
): Promise<PaymentInfo[]> {
  return await alice.engine.payOnce({
    id,
    peer: channel.peerId,
    amount: satoshi(amount),
    memo: '',
    plan: (rest) => [{ channel: channel.id, amount: rest }]
  })
}

async function isBackFrom({ world, alice }: Story, copy: Snapshot): Promise<void> {
  await alice.restart(copy)
  await world.pass(5_000)
  await quiet()
}

function received(node: Node): bigint {
  return node.engine.channels().reduce((sum, { ourBalance }) => sum + ourBalance, 0n)
}

const part = (peer: string, name: string, amount: bigint): Payment => ({
  id: partId(peer, name, 0),
  amount,
  memo: ''
})
const sumOf = (payments: readonly Payment[]): bigint =>
  payments.reduce((sum, { amount }) => sum + amount, 0n)

describe('engine / payments with an id, and what a payee lists of them', () => {
  it('are not made twice when the payee tells the truth, and it pays what is new', async () => {
    const story = await begin()
    const {
      alice,
      mallory,
      toMallory: [first, second]
    } = story
    await alice.engine.pay(first.id, satoshi(5_000n), 'coffee')
    const copy = alice.store.snapshot()
    await payOnce(alice, 'rent', first, 20_000n)
    await isBackFrom(story, copy)
    await payOnce(alice, 'rent', second, 20_000n)
    assert.equal(received(mallory), 25_000n)
    await payOnce(alice, 'rent 2', second, 20_000n)
    assert.equal(received(mallory), 45_000n)
  })

  it('to others are neither blocked nor falsified by a list', async () => {
    const story = await begin()
    const {
      alice,
      bob,
      toMallory: [first],
      toBob
    } = story
    await payOnce(alice, 'november', toBob, 20_000n)
    const copy = alice.store.snapshot()
    for (let n = 0; n < 4; n++) await alice.engine.pay(first.id, satoshi(5_000n), 'coffee')
    const listed = [part('bob', 'december', 1n), part('bob', 'january', 1n)]
    story.lieWith((truth) => [...listed, part('', 'else', sumOf(truth) - 2n)])
    await isBackFrom(story, copy)
    assert.equal((await alice.payments(first.id)).length, 3, 'the list is taken')
    for (const month of ['november', 'december', 'january']) {
      await payOnce(alice, month, toBob, 20_000n)
    }
    for (const month of ['november', 'december', 'january']) {
      await payOnce(alice, month, toBob, 20_000n)
    }
    assert.equal(received(bob), 60_000n)
    assert.ok(!alice.alarms.includes('ERR_LIST_FALSE'))
  })

  it('are taken from a list that names what is known, where the balances alone are lost: the payee is honest', async () => {
    const story = await begin()
    const {
      alice,
      mallory,
      toMallory: [first, second]
    } = story
    await payOnce(alice, 'rent', first, 20_000n)
    await alice.engine.pay(first.id, satoshi(5_000n), 'coffee')
    const copy = new Map(alice.store.snapshot())
    copy.delete(`ledger/${first.id}`)
    // What was taken from a list once is just as well known the next time.
    for (let round = 0; round < 2; round++) {
      await isBackFrom(story, copy)
      assert.deepEqual(alice.alarms.slice(-1), ['ERR_STORE_CORRUPT'])
      assert.equal(alice.engine.describe(first.id).ourBalance, first.capacity - 25_000n)
      const [again] = await payOnce(alice, 'rent', second, 20_000n)
      assert.equal(again?.channel, first.id)
      for (const [key, value] of alice.store.snapshot()) copy.set(key, value)
      copy.delete(`ledger/${first.id}`)
    }
    assert.equal(received(mallory), 25_000n)
    assert.ok(!alice.alarms.includes('ERR_LIST_FALSE'))
    assert.equal(
      await codeFrom(payOnce(alice, 'rent 2', second, 20_000n)),
      'ERR_PAYMENTS_FORGOTTEN',
      'a person has to look'
    )
  })

  for (const [what, peer, amount, isKnown] of [
    ['was made on another channel', 'mallory', 50_000n, true],
    ['was made on this channel, by an update that is not forgotten', 'this', 50_000n, true],
    ['was made with another amount', 'mallory', 1n, true],
    ['was made to somebody else', 'bob', 1n, true],
    ['is listed twice', 'mallory', 1n, false]
  ] as const) {
    it(`make a list false that has one that ${what}: the channel only closes, what is known stands, and a person has to look`, async () => {
      const story = await begin()
      const {
        alice,
        mallory,
        bob,
        toMallory: [first, second],
        toBob
      } = story
      const channel = { mallory: second, this: first, bob: toBob }[peer]
      if (isKnown) await payOnce(alice, 'order 1', channel, 50_000n)
      const copy = alice.store.snapshot()
      for (let n = 0; n < 12; n++) await alice.engine.pay(first.id, satoshi(5_000n), 'coffee')
      const [hers, his] = [received(mallory), received(bob)]
      story.lieWith((truth) => [
        ...Array.from({ length: isKnown ? 1 : 2 }, () => part(channel.peerId, 'order 1', amount)),
        part('', 'else', sumOf(truth) - (isKnown ? 1n : 2n) * amount)
      ])
      await isBackFrom(story, copy)
      assert.equal(alice.engine.describe(first.id).status, 'stopped')
      assert.ok(alice.alarms.includes('ERR_LIST_FALSE'))
      if (isKnown) await payOnce(alice, 'order 1', channel, 50_000n)
      assert.equal(await codeFrom(payOnce(alice, 'order 2', second, 20_000n)), 'ERR_LIST_FALSE')
      await alice.restart()
      assert.equal(
        await codeFrom(payOnce(alice, 'order 2', second, 20_000n)),
        'ERR_LIST_FALSE',
        'after a restart too'
      )
      assert.deepEqual([received(mallory), received(bob)], [hers, his])
      await payOnce(alice, 'order 2', toBob, 20_000n)
      await alice.engine.pay(second.id, satoshi(20_000n), 'order 2')
      assert.deepEqual(
        [received(mallory), received(bob)],
        [hers + 20_000n, his + 20_000n],
        'others are paid, and the payee without an id'
      )
    })
  }
})

/* REEST-8: what a payee lists for a payer that has lost its newest payments. */

const ID = channelId('ab'.repeat(32))

function payment(n: number, memo: string): Payment {
  const id = new Uint8Array(16)
  new DataView(id.buffer).setUint32(12, n)
  return { id, amount: 2_100_000_000_000_000n, memo }
}

async function storeOf(
  updates: ReadonlyArray<readonly Payment[]>
): Promise<ReturnType<typeof openSimStore>> {
  const store = openSimStore()
  await store.commit(
    updates.map((payments, n) =>
      paymentChange(ID, { sequence: n + 1, direction: 'received', time: 1, order: n + 1, payments })
    )
  )
  return store
}

describe('engine / the payments that a payee lists (REEST-8)', () => {
  it('are those of the updates after one, up to another, in order', async () => {
    const store = await storeOf(
      [1, 2, 3, 4].map((n) => [payment(n, `update ${n}`), payment(10 + n, '')])
    )
    const { payments, paymentsAfter } = await listPayments(store, ID, 1, 3)
    assert.deepEqual(
      [payments.map(({ memo }) => memo), paymentsAfter],
      [['update 2', '', 'update 3', ''], 1]
    )
  })

  it('of another channel are not among them', async () => {
    const store = await storeOf([[payment(1, '')]])
    assert.deepEqual(await listPayments(store, channelId('cd'.repeat(32)), 0, 9), {
      payments: [],
      paymentsAfter: 9
    })
  })

  it('fill one message at the most: the oldest updates are left out as a whole, and it says so (WIRE-2)', async () => {
    const updates = [1, 2, 3].map((update) =>
      Array.from({ length: 1_000 }, (_, n) => payment(update * 1_000 + n, 'x'.repeat(128)))
    )
    const list = await listPayments(await storeOf(updates), ID, 0, 3)
    assert.deepEqual([list.payments.length, list.paymentsAfter], [1_000, 2])
    assert.deepEqual(list.payments[0]?.id, payment(3_000, '').id)
  })

  it('begin behind a damaged entry, so that the list is whole from there on', async () => {
    const store = await storeOf([1, 2, 3, 4].map((n) => [payment(n, `update ${n}`)]))
    const key = paymentKey(ID, 2)
    await store.commit([{ key, value: new Uint8Array(9) }])
    const { payments, paymentsAfter } = await listPayments(store, ID, 0, 4)
    assert.deepEqual(
      [payments.map(({ memo }) => memo), paymentsAfter],
      [['update 3', 'update 4'], 2]
    )
    await store.commit([{ key: paymentKey(ID, 4), value: new Uint8Array(9) }])
    assert.deepEqual(await listPayments(store, ID, 0, 4), { payments: [], paymentsAfter: 4 })
  })

  it('begin behind an entry that is gone', async () => {
    const store = await storeOf([1, 2, 3, 4].map((n) => [payment(n, `update ${n}`)]))
    await store.commit([{ key: paymentKey(ID, 3), value: undefined }])
    const { payments, paymentsAfter } = await listPayments(store, ID, 0, 4)
    assert.deepEqual([payments.map(({ memo }) => memo), paymentsAfter], [['update 4'], 3])
  })

  it('cost no more than they take, however long the log is', async () => {
    const store = await storeOf(
      Array.from({ length: 20 }, (_, update) =>
        Array.from({ length: 1_000 }, (_, n) => payment(update * 1_000 + n, 'x'.repeat(128)))
      )
    )
    let reads = 0
    const counting: Store = {
      get: async (key) => {
        reads += 1
        return await store.get(key)
      },
      entries: (prefix) => store.entries(prefix),
      last: async (prefix, count, before) => await store.last(prefix, count, before),
      commit: async (changes) => {
        await store.commit(changes)
      },
      close: async () => {
        await store.close()
      }
    }
    const { paymentsAfter } = await listPayments(counting, ID, 0, 20)
    assert.deepEqual([paymentsAfter, reads], [19, 2])
  })

  it('fit the message when they take all that they may', async () => {
    const updates = Array.from({ length: 8 }, (_, update) =>
      Array.from({ length: 1_000 }, (_, n) => payment(update * 1_000 + n, ''))
    )
    const list = await listPayments(await storeOf(updates), ID, 0, 8)
    assert.equal(list.paymentsAfter, 1, 'seven updates of 33,000 bytes fit into 261,120')
    encode(
      reestablishOf({
        ...list,
        sequence: 8,
        payerBalance: 2_100_000_000_000_000n,
        signature: new Uint8Array(64),
        turn: 0xffff_ffff,
        signed: 0xffff_ffff,
        epoch: 0xffff_ffff,
        peerEpoch: 0xffff_ffff
      })
    )
  })
})
