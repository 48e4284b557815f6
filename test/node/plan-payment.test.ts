import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { ChannelInfo } from '../../src/node/api.js'
import { payeeOf, planPayment } from '../../src/node/plan-payment.js'
import { satoshi } from '../../src/types/units.js'
import { channel, PEER } from './channels.js'

/** A channel that has been paid on, with so much left. */
function used (id: string, left: bigint, changes: Partial<ChannelInfo> = {}): ChannelInfo {
  return channel(id, { capacity: satoshi(2_000_000n), ourBalance: satoshi(left), ...changes })
}

/** A channel that has not been paid on yet. */
function fresh (id: string, capacity: bigint, changes: Partial<ChannelInfo> = {}): ChannelInfo {
  return channel(id, { capacity: satoshi(capacity), ourBalance: satoshi(capacity), ...changes })
}

const LIMITS = { minFirstPayment: satoshi(500n), maxStake: satoshi(5_000_000n), minTurnAmount: satoshi(0n), maxInFlightUpdates: 16, maxInFlightValue: satoshi(5_000_000n), maxRisk: 100 }
const roomy = { limits: LIMITS }

function plan (channels: readonly ChannelInfo[], amount: bigint, to = PEER): string[] {
  return planPayment(channels, to, amount).map((part) => `${part.channel.replace(/0+$/, '')}:${part.amount}`)
}

