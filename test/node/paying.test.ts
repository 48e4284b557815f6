/**
 * Payments between real nodes: on one channel of several, over several, in both directions, with an
 * id.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Quote } from '../../src/channel/quote.js'
import type { Payable } from '../../src/engine/holdings.js'
import { payeeOf, planPayment } from '../../src/node/plan-payment.js'
import { channelId } from '../../src/types/bytes.js'
import { codeOf, PaychanError } from '../../src/types/errors.js'
import { satoshi } from '../../src/types/units.js'
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
    return (
      await client.api.channels.open({
        peer: await server.address(),
        amount: satoshi(amount),
        blocks: BLOCKS
      })
    ).id
  }

  /** What a node was paid, by channel. */
  async function income(node: TestNode): Promise<Record<string, bigint>> {
    return Object.fromEntries(
      (await node.api.channels.list())
        .filter(({ role }) => role === 'server')
        .map(({ id, ourBalance }) => [id, ourBalance])
    )
  }

  it('takes one channel when one is enough, and several when none is', async () => {
    const [small, large] = [await open(alice, bob, 20_000n), await open(alice, bob, 50_000n)]
    const one = await alice.api.pay({ to: toBob, amount: satoshi(15_000n) })
    assert.deepEqual([one.channel, one.parts.length, one.requestId], [small, 1, undefined])

    const split = await alice.api.pay({ to: toBob, amount: satoshi(52_000n), memo: 'all of it' })
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
      await codeOfRejection(alice.api.pay({ to: toBob, amount: satoshi(3_001n) })),
      'ERR_INSUFFICIENT_BALANCE'
    )
  })

  it('takes another one for those who find the room of the first taken by others at the same time', async () => {
    const [small, large] = [await open(alice, bob, 20_000n), await open(alice, bob, 50_000n)]
    const pay = async (): ReturnType<typeof alice.api.pay> =>
      await alice.api.pay({ to: toBob, amount: satoshi(15_000n) })
    const paid = await Promise.all([pay(), pay(), pay()])
    assert.deepEqual(
      paid.map(({ channel, amount, status }) => [channel, amount, status]),
      [
        [small, 15_000n, 'acknowledged'],
        [large, 15_000n, 'acknowledged'],
        [large, 15_000n, 'acknowledged']
      ]
    )
    const [fourth, fifth] = await Promise.allSettled([pay(), pay()])
    assert.equal(fourth.status, 'fulfilled')
    assert.equal(fifth.status, 'rejected')
    assert.equal(codeOf(fifth.reason), 'ERR_INSUFFICIENT_BALANCE')
    assert.deepEqual(await income(bob), { [small]: 15_000n, [large]: 45_000n })
  })

  it('takes a part of a peer id for the whole: to pay, to open and to recover', async () => {
    const [start, end] = [toBob.slice(0, 14), toBob.slice(-8)]
    await alice.api.peers.connect(await bob.address())
    assert.equal(
      await codeOfRejection(alice.api.pay({ to: end, amount: satoshi(1_000n) })),
      'ERR_NO_CHANNEL'
    )
    const { id, peerId } = await alice.api.channels.open({
      peer: `…${end}`,
      amount: satoshi(50_000n),
      blocks: BLOCKS
    })
    assert.equal(peerId, toBob)
    for (const to of [toBob, start, end, `…${end}`]) {
      assert.equal((await alice.api.pay({ to, amount: satoshi(1_000n) })).channel, id, to)
    }
    const request = { to: end, amount: satoshi(1_000n), id: 'rent' }
    await alice.api.pay(request)
    assert.equal((await alice.api.pay({ ...request, to: toBob })).already, true, 'the same payee')
    assert.deepEqual(await income(bob), { [id]: 5_000n })
    assert.equal((await alice.api.channels.recover(end)).known, 1)
    assert.equal(
      await codeOfRejection(alice.api.pay({ to: toAlice.slice(-8), amount: satoshi(1_000n) })),
      'ERR_INVALID_PEER',
      'it cannot pay itself'
    )
    for (const to of ['zzzz', '12D3KooW']) {
      assert.equal(
        await codeOfRejection(alice.api.pay({ to, amount: satoshi(1_000n) })),
        'ERR_INVALID_PEER',
        to
      )
    }
  })

  it('goes both ways in one node at once, and never on a channel in which the other side pays', async () => {
    const [mine, his] = [await open(alice, bob, 30_000n), await open(bob, alice, 200_000n)]
    await Promise.all([
      ...Array.from(
        { length: 20 },
        async () => await alice.api.pay({ to: toBob, amount: satoshi(1_000n) })
      ),
      ...Array.from(
        { length: 20 },
        async () => await bob.api.pay({ to: toAlice, amount: satoshi(2_000n) })
      )
    ])
    assert.deepEqual(
      [await income(bob), await income(alice)],
      [{ [mine]: 20_000n }, { [his]: 40_000n }]
    )
    assert.equal(
      await codeOfRejection(alice.api.pay({ to: toBob, amount: satoshi(10_001n) })),
      'ERR_INSUFFICIENT_BALANCE'
    )
    assert.equal(
      await codeOfRejection(alice.api.pay({ to: his, amount: satoshi(1_000n) })),
      'ERR_NOT_THE_PAYER'
    )
    assert.equal(
      await codeOfRejection(alice.api.pay({ to: his, amount: satoshi(1_000n), id: 'x' })),
      'ERR_NOT_THE_PAYER'
    )
    const { memo } = await bob.api.pay({ to: his, amount: satoshi(5_000n), memo: 'by its name' })
    assert.equal(memo, 'by its name')
  })

  it('keeps a payment with an id once through restarts of both nodes', async () => {
    const channel = await open(alice, bob, 30_000n)
    const [one, other] = await Promise.all(
      [1, 2].map(
        async () => await alice.api.pay({ to: toBob, amount: satoshi(7_000n), id: 'rent' })
      )
    )
    assert.deepEqual([one?.requestId, one?.parts], ['rent', other?.parts])
    const repeated = await alice.api.pay({ to: toBob, amount: satoshi(7_000n), id: 'rent' })
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
      (await late.api.pay({ to: toBob, amount: satoshi(7_000n), id: 'rent' })).parts,
      one?.parts
    )
    assert.equal(
      await codeOfRejection(late.api.pay({ to: toBob, amount: satoshi(8_000n), id: 'rent' })),
      'ERR_PAYMENT_CONFLICT'
    )
    assert.equal(
      await codeOfRejection(late.api.pay({ to: toBob, amount: satoshi(8_000n), id: '' })),
      'ERR_INVALID_PAYMENT_ID'
    )
    assert.deepEqual(await income(again), { [channel]: 7_000n })
  })
})

