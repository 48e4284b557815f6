/**
 * Payment requests at the payee: what comes for them is counted with the payment itself (REQ-8).
 */
import assert from 'node:assert/strict'
import type { Payment } from '../../protocols/paychan/1.0/index.js'
import type { Channel } from '../../src/channel/state.js'
import type { Change } from '../../src/engine/ports.js'
import { nameOfRequest, PAYMENT_PREFIX, requestPartId } from '../../src/engine/payments.js'
import {
  REQUEST_PREFIX,
  REQUESTED_PREFIX,
  Requests,
  type RequestRecord
} from '../../src/engine/requests.js'
import { SimDisk } from '../../src/testing/disk.js'
import { Life } from '../../src/testing/calendar.js'
import { fromHex, toHex } from '../../src/types/bytes.js'
import { satoshi, ZERO_SAT } from '../../src/types/units.js'
import { codeFrom, type Node, twoNodes, type World } from './world.js'

const ID = '0102030405060708'
const NONCE = 'f1f2f3f4f5f6f7f8'
const DAY = 24 * 60 * 60 * 1_000

function request(
  changes: Partial<RequestRecord> = {}
): Omit<RequestRecord, 'received' | 'payments'> {
  return {
    id: ID,
    text: 'paychan1...',
    amount: satoshi(5_000n),
    memo: 'tea',
    made: 1,
    reusable: false,
    leastFirstPayment: ZERO_SAT,
    ...changes
  }
}

/** Pays in these parts, one after another on the node's newest channel. */
async function pay(
  node: Node,
  parts: readonly bigint[],
  name = nameOfRequest('bob', { id: ID, nonce: undefined }),
  memo = 'tea'
): Promise<void> {
  const amount = satoshi(parts.reduce((sum, part) => sum + part, 0n))
  const channel = node.channel.id
  await node.engine.payOnce({
    id: name,
    peer: 'bob',
    amount,
    memo,
    plan: () => parts.map((part) => ({ channel, amount: satoshi(part) }))
  })
}

async function made(node: Node, id = ID): Promise<RequestRecord> {
  const found = await node.engine.requests.find(id)
  assert.ok(found !== undefined)
  return found
}

