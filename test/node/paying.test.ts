/**
 * Payments between real nodes: on one channel of several, over several, in both directions, with an
 * id.
 */
import assert from 'node:assert/strict'
import { codeOfRejection, Fixture, type TestNode } from './fixture.js'

const BLOCKS = 144

describe('node / paying', () => {
  let fixture: Fixture
  let alice: TestNode
  let bob: TestNode
  let [toAlice, toBob] = ['', '']

  beforeEach(async () => {
    fixture = await Fixture.create()
    ;[alice, bob] = [await fixture.rich('alice'), await fixture.rich('bob')]
    ;[toAlice, toBob] = [(await alice.api.info()).peerId, (await bob.api.info()).peerId]
  })
  afterEach(async () => {
    await fixture.end()
  })

  async function open(client: TestNode, server: TestNode, amount: bigint): Promise<string> {
    return (await client.api.open({ peer: await server.address(), amount, blocks: BLOCKS })).id
  }

  /** What a node was paid, by channel. */
  async function income(node: TestNode): Promise<Record<string, bigint>> {
    return Object.fromEntries(
      (await node.api.channels())
        .filter(({ role }) => role === 'server')
        .map(({ id, ourBalance }) => [id, ourBalance])
    )
  }

  it('takes one channel when one is enough, and several when none is', async () => {
    const [small, large] = [await open(alice, bob, 20_000n), await open(alice, bob, 50_000n)]
    const one = await alice.api.pay({ to: toBob, amount: 15_000n })
    assert.deepEqual([one.channel, one.parts.length, one.requestId], [small, 1, undefined])

    const split = await alice.api.pay({ to: toBob, amount: 52_000n, memo: 'all of it' })
    assert.deepEqual(
      split.parts.map(({ channel, amount, status }) => [channel, amount, status]),
      [
        [large, 50_000n, 'acknowledged'],
        [small, 2_000n, 'acknowledged']
      ]
    )
    assert.deepEqual([split.amount, split.requestId?.length], [52_000n, 32])
    assert.deepEqual(await income(bob), { [small]: 17_000n, [large]: 50_000n })
    assert.equal(
      await codeOfRejection(alice.api.pay({ to: toBob, amount: 3_001n })),
      'ERR_INSUFFICIENT_BALANCE'
    )
  })

  it('takes a part of a peer id for the whole: to pay, to open and to recover', async () => {
    const [start, end] = [toBob.slice(0, 14), toBob.slice(-8)]
    await alice.api.connect(await bob.address())
    assert.equal(
      await codeOfRejection(alice.api.pay({ to: end, amount: 1_000n })),
      'ERR_NO_CHANNEL'
    )
    const { id, peerId } = await alice.api.open({
      peer: `…${end}`,
      amount: 50_000n,
      blocks: BLOCKS
    })
    assert.equal(peerId, toBob)
    for (const to of [toBob, start, end, `…${end}`]) {
      assert.equal((await alice.api.pay({ to, amount: 1_000n })).channel, id, to)
    }
    const request = { to: end, amount: 1_000n, id: 'rent' }
    await alice.api.pay(request)
    assert.equal((await alice.api.pay({ ...request, to: toBob })).already, true, 'the same payee')
    assert.deepEqual(await income(bob), { [id]: 5_000n })
    assert.equal((await alice.api.recover(end)).known, 1)
    assert.equal(
      await codeOfRejection(alice.api.pay({ to: toAlice.slice(-8), amount: 1_000n })),
      'ERR_INVALID_PEER',
      'it cannot pay itself'
    )
    for (const to of ['zzzz', '12D3KooW']) {
      assert.equal(
        await codeOfRejection(alice.api.pay({ to, amount: 1_000n })),
        'ERR_INVALID_PEER',
        to
      )
    }
  })

  it('goes both ways in one node at once, and never on a channel in which the other side pays', async () => {
    const [mine, his] = [await open(alice, bob, 30_000n), await open(bob, alice, 200_000n)]
    await Promise.all([
      ...Array.from({ length: 20 }, async () => await alice.api.pay({ to: toBob, amount: 1_000n })),
      ...Array.from({ length: 20 }, async () => await bob.api.pay({ to: toAlice, amount: 2_000n }))
    ])
    assert.deepEqual(
      [await income(bob), await income(alice)],
      [{ [mine]: 20_000n }, { [his]: 40_000n }]
    )
    assert.equal(
      await codeOfRejection(alice.api.pay({ to: toBob, amount: 10_001n })),
      'ERR_INSUFFICIENT_BALANCE'
    )
    assert.equal(
      await codeOfRejection(alice.api.pay({ to: his, amount: 1_000n })),
      'ERR_NOT_THE_PAYER'
    )
    assert.equal(
      await codeOfRejection(alice.api.pay({ to: his, amount: 1_000n, id: 'x' })),
      'ERR_NOT_THE_PAYER'
    )
    const { memo } = await bob.api.pay({ to: his, amount: 5_000n, memo: 'by its name' })
    assert.equal(memo, 'by its name')
  })

  it('keeps a payment with an id once through restarts of both nodes', async () => {
    const channel = await open(alice, bob, 30_000n)
    const [one, other] = await Promise.all(
      [1, 2].map(async () => await alice.api.pay({ to: toBob, amount: 7_000n, id: 'rent' }))
    )
    assert.deepEqual([one?.requestId, one?.parts], ['rent', other?.parts])
    const repeated = await alice.api.pay({ to: toBob, amount: 7_000n, id: 'rent' })
    assert.deepEqual(
      [one?.already, repeated.already, repeated.time],
      [false, true, one?.time],
      'it says that it was made before, and when'
    )
    const address = (await bob.address()).replace(/\/p2p\/.*$/, '')
    await alice.api.stop()
    await bob.api.stop()
    const [again, late] = [
      await fixture.node('bob', { listen: [address] }),
      await fixture.node('alice')
    ]
    assert.deepEqual(
      (await late.api.pay({ to: toBob, amount: 7_000n, id: 'rent' })).parts,
      one?.parts
    )
    assert.equal(
      await codeOfRejection(late.api.pay({ to: toBob, amount: 8_000n, id: 'rent' })),
      'ERR_PAYMENT_CONFLICT'
    )
    assert.equal(
      await codeOfRejection(late.api.pay({ to: toBob, amount: 8_000n, id: '' })),
      'ERR_INVALID_PAYMENT_ID'
    )
    assert.deepEqual(await income(again), { [channel]: 7_000n })
  })
})
