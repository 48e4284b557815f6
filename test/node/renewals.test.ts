/** Renewals of real nodes, over TCP, on a devnet that judges every script and signature. */
import assert from 'node:assert/strict'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { txid } from '../../src/types/bytes.js'
import type { ChannelInfo } from '../../src/node/api.js'
import { Fixture, type TestNode } from './fixture.js'

const CAPACITY = 500_000n

describe('node / renewals', () => {
  let fixture: Fixture
  let alice: TestNode
  let bob: TestNode

  before(async () => {
    fixture = await Fixture.create()
    alice = await fixture.rich('alice', 5_000_000n)
    bob = await fixture.node('bob')
  })
  after(async () => {
    await fixture.end()
  })

  async function opened(options: { readonly twoWay?: boolean } = {}): Promise<ChannelInfo> {
    const channel = await alice.api.open({
      peer: await bob.address(),
      amount: CAPACITY,
      blocks: 300,
      ...options,
      ...(options.twoWay === true ? { step: 12 } : {})
    })
    await alice.api.pay({ to: channel.id, amount: 60_000n })
    return channel
  }

  const of = async (node: TestNode, id: string): Promise<ChannelInfo> =>
    (await node.api.channels()).find((channel) => channel.id === id) ?? assert.fail()

  it('renew a channel: one transaction ends the old and begins the new, and both balances go over', async () => {
    const old = await opened()
    const fresh = await alice.api.renew(old.id, { blocks: 300 })
    await bob.sees(async () => (await of(bob, fresh.id)).status === 'open')
    for (const node of [alice, bob]) {
      await node.sees(
        async () =>
          (await of(node, old.id)).spend?.txid === fresh.funding?.txid &&
          (await of(node, old.id)).status === 'closed'
      )
    }
    // A version 3 transaction of one 2-of-2 input and one P2WSH output has 150 vB at 1.1 sat/vB.
    assert.deepEqual(
      [fresh.capacity, fresh.ourBalance, fresh.theirBalance],
      [CAPACITY - 165n, 440_000n - 165n, 60_000n]
    )
    // No coin of the wallet has a part in it: it is listed all the same.
    const listed = (await alice.api.transactions()).filter(
      (each) => each.txid === fresh.funding?.txid
    )
    assert.deepEqual(
      listed.map(({ kind, amount, fee, confirmations }) => [kind, amount, fee, confirmations > 0]),
      [['funding', 0n, 165n, true]]
    )
    assert.equal((await bob.api.transactions()).length, 0, 'it is none of the server')
    await alice.api.pay({ to: fresh.id, amount: 1n })
    assert.equal((await of(bob, fresh.id)).ourBalance, 60_001n)
    await alice.api.close(fresh.id)
    await bob.sees(async () => (await bob.api.balance()).confirmed === 60_001n)
  })

  it('top a two-way channel up by coins of the wallet, and the server pays back what it brought along', async () => {
    const old = await opened({ twoWay: true })
    const fresh = await alice.api.renew(old.id, { amount: 200_000n, blocks: 300 })
    assert.equal(fresh.capacity, CAPACITY + 200_000n)
    await bob.sees(async () => (await of(bob, fresh.id)).status === 'open')
    await bob.api.pay({ to: fresh.id, amount: 50_000n })
    assert.deepEqual(
      [(await of(alice, fresh.id)).ourBalance, (await of(bob, fresh.id)).ourBalance],
      [690_000n, 10_000n]
    )
    const raw = (await fixture.devnet.transaction(txid(fresh.funding?.txid ?? assert.fail())))?.raw
    assert.ok(raw !== undefined)
    const { vsize } = parseTransaction(raw)
    const fee =
      (await alice.api.transactions()).find((each) => each.txid === fresh.funding?.txid)?.fee ??
      assert.fail('what it paid is not known')
    assert.ok(fee >= BigInt(vsize) && fee <= 2n * BigInt(vsize), `${fee} sat for ${vsize} vB`)
    await alice.api.close(fresh.id)
  })

  it('pay the server its part of the refund when it is gone: T2 has its output (RENEW-2)', async () => {
    const old = await opened()
    const fresh = await alice.api.renew(old.id, { blocks: 100 })
    const before = (await bob.api.balance()).confirmed
    await bob.api.stop()
    await fixture.devnet.mine(fresh.refundHeight - fixture.devnet.height + 1)
    await alice.sees(async () => (await of(alice, fresh.id)).spend?.kind === 'refund')
    await fixture.devnet.mine(1)
    await alice.sees(async () => (await of(alice, fresh.id)).status === 'closed')
    bob = await fixture.node('bob')
    // Its output of T2, less the fee of sweeping it.
    await bob.sees(async () => (await bob.api.balance()).confirmed > before + 59_000n)
    assert.ok((await bob.api.balance()).confirmed <= before + 60_000n)
  })
})