describe('engine / requests', () => {
  let world: World
  let alice: Node
  let bob: Node

  beforeEach(async () => {
    ;({ world, alice, bob } = await twoNodes())
    await world.open(alice, bob)
  })

  it('are not paid by a payment with another memo, which may pay for something else (REQ-8)', async () => {
    await bob.engine.requests.make(request())
    const name = nameOfRequest('bob', { id: ID, nonce: undefined })
    await pay(alice, [5_000n], name, '402:a-session-of-a-priced-server')
    assert.deepEqual([(await made(bob)).received, (await made(bob)).paidBy], [0n, undefined])
    assert.equal(await bob.engine.requests.paidBy('alice', request(), undefined), undefined)
    assert.equal((await bob.payments()).length, 1, 'it is a payment all the same')
  })

  it('that are reusable have a part bound to one receipt, however many ask for it at once (REQ-11)', async () => {
    const reusable = request({ reusable: true })
    await bob.engine.requests.make(reusable)
    await pay(alice, [5_000n], nameOfRequest('bob', { id: ID, nonce: NONCE }))
    const before = bob.commits
    const all = await Promise.all(
      [1, 2, 3].map(async () => await bob.engine.requests.paidBy('alice', reusable, NONCE))
    )
    assert.deepEqual(
      all.map((paid) => paid?.amount),
      [5_000n, 5_000n, 5_000n]
    )
    assert.equal(bob.commits - before, 1)
  })

  it('are paid by the payment that begins with their id, also in parts', async () => {
    await bob.engine.requests.make(request())
    await pay(alice, [1_000n, 3_000n])
    assert.deepEqual(
      [(await made(bob)).received, (await made(bob)).payments, (await made(bob)).paidBy],
      [4_000n, 2, undefined]
    )
    const sent = await alice.payments()
    assert.deepEqual(
      sent.map(({ id }) => id.slice(0, 16)),
      [ID, ID]
    )
  })

  it('of an amount are paid once all of it came from one peer, and say so', async () => {
    const carol = await world.node('carol')
    await world.open(carol, bob)
    await bob.engine.requests.make(request())
    await pay(carol, [3_000n])
    await pay(alice, [2_000n, 2_000n])
    assert.equal((await made(bob)).paidBy, undefined, '3,000 and 4,000 of two are not 5,000 of one')
    await pay(alice, [1_000n], nameOfRequest('bob', { id: ID, nonce: NONCE }))
    const { paidBy, paidAt, received } = await made(bob)
    assert.deepEqual([paidBy, received, paidAt !== undefined], ['alice', 8_000n, true])
    assert.deepEqual(
      bob.events.flatMap((event) => (event.type === 'request' ? [event.request.received] : [])),
      [3_000n, 5_000n, 7_000n, 8_000n]
    )
  })

  it('that are reusable are paid as often as somebody pays, and stay open', async () => {
    await bob.engine.requests.make(request({ reusable: true }))
    await pay(alice, [5_000n], nameOfRequest('bob', { id: ID, nonce: NONCE }))
    await pay(
      alice,
      [5_000n],
      nameOfRequest('bob', { id: ID, nonce: NONCE.split('').reverse().join('') })
    )
    await pay(alice, [5_000n], nameOfRequest('bob', { id: ID, nonce: NONCE }))
    const { received, payments, paidBy } = await made(bob)
    assert.deepEqual([received, payments, paidBy], [10_000n, 2, undefined])
  })

  it('are written in the commit of the payment: no crash comes between', async () => {
    await bob.engine.requests.make(request())
    const commits: string[][] = []
    const { store } = bob
    const commit = store.commit.bind(store)
    store.commit = async (changes) => {
      commits.push(changes.map(({ key }) => key))
      await commit(changes)
    }
    await pay(alice, [5_000n])
    const [written] = commits.filter((keys) => keys.some((key) => key.startsWith(PAYMENT_PREFIX)))
    assert.ok(written?.includes(REQUEST_PREFIX + ID) === true, String(written))
    assert.ok(written.some((key) => key.startsWith(REQUESTED_PREFIX + ID)))
  })

  it('are remembered over a restart, with what came for them', async () => {
    await bob.engine.requests.make(request())
    await pay(alice, [2_000n, 1_000n])
    await bob.restart()
    const name = nameOfRequest('bob', { id: ID, nonce: undefined })
    assert.equal(
      await codeFrom(pay(alice, [2_000n], name)),
      'ERR_PAYMENT_CONFLICT',
      'another amount under this name'
    )
    assert.equal((await made(bob)).received, 3_000n)
    assert.deepEqual(
      (await bob.engine.requests.receivedFrom('alice', ID, undefined))?.amount,
      3_000n
    )
    assert.equal(await bob.engine.requests.receivedFrom('carol', ID, undefined), undefined)
    assert.equal(await bob.engine.requests.receivedFrom('alice', ID, NONCE), undefined)
  })

  it('take no other payment for theirs', async () => {
    await bob.engine.requests.make(request())
    await alice.engine.pay(alice.channel.id, satoshi(5_000n), 'tea')
    await pay(alice, [1_000n], nameOfRequest('bob', { id: '1112131415161718', nonce: undefined }))
    assert.deepEqual([(await made(bob)).received, (await made(bob)).payments], [0n, 0])
    assert.deepEqual(
      bob.events.filter(({ type }) => type === 'request'),
      []
    )
  })
})