const PEER = '12D3KooWPeer'

interface Setup extends Partial<Omit<Payable, 'quote'>>, Partial<Quote> {}

/** A channel with room for so much; whoever pays on it first pays `least`. */
function channel(
  id: string,
  room: bigint,
  {
    takesTurn = false,
    least = satoshi(1n),
    most = satoshi(5_000_000n),
    refusal = undefined,
    ...changes
  }: Setup = {}
): Payable {
  return {
    id: channelId(id.padEnd(64, '0')),
    peerId: PEER,
    status: 'open',
    isOurs: true,
    quote: {
      takesTurn,
      left: satoshi(room),
      room: satoshi(room),
      least,
      most,
      stake: { now: 0n, most: satoshi(room) },
      refusal
    },
    ...changes
  }
}

function plan(channels: readonly Payable[], amount: bigint, to = PEER): string[] {
  return planPayment(channels, to, amount).map(
    (part) => `${part.channel.replace(/0+$/, '')}:${part.amount}`
  )
}

describe('node / planning a payment', () => {
  it('takes the smallest one that is enough', () => {
    const channels = [channel('a', 9_000n), channel('b', 500n), channel('c', 2_000n)]
    assert.deepEqual(plan(channels, 1_000n), ['c:1000'])
    assert.deepEqual(plan(channels, 500n), ['b:500'])
  })

  it('takes several when none is enough, as few as it can', () => {
    const channels = [channel('a', 900n), channel('b', 500n), channel('c', 2_000n)]
    assert.deepEqual(plan(channels, 2_500n), ['c:2000', 'a:500'])
    assert.deepEqual(plan(channels, 3_400n), ['c:2000', 'a:900', 'b:500'])
  })

  it('takes open ones rather than those that have to be reconnected, and these rather than none', () => {
    const offline = channel('b', 10_000n, { status: 'offline' })
    const open = [channel('c', 1_000n), channel('d', 800n)]
    assert.deepEqual(plan([offline, ...open], 1_000n), ['c:1000'])
    assert.deepEqual(plan([offline, ...open], 1_500n), ['c:1000', 'd:500'])
    assert.deepEqual(plan([offline, ...open], 2_000n), ['b:2000'])
    assert.deepEqual(plan([offline, ...open], 11_000n), ['c:1000', 'd:800', 'b:9200'])
  })

  it('takes one that takes payments just now rather than one that does not', () => {
    const refusal = new PaychanError('ERR_NOT_WATCHED', 'Nobody watches it.')
    const idle = channel('a', 1_000n, { refusal })
    const large = channel('b', 9_000n)
    assert.deepEqual(plan([idle, large], 1_000n), ['b:1000'])
    assert.deepEqual(plan([channel('c', 9_900n, { refusal }), large], 9_500n), ['c:9500'])
    assert.deepEqual(plan([idle, large], 9_500n), ['b:9000', 'a:500'])
    assert.deepEqual(plan([idle], 1_000n), ['a:1000'], 'and it says why')
  })

  it('gives a new channel at least what its first payment has to be (UPD-10)', () => {
    const least = satoshi(2_000n)
    const channels = [channel('a', 9_000n), channel('b', 8_000n, { least })]
    assert.deepEqual(plan(channels, 9_500n), ['a:7500', 'b:2000'])
    assert.deepEqual(
      plan([channel('b', 8_000n, { least }), channel('c', 1_500n)], 1_900n),
      ['b:1900'],
      'nothing fits: the refusal is that of the channel'
    )
  })

  it('signs several times on one channel when the window of its payee is small (UPD-6)', () => {
    const most = satoshi(4_000n)
    assert.deepEqual(plan([channel('a', 20_000n, { most })], 9_000n), [
      'a:4000',
      'a:4000',
      'a:1000'
    ])
    assert.deepEqual(plan([channel('aabbccdd', 20_000n, { most })], 9_000n, 'aabbccdd'), [
      'aabbccdd:4000',
      'aabbccdd:4000',
      'aabbccdd:1000'
    ])
  })

  it('lets no payee make a loop of it', () => {
    assert.deepEqual(
      plan([channel('a', 20_000n, { most: satoshi(1n) })], 9_000n),
      ['a:9000'],
      'which the channel refuses'
    )
  })

  it('says how much all of them have when together they are not enough; a single one says so itself', () => {
    assert.throws(() => plan([channel('a', 300n), channel('b', 700n)], 1_001n), {
      code: 'ERR_INSUFFICIENT_BALANCE',
      facts: { asked: 1_001n, left: 1_000n }
    })
    assert.deepEqual(plan([channel('a', 300n)], 1_000n), ['a:1000'])
  })

  it('knows a peer by its multiaddr, and tells a wrong name from one without a channel', () => {
    const peerId = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp'
    assert.deepEqual(
      plan([channel('a', 900n, { peerId })], 800n, `/ip4/127.0.0.1/tcp/1/p2p/${peerId}`),
      ['a:800']
    )
    assert.throws(() => plan([], 1n, peerId), { code: 'ERR_NO_CHANNEL' })
    for (const to of ['bob', '', '12D3KooW', '1a2b']) {
      assert.throws(() => plan([channel('a', 900n)], 1n, to), { code: 'ERR_INVALID_PEER' }, to)
    }
    assert.throws(() => plan([], 1n, '/ip4/127.0.0.1/tcp/1'), { code: 'ERR_INVALID_MULTIADDR' })
  })

  it('never takes a channel of others, one in which the other side pays, or one that has ended', () => {
    const channels = [
      channel('a', 9_000n, { peerId: 'somebody else' }),
      channel('b', 9_000n, { isOurs: false }),
      channel('c', 9_000n, { status: 'closed' }),
      channel('d', 9_000n, { status: 'stopped' }),
      channel('e', 9_000n, { status: 'abandoned' })
    ]
    assert.throws(() => plan(channels, 1n), { code: 'ERR_NO_CHANNEL' })
    assert.deepEqual(
      plan(
        [channel('b', 9_000_000n, { isOurs: false }), channel('f', 900n), channel('d', 800n)],
        1_000n
      ),
      ['f:900', 'd:100']
    )
  })

  it('takes one that is not ready only when there is no other: it says when it will be', () => {
    assert.deepEqual(plan([channel('a', 5_000n, { status: 'confirming' })], 1_000n), ['a:1000'])
    assert.throws(
      () => plan([channel('a', 500n, { status: 'confirming' }), channel('b', 900n)], 1_000n),
      { code: 'ERR_INSUFFICIENT_BALANCE' }
    )
  })

  it('takes a channel that is named, whatever is left in it: the refusal is then its own', () => {
    const channels = [channel('aabbccdd', 1n), channel('ffeeddcc', 100_000n)]
    assert.deepEqual(plan(channels, 1_000n, 'aabbccdd'), ['aabbccdd:1000'])
    assert.deepEqual([payeeOf(channels, 'aabbccdd'), payeeOf(channels, PEER)], [PEER, PEER])
  })

  it('always gives parts that add up, within what each channel can carry', () => {
    const one = fc.record({
      room: fc.bigInt(0n, 5_000n),
      least: fc.bigInt(1n, 2_000n),
      most: fc.bigInt(2_000n, 4_000n),
      isOpen: fc.boolean(),
      takesTurn: fc.boolean()
    })
    fc.assert(
      fc.property(
        fc.array(one, { minLength: 2, maxLength: 6 }),
        fc.bigInt(1n, 12_000n),
        (setups, amount) => {
          const channels = setups.map(({ room, least, most, isOpen, takesTurn }, n) =>
            channel(`a${n + 1}`, room, {
              status: isOpen ? 'open' : 'offline',
              takesTurn,
              least: satoshi(least),
              most: satoshi(most)
            })
          )
          let parts: ReturnType<typeof planPayment>
          try {
            parts = planPayment(channels, PEER, amount)
          } catch {
            return
          }
          assert.equal(
            parts.reduce((sum, part) => sum + part.amount, 0n),
            amount
          )
          if (parts.length === 1) return
          for (const { id, quote } of channels) {
            const own = parts.filter((part) => part.channel === id).map((part) => part.amount)
            if (own[0] === undefined) continue
            assert.ok(own.reduce((a, b) => a + b, 0n) <= quote.room)
            assert.ok(own.every((amount) => amount > 0n && amount <= quote.most))
            assert.ok(own[0] >= quote.least)
          }
        }
      ),
      { seed: 7, numRuns: 2_000 }
    )
  })
})
