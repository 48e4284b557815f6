import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Quote } from '../../src/channel/quote.js'
import type { Payable } from '../../src/engine/holdings.js'
import { payeeOf, planPayment } from '../../src/node/plan-payment.js'
import { channelId } from '../../src/types/bytes.js'
import { satoshi } from '../../src/types/units.js'

const PEER = '12D3KooWPeer'

interface Setup extends Partial<Omit<Payable, 'quote'>>, Partial<Quote> {}

/** A channel with room for so much; whoever pays on it first pays `least`. */
function channel(
  id: string,
  room: bigint,
  { takesTurn = false, least = satoshi(1n), most = satoshi(5_000_000n), ...changes }: Setup = {}
): Payable {
  return {
    id: channelId(id.padEnd(64, '0')),
    peerId: PEER,
    status: 'open',
    isOurs: true,
    quote: { takesTurn, room: satoshi(room), least, most },
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
            if (own[0] === undefined || quote === undefined) continue
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