describe('engine / requests / on disk', () => {
  let now: number
  let disk: SimDisk

  beforeEach(() => {
    now = DAY
    disk = new SimDisk()
  })

  function requests(most?: number, store = disk.storeFor(new Life())): Requests {
    return new Requests({ store, clock: { now: () => now }, self: 'bob' }, most)
  }

  function isFine(error: unknown): void {
    assert.fail(String(error))
  }

  const payment = {
    id: requestPartId('bob', { id: ID, nonce: undefined }, 0),
    amount: 1_000n,
    memo: 'tea'
  }

  it('take late payments for 60 days, longer than any channel lives, and are left alone then (REQ-7)', async () => {
    const before = requests()
    await before.make(request({ expires: now + 1_000 }))
    for (const [later, isOpen] of [
      [1_000 + 60 * DAY, true],
      [1_001 + 60 * DAY, false]
    ] as const) {
      now = DAY + later
      const after = requests()
      await after.load(isFine)
      assert.equal(after.openFor(payment) !== undefined, isOpen, String(later))
      assert.equal((await after.find(ID))?.id, isOpen ? ID : undefined)
    }
  })

  describe('where there is room for four (REQ-13)', () => {
    let node: Requests

    beforeEach(() => {
      node = requests(4)
    })

    async function make(
      ...all: (Partial<RequestRecord> & { readonly id: string })[]
    ): Promise<void> {
      for (const changes of all) await node.make(request({ ...changes, made: ++now }))
    }

    /** Those that are on the disk, the newest first. */
    async function kept(): Promise<number[]> {
      const ids: number[] = []
      for await (const { id } of node.newest()) ids.push(Number(id[1]))
      const records = await disk.storeFor(new Life()).last(REQUEST_PREFIX, 1_000)
      assert.equal(records.length, ids.length)
      return ids
    }

    function named(n: number): { readonly id: string } {
      return { id: `0${n}`.repeat(8) }
    }

    /** Those of the first seven for which payments are counted. */
    function counted(): number[] {
      return [1, 2, 3, 4, 5, 6, 7].filter((n) => node.openFor(paymentFor(n)) !== undefined)
    }

    function paymentFor(n: number, amount = 1n): Payment {
      return { ...payment, id: fromHex(named(n).id.padEnd(32, '0')), amount }
    }

    function pay(n: number, amount: bigint): readonly Change[] {
      const entry = { direction: 'received', sequence: 1, time: now } as const
      const from = { id: ID, peer: 'alice' } as unknown as Channel
      return node.changes(from, { ...entry, payments: [paymentFor(n, amount)] })
    }

    async function commitPaid(n: number): Promise<void> {
      await disk.storeFor(new Life()).commit(pay(n, 5_000n))
    }

    it('forget the oldest that nobody has begun to pay for one more, for good', async () => {
      await make(named(4), named(3), named(2), named(1))
      assert.deepEqual(await kept(), [1, 2, 3, 4])
      await make(named(5), named(6))
      assert.deepEqual(await kept(), [6, 5, 1, 2])
      assert.equal(await node.find(named(4).id), undefined)
      assert.deepEqual(counted(), [1, 2, 5, 6])
      node = requests(4)
      await node.load(isFine)
      await make(named(7))
      assert.deepEqual(await kept(), [7, 6, 5, 1], 'the oldest is that also after a restart')
    })

    it('hold no more than that on the disk, but those for which something was paid', async () => {
      await make(...[1, 2, 3].map(named), { ...named(4), expires: now + 60 })
      for (const n of [1, 2, 3]) await commitPaid(n)
      for (let n = 0; n < 50; n++) await make({ id: `a${n % 9}`.repeat(8), expires: now + 2 })
      assert.deepEqual((await kept()).slice(-3), [3, 2, 1], 'what was paid is there for good')
      assert.equal((await kept()).length, 7)
      now += 61 * DAY
      node = requests(4)
      await node.load(isFine)
      assert.deepEqual(await kept(), [3, 2, 1], 'what ended long ago is gone after a start')
    })

    it('read no more of them than whoever looks wants to see', async () => {
      node = requests(4_000)
      for (let n = 0; n < 300; n++) {
        await node.make(request({ id: String(n).padStart(16, '0'), made: ++now }))
      }
      const store = disk.storeFor(new Life())
      let reads = 0
      const { last } = store
      store.last = async (...asked) => {
        const page = await last.apply(store, asked)
        reads += page.length
        return page
      }
      store.entries = () => assert.fail('all of them are read')
      for await (const { made } of requests(4_000, store).newest()) {
        assert.equal(made, now)
        if (reads > 0) break
      }
      assert.ok(reads <= 100, String(reads))
    })

    it('let one that has expired or is paid give way before any that is open', async () => {
      await make(named(1), { ...named(2), expires: now + 3 }, named(3), named(4))
      pay(4, 5_000n)
      now += 10
      await make(named(5), named(6))
      assert.deepEqual(counted(), [1, 3, 5, 6])
    })

    it('know as many after a restart, whatever has ended before', async () => {
      for (const n of [7, 6, 5, 4, 3, 2]) await make({ ...named(n), expires: now + 2 })
      await make({ ...named(1), reusable: true })
      now += 10
      node = requests(4)
      await node.load(isFine)
      assert.deepEqual(counted(), [1, 2, 3, 4])
    })

    it('close none that is reusable or paid in part, and say so', async () => {
      await make({ ...named(1), reusable: true }, named(2), named(3), named(4))
      pay(2, 1n)
      await make(named(5), named(6))
      assert.deepEqual(await kept(), [6, 5, 2, 1])
      for (const n of [5, 6]) pay(n, 1n)
      assert.equal(await codeFrom(make(named(7))), 'ERR_TOO_MANY_REQUESTS')
      assert.equal(await node.find(named(7).id), undefined)
    })

    it('give one maker a quarter: its own oldest gives way before those of others', async () => {
      await make(named(1), { ...named(2), maker: 'till' }, { ...named(3), maker: 'till' })
      assert.deepEqual(await kept(), [3, 1])
      await make({ ...named(4), maker: 'till', reusable: true })
      assert.deepEqual(await kept(), [4, 1])
      assert.equal(await codeFrom(make({ ...named(5), maker: 'till' })), 'ERR_TOO_MANY_REQUESTS')
      await make(named(6), { ...named(7), maker: 'other till' })
      assert.deepEqual(await kept(), [7, 6, 4, 1], 'others have room')
    })

    it('keep the one that was to give way when the disk takes no other', async () => {
      await make(named(1), named(2), named(3), named(4))
      const full = new Error('no room on the disk')
      const store = disk.storeFor(new Life())
      store.commit = async () => await Promise.reject(full)
      node = requests(4, store)
      await node.load(isFine)
      await assert.rejects(node.make(request(named(5))), full)
      assert.deepEqual(counted(), [1, 2, 3, 4])
    })
  })

  it('of which one is damaged are all known but that one', async () => {
    const before = requests()
    await before.make(request())
    await before.make(request({ id: '1112131415161718' }))
    await disk
      .storeFor(new Life())
      .commit([{ key: REQUEST_PREFIX + ID, value: Uint8Array.of(1, 2, 3) }])
    const damaged: unknown[] = []
    const after = requests()
    await after.load((error) => damaged.push(error))
    assert.equal(damaged.length, 1)
    assert.equal(after.openFor(payment), undefined)
    assert.equal((await after.find('1112131415161718'))?.memo, 'tea')
    assert.equal(await codeFrom(after.find(ID)), 'ERR_STORE_CORRUPT')
  })

  it('have ids of payments that say which request it is, and differ by payee, nonce and part', () => {
    const ids = [
      requestPartId('bob', { id: ID, nonce: undefined }, 0),
      requestPartId('bob', { id: ID, nonce: undefined }, 1),
      requestPartId('bob', { id: ID, nonce: NONCE }, 0),
      requestPartId('carol', { id: ID, nonce: undefined }, 0)
    ].map(toHex)
    assert.ok(ids.every((id) => id.length === 32 && id.startsWith(ID)))
    assert.equal(new Set(ids).size, ids.length)
  })
})
