/** What a node finds on its disk when records are damaged, or of a later release. */
import assert from 'node:assert/strict'
import { type PaymentInfo, paymentKey } from '../../src/engine/payments.js'
import { encodeRecord, RECORD_VERSION, sealRecord } from '../../src/types/records.js'
import type { Snapshot } from '../../src/testing/disk.js'
import { fromHex } from '../../src/types/bytes.js'
import { satoshi } from '../../src/types/units.js'
import { BLOCKS, CAPACITY, codeFrom, quiet, twoNodes, type Node } from './world.js'

/** Changes the records of a node that `which` picks, as a disk does that fails. */
function edited(
  node: Node,
  which: (key: string) => boolean,
  edit: (value: Uint8Array, key: string) => Uint8Array | undefined
): Snapshot {
  const entries = [...node.store.snapshot()].map(
    ([key, value]) => [key, which(key) ? edit(value, key) : value] as const
  )
  return new Map(
    entries.filter((entry): entry is readonly [string, Uint8Array] => entry[1] !== undefined)
  )
}

function flipped(value: Uint8Array): Uint8Array {
  const bad = value.slice()
  bad[bad.length - 1] = (bad[bad.length - 1] ?? 0) ^ 1
  return bad
}

describe('engine / a damaged record', () => {
  const damages: ReadonlyArray<
    readonly [string, string, (value: Uint8Array, key: string) => Uint8Array | undefined]
  > = [
    ['of a channel', 'channel/', flipped],
    ['of a ledger', 'ledger/', flipped],
    ['of a ledger that is gone', 'ledger/', () => undefined],
    ['of a channel that is gone', 'channel/', () => undefined],
    ['that is no channel', 'channel/', (_value, key) => encodeRecord(key, 5)],
    [
      'at a stage that there is not',
      'channel/',
      (_value, key) => encodeRecord(key, { stage: 'floating' })
    ]
  ]
  for (const [what, prefix, edit] of damages) {
    it(`${what}: an alarm, and the other channels go on`, async () => {
      const { world, alice, bob } = await twoNodes({ coin: 2_000_000n })
      const first = await world.open(alice, bob)
      const second = await world.open(alice, bob)
      await bob.restart(edited(bob, (key) => key === prefix + first.id, edit))
      await world.pass(1_000)
      assert.deepEqual(
        bob.events.flatMap((event) =>
          event.type === 'alarm' ? [[event.code, event.channel]] : []
        ),
        [['ERR_STORE_CORRUPT', first.id]]
      )
      assert.deepEqual(
        bob.engine.channels().map(({ id }) => id),
        [second.id]
      )
      await alice.engine.pay(second.id, 1_000n as typeof CAPACITY, '')
      assert.equal(bob.engine.describe(second.id).ourBalance, 1_000n)
    })

    it(`${what}: its key is not taken for another channel (KEY-3)`, async () => {
      const { world, alice, bob } = await twoNodes()
      const { id } = await world.open(alice, bob)
      const [offer] = world.said(alice, 'OpenChannel')
      await bob.restart(edited(bob, (key) => key === prefix + id, edit))
      const refused: string[] = []
      const link = await world.network.peer('mallory').open('bob', () => ({
        onMessage: (message) => {
          refused.push(message.type === 'Error' ? message.code : message.type)
        },
        onClosed: () => {}
      }))
      assert.ok(offer)
      link.send(offer)
      await quiet()
      assert.deepEqual(refused, ['ERR_KEY_REUSED'])
    })
  }

  it('of a payment in flight is found, since it could not be sent again', async () => {
    const { world, alice, bob } = await twoNodes()
    const { id } = await world.open(alice, bob)
    bob.life.holdDisk()
    const paying = codeFrom(alice.pay(1_000n))
    await quiet()
    const before = alice.store.snapshot()
    for (const damage of [flipped, (): undefined => undefined]) {
      await alice.restart(before)
      alice.events.length = 0
      await alice.restart(edited(alice, (key) => key.startsWith(`payment/${id}/`), damage))
      assert.deepEqual(alice.alarms, ['ERR_STORE_CORRUPT'])
      assert.deepEqual(
        alice.engine.channels().map(({ status }) => status),
        ['stopped']
      )
    }
    void paying
  })

  for (const [what, damage] of [
    ['damaged', flipped],
    ['gone', (): undefined => undefined]
  ] as const) {
    it(`of a client's ledger, ${what}: the refund is published at L without the server (TIME-2)`, async () => {
      const { world, alice, bob } = await twoNodes()
      const { id } = await world.open(alice, bob)
      await alice.pay(1_000n)
      bob.crash()
      await alice.restart(edited(alice, (key) => key === `ledger/${id}`, damage))
      assert.deepEqual(alice.alarms, ['ERR_STORE_CORRUPT'])
      const paying = codeFrom(alice.pay(1_000n))
      await world.pass(60_000)
      assert.equal(await paying, 'ERR_CHANNEL_NOT_OPEN')
      await world.mineTo(BLOCKS + 10)
      assert.ok(
        alice.story.some((news) => news.kind === 'published' && news.transaction === 'refund')
      )
    })
  }

  it("of a client's ledger: the server brings the balances back, and nothing is paid any more", async () => {
    const { world, alice, bob } = await twoNodes()
    const { id } = await world.open(alice, bob)
    await alice.pay(1_000n)
    await alice.restart(edited(alice, (key) => key === `ledger/${id}`, flipped))
    await world.pass(1_000)
    assert.equal(alice.channel.ourBalance, CAPACITY - 1_000n)
    assert.equal(await codeFrom(alice.pay(1_000n)), 'ERR_CHANNEL_STOPPED')
    await alice.restart()
    await world.pass(1_000)
    assert.equal(await codeFrom(alice.pay(1_000n)), 'ERR_CHANNEL_STOPPED')
    assert.equal(bob.channel.ourBalance, 1_000n)
  })

  it("of a client's ledger, of a channel that is over: nobody knows what became of its payments, and none is made again", async () => {
    const { world, alice, bob } = await twoNodes({ coin: 2_000_000n })
    const first = await world.open(alice, bob)
    const payOnce = async (channel: typeof first.id, name: string): Promise<PaymentInfo[]> =>
      await alice.engine.payOnce({
        id: name,
        peer: 'bob',
        amount: satoshi(1_000n),
        memo: '',
        plan: (rest) => [{ channel, amount: rest }]
      })
    await payOnce(first.id, 'rent')
    await alice.engine.close(first.id, false)
    await world.mine(10)
    const second = await world.open(alice, bob)
    await alice.restart(edited(alice, (key) => key === `ledger/${first.id}`, flipped))
    for (const isAgain of [false, true]) {
      if (isAgain) await alice.restart()
      await world.pass(1_000)
      await world.mine()
      assert.deepEqual(
        (await alice.payments(first.id)).map(({ status }) => status),
        ['unknown']
      )
      assert.equal(alice.engine.describe(first.id).status, 'closed')
      for (const name of ['rent', 'another one']) {
        assert.equal(await codeFrom(payOnce(second.id, name)), 'ERR_PAYMENTS_FORGOTTEN')
      }
    }
    assert.equal(bob.engine.describe(second.id).ourBalance, 0n)
  })

  it('of the payment log: what was paid by it is missing from the list, the rest is shown', async () => {
    const { world, alice, bob } = await twoNodes()
    const { id } = await world.open(alice, bob)
    for (const amount of [1_000n, 500n, 700n]) await alice.pay(amount)
    await bob.restart(edited(bob, (key) => key === paymentKey(id, 2), flipped))
    await world.pass(1_000)
    assert.deepEqual(
      (await bob.payments()).map(({ amount }) => amount),
      [1_000n, 700n]
    )
    assert.deepEqual(
      bob.events.flatMap((event) => (event.type === 'alarm' ? [[event.code, event.channel]] : [])),
      [['ERR_STORE_CORRUPT', id]]
    )
    assert.equal(bob.channel.ourBalance, 2_200n)
    await alice.pay(100n)
  })

  it('of another channel is found where it does not belong', async () => {
    const { world, alice, bob } = await twoNodes({ coin: 2_000_000n })
    const first = await world.open(alice, bob)
    const second = await world.open(alice, bob)
    await alice.engine.pay(first.id, 1_000n as typeof CAPACITY, '')
    const richer = bob.store.snapshot().get(`ledger/${first.id}`)
    await bob.restart(
      edited(
        bob,
        (key) => key === `ledger/${second.id}`,
        () => richer
      )
    )
    assert.deepEqual(bob.alarms, ['ERR_STORE_CORRUPT'])
    assert.deepEqual(
      bob.engine.channels().map(({ id }) => id),
      [first.id]
    )
  })

  it('of a later release is none: the node does not start (ERR_STORE_VERSION)', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    for (const prefix of ['channel/', 'ledger/']) {
      const later = edited(
        bob,
        (key) => key.startsWith(prefix),
        (_value, key) => sealRecord(key, fromHex('0a00'), RECORD_VERSION + 1)
      )
      assert.equal(await codeFrom(bob.restart(later)), 'ERR_STORE_VERSION')
    }
  })
})
