/** REEST-8: what a payee lists for a payer that has lost its newest payments. */
import assert from 'node:assert/strict'
import { encode, type Payment } from '../../protocols/paychan/1.0/index.js'
import { listPayments, paymentChange, paymentKey } from '../../src/engine/payments.js'
import type { Store } from '../../src/engine/ports.js'
import { openSimStore } from '../../src/testing/disk.js'
import { channelId } from '../../src/types/bytes.js'
import { reestablishOf } from '../protocols/reestablish.js'

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
      paymentChange(ID, { sequence: n + 1, direction: 'received', time: 1, payments })
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