describe('node / planning a payment', () => {
  it('takes the smallest one that is enough', () => {
    const channels = [used('a', 9_000n, roomy), used('b', 500n, roomy), used('c', 2_000n, roomy)]
    assert.deepEqual(plan(channels, 1_000n), ['c:1000'])
    assert.deepEqual(plan(channels, 500n), ['b:500'])
  })

  it('takes several when none is enough, as few as it can', () => {
    const channels = [used('a', 900n, roomy), used('b', 500n, roomy), used('c', 2_000n, roomy)]
    assert.deepEqual(plan(channels, 2_500n), ['c:2000', 'a:500'])
    assert.deepEqual(plan(channels, 3_400n), ['c:2000', 'a:900', 'b:500'])
  })

  it('takes open ones rather than those that have to be reconnected, and these rather than none', () => {
    const offline = used('b', 10_000n, { ...roomy, status: 'offline', spendable: satoshi(0n) })
    const open = [used('c', 1_000n, roomy), used('d', 800n, roomy)]
    assert.deepEqual(plan([offline, ...open], 1_000n), ['c:1000'])
    assert.deepEqual(plan([offline, ...open], 1_500n), ['c:1000', 'd:500'])
    assert.deepEqual(plan([offline, ...open], 2_000n), ['b:2000'])
    assert.deepEqual(plan([offline, ...open], 11_000n), ['c:1000', 'd:800', 'b:9200'])
  })

  it('gives a new channel at least what its first payment has to be (UPD-10)', () => {
    const limits = { ...LIMITS, minFirstPayment: satoshi(2_000n) }
    const channels = [used('a', 9_000n, roomy), fresh('b', 8_000n, { limits })]
    assert.deepEqual(plan(channels, 9_500n), ['a:7500', 'b:2000'])
    assert.deepEqual(plan([fresh('b', 8_000n, { limits }), used('c', 1_500n, roomy)], 1_900n), ['b:1900'], 'nothing fits: the refusal is that of the channel')
  })

  it('leaves room for what the payee takes at stake (UPD-11), and counts what is on its way as gone', () => {
    const capped = used('a', 1_990_000n, { limits: { ...LIMITS, maxStake: satoshi(12_000n) } })
    assert.deepEqual(plan([capped, used('b', 9_000n, roomy)], 11_000n), ['b:9000', 'a:2000'])
    assert.throws(() => plan([capped, used('b', 1_000n, { ...roomy, inFlight: satoshi(600n) })], 2_500n), { code: 'ERR_INSUFFICIENT_BALANCE', facts: { asked: 2_500n, left: 2_400n } })
  })

  it('signs several times on one channel when the window of its payee is small (UPD-6)', () => {
    const limits = { ...LIMITS, maxInFlightValue: satoshi(4_000n) }
    assert.deepEqual(plan([used('a', 20_000n, { limits })], 9_000n), ['a:4000', 'a:4000', 'a:1000'])
    assert.deepEqual(plan([used('aabbccdd', 20_000n, { limits })], 9_000n, 'aabbccdd'), ['aabbccdd:4000', 'aabbccdd:4000', 'aabbccdd:1000'])
  })

  it('lets no payee make a loop of it', () => {
    const limits = { ...LIMITS, maxInFlightValue: satoshi(1n) }
    assert.deepEqual(plan([used('a', 20_000n, { limits })], 9_000n), ['a:9000'], 'which the channel refuses')
  })

  it('says how much all of them have when together they are not enough; a single one says so itself', () => {
    assert.throws(() => plan([used('a', 300n, roomy), used('b', 700n, roomy)], 1_001n), { code: 'ERR_INSUFFICIENT_BALANCE', facts: { asked: 1_001n, left: 1_000n } })
    assert.deepEqual(plan([used('a', 300n, roomy)], 1_000n), ['a:1000'])
  })

  it('knows a peer by its multiaddr, and tells a wrong name from one without a channel', () => {
    const peerId = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp'
    assert.deepEqual(plan([used('a', 900n, { ...roomy, peerId })], 800n, `/ip4/127.0.0.1/tcp/1/p2p/${peerId}`), ['a:800'])
    assert.throws(() => plan([], 1n, peerId), { code: 'ERR_NO_CHANNEL' })
    for (const to of ['bob', '', '12D3KooW', '1a2b']) assert.throws(() => plan([used('a', 900n)], 1n, to), { code: 'ERR_INVALID_PEER' }, to)
    assert.throws(() => plan([], 1n, '/ip4/127.0.0.1/tcp/1'), { code: 'ERR_INVALID_MULTIADDR' })
  })

  it('never takes a channel of others, one in which the other side pays, or one that has ended', () => {
    const channels = [channel('a', { peerId: 'somebody else' }), channel('b', { role: 'server' }), channel('c', { status: 'closed' }), channel('d', { status: 'stopped' }), channel('e', { status: 'abandoned' })]
    assert.throws(() => plan(channels, 1n), { code: 'ERR_NO_CHANNEL' })
    assert.deepEqual(plan([channel('b', { role: 'server', capacity: satoshi(9_000_000n) }), used('f', 900n, roomy), used('d', 800n, roomy)], 1_000n), ['f:900', 'd:100'])
  })

  it('takes one that is not ready only when there is no other: it says when it will be', () => {
    assert.deepEqual(plan([fresh('a', 5_000n, { status: 'confirming' })], 1_000n), ['a:1000'])
    assert.throws(() => plan([fresh('a', 500n, { status: 'confirming' }), used('b', 900n, roomy)], 1_000n), { code: 'ERR_INSUFFICIENT_BALANCE' })
  })

  it('takes a channel that is named, whatever is left in it: the refusal is then its own', () => {
    const channels = [used('aabbccdd', 1n, roomy), fresh('ffeeddcc', 100_000n)]
    assert.deepEqual(plan(channels, 1_000n, 'aabbccdd'), ['aabbccdd:1000'])
    assert.deepEqual([payeeOf(channels, 'aabbccdd'), payeeOf(channels, PEER)], [PEER, PEER])
  })

  it('always gives parts that add up, within what each channel can carry', () => {
    const amounts = fc.bigInt(0n, 5_000n)
    const one = fc.record({ left: amounts, isFresh: fc.boolean(), isOpen: fc.boolean(), least: fc.bigInt(1n, 2_000n), window: fc.bigInt(2_000n, 4_000n), stake: fc.bigInt(2_000n, 2_004_000n) })
    fc.assert(fc.property(fc.array(one, { minLength: 2, maxLength: 6 }), fc.bigInt(1n, 12_000n), (setups, amount) => {
      const channels = setups.map(({ left, isFresh, isOpen, least, window, stake }, n) => (isFresh ? fresh : used)(`a${n + 1}`, left, {
        status: isOpen ? 'open' : 'offline',
        limits: { minFirstPayment: satoshi(least), maxStake: satoshi(stake), minTurnAmount: satoshi(0n), maxInFlightUpdates: 16, maxInFlightValue: satoshi(window), maxRisk: 100 }
      }))
      let parts: ReturnType<typeof planPayment>
      try {
        parts = planPayment(channels, PEER, amount)
      } catch {
        return
      }
      assert.equal(parts.reduce((sum, part) => sum + part.amount, 0n), amount)
      if (parts.length === 1) return
      for (const { id, ourBalance, capacity, limits } of channels) {
        const own = parts.filter((part) => part.channel === id).map((part) => part.amount)
        const sum = own.reduce((a, b) => a + b, 0n)
        if (own[0] === undefined || limits === undefined) continue
        assert.ok(sum <= ourBalance && capacity - ourBalance + sum <= limits.maxStake)
        assert.ok(own.every((amount) => amount > 0n && amount <= limits.maxInFlightValue))
        assert.ok(capacity !== ourBalance || own[0] >= limits.minFirstPayment)
      }
    }), { seed: 7, numRuns: 2_000 })
  })
})
