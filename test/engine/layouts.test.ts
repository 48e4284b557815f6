/** What a node finds on its disk: records of an earlier release, and records that are damaged. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { loadChannels } from '../../src/engine/loading.js'
import { paymentKey } from '../../src/engine/payments.js'
import { encodeRecord, isLayout1, RECORD_VERSION, sealRecord } from '../../src/engine/records.js'
import { openSimStore, type SimStore, type Snapshot } from '../../src/testing/disk.js'
import type { Established } from '../../src/channel/state.js'
import { fromHex } from '../../src/types/bytes.js'
import { BLOCKS, CAPACITY, codeFrom, quiet, twoNodes, type Node } from './world.js'

type Fixture = Record<'alice' | 'bob', Record<string, string>>

/**
 * Written by the last release of layout 1: 3 payments, and a fourth of 250 sat that alice has
 * signed and bob has not acknowledged.
 */
const LAYOUT_1 = JSON.parse(readFileSync('test/engine/fixtures/layout-1.json', 'utf8')) as Fixture

function disk(who: keyof Fixture): Snapshot {
  return new Map(
    Object.entries(LAYOUT_1[who]).map(([key, text]) => [key, new TextEncoder().encode(text)])
  )
}

async function onlyChannel(store: SimStore): Promise<Established> {
  const {
    channels: [channel],
    damaged
  } = await loadChannels(store)
  assert.deepEqual(damaged, [])
  assert.ok(channel?.stage === 'established')
  return channel
}

describe('engine / a store of layout 1', () => {
  for (const who of ['alice', 'bob'] as const) {
    it(`of ${who} is written anew in one batch, and read the same from then on`, async () => {
      const store = openSimStore(disk(who))
      const first = await onlyChannel(store)
      assert.equal(store.batches, 1)
      assert.deepEqual(
        [...store.snapshot()].filter(([, value]) => isLayout1(value)),
        []
      )
      const again = openSimStore(store.snapshot())
      assert.deepEqual(await onlyChannel(again), first)
      assert.equal(again.batches, 0)
    })
  }

  it('keeps balances, signatures, and what is in flight with its payments', async () => {
    const alice = await onlyChannel(openSimStore(disk('alice')))
    assert.deepEqual(
      [
        alice.ledger.held?.sequence,
        alice.ledger.held?.payerBalance,
        alice.ledger.held?.paymentCount
      ],
      [3, CAPACITY - 2_200n, 3]
    )
    assert.deepEqual(
      alice.ledger.inFlight.map(({ sequence, payerBalance, payments }) => [
        sequence,
        payerBalance,
        payments.map(({ amount, memo }) => [amount, memo])
      ]),
      [[4, CAPACITY - 2_450n, [[250n, 'in flight']]]]
    )
    assert.equal(alice.refundSignature?.length, 64)
    const bob = await onlyChannel(openSimStore(disk('bob')))
    assert.equal(bob.ledger.held?.signature?.length, 64)
  })

  it('serves a node with its payments as they were', async () => {
    const { alice, bob } = await twoNodes()
    for (const [node, name] of [
      [alice, 'alice'],
      [bob, 'bob']
    ] as const) {
      await node.restart(disk(name))
    }
    assert.deepEqual(
      (await bob.payments()).map(({ amount, memo, status }) => [amount, memo, status]),
      [
        [1_000n, 'tea', 'acknowledged'],
        [500n, '', 'acknowledged'],
        [700n, 'für zwei', 'acknowledged']
      ]
    )
    assert.equal((await alice.payments()).length, 4)
    assert.deepEqual(
      [...alice.alarms, ...bob.alarms].filter((code) => code === 'ERR_STORE_CORRUPT'),
      []
    )
  })

  it('that cannot be written anew stays as it is', async () => {
    const store = openSimStore(disk('alice'))
    store.failNext()
    assert.equal(await codeFrom(loadChannels(store)), 'ERR_STORE_FAILED')
    assert.deepEqual(store.snapshot(), disk('alice'))
  })
})

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
