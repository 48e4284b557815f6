/**
 * What a close may cost its asker when the two sides estimate fees differently: the first ask
 * freezes the channel (CLOSE-6), so a later one must be able to pay what the other side asks for
 * (CLOSE-4, CLOSE-7), and yet a peer that always refuses must not burn the asker's share.
 */
import assert from 'node:assert/strict'
import { lowerMedian } from '../../src/chain/waiting.js'
import { closeVsize } from '../../src/bitcoin/closing.js'
import { feeFor, feeRate, type FeeRate } from '../../src/types/units.js'
import { assertRefused, effectsOf, eventOf, sentOf, take } from './asserts.js'
import { World } from './world.js'

/** sat/vB */
const rate = (satPerVByte: number): FeeRate => feeRate(BigInt(satPerVByte * 1000))

const MARKET = rate(20)

/** One server of two says 1 sat/vB. */
const LIED = lowerMedian([MARKET, rate(1)]) ?? assert.fail()

/** The client is told that fees are low, and its honest peer is not. */
function liedTo(capacity: bigint): World {
  const world = new World({ capacity }).open().paid(10_000n)
  world.client.feeRate = LIED
  world.server.feeRate = MARKET
  return world
}

function ask(world: World, named?: FeeRate): void {
  world.client.post({ type: 'close', feeRate: named })
  world.run()
}

/** The number of plain asks until there is a close, at the most 40. */
function asksUntilClosed(world: World): number {
  for (let asks = 1; asks <= 40; asks++) {
    ask(world)
    if (isClosed(world)) return asks
  }
  return assert.fail(`still open: ${lastRefusal(world) ?? 'nothing refused'}`)
}

const isClosed = (world: World): boolean =>
  world.server.established.closes.some(
    ({ raw, renewedAs }) => raw !== undefined && renewedAs === undefined
  )

const lastRefusal = (world: World): string | undefined =>
  effectsOf(world.client.effects, 'close-refused').at(-1)?.error.code

const feesAsked = (world: World): bigint[] =>
  sentOf(world.client.effects, 'CloseRequest').map(({ fee }) => fee)

const vsizeOf = ({ client }: World): number => {
  const { terms } = client.established
  return closeVsize(terms.client.closeScript, terms.server.closeScript)
}

describe('channel / closing / a fee that the other side refuses (CLOSE-4, CLOSE-7)', () => {
  it('is raised up to a 64th of the share, however low one server says that fees are: the channel closes', () => {
    const world = liedTo(1_300_000n)
    const asks = asksUntilClosed(world)
    const [first = 0n] = feesAsked(world)
    const last = feesAsked(world).at(-1) ?? 0n
    assert.ok(last >= feeFor(MARKET, vsizeOf(world)) && last > first * 10n)
    assert.ok(asks > 1 && last <= 1_290_000n / 64n, `${last} sat`)
    world.mine()
    assert.deepEqual([world.payouts().server, world.payouts().fee], [10_000n, last])
  })

  it('is raised no further for a peer that always refuses: that is all it can have its asker burn', () => {
    const world = liedTo(1_300_000n)
    world.server.feeRate = rate(100_000)
    for (let asks = 0; asks < 40; asks++) ask(world)
    assert.equal(lastRefusal(world), 'ERR_CLOSE_FEE_TOO_HIGH')
    const fees = feesAsked(world)
    assert.ok(
      fees.every((fee) => fee <= 1_290_000n / 64n),
      fees.join()
    )
  })

  it('is what a person names, where the share is too small for that', () => {
    const world = liedTo(100_000n)
    for (let asks = 0; asks < 40; asks++) ask(world)
    assert.deepEqual([isClosed(world), lastRefusal(world)], [false, 'ERR_CLOSE_FEE_TOO_HIGH'])
    ask(world, rate(22))
    assert.ok(isClosed(world))
    world.mine()
    assert.equal(world.payouts().fee, feeFor(rate(22), vsizeOf(world)))
  })

  it('may be named by a person from the first ask on', () => {
    const world = liedTo(100_000n)
    ask(world, rate(22))
    assert.ok(isClosed(world))
  })

  it('is not named below the estimate: the peer would refuse, and the channel would be frozen', () => {
    const world = liedTo(100_000n)
    world.client.feeRate = MARKET
    const event = { type: 'close', feeRate: rate(19) } as const
    assertRefused(world.client, world.client.attempt(event), 'ERR_FEERATE_TOO_LOW')
    assert.deepEqual(world.client.established.closes, [])
  })

  it('is not named below a quarter more than before, and the refusal says what will do', () => {
    const world = liedTo(100_000n)
    ask(world, rate(10))
    const event = { type: 'close', feeRate: rate(12) } as const
    const { effects } = world.client.attempt(event)
    const [refusal] = effectsOf(effects, 'close-refused')
    assert.deepEqual(
      [refusal?.error.code, refusal?.error.facts.least],
      ['ERR_FEERATE_TOO_LOW', 12.498]
    )
    ask(world, feeRate(12_498n))
    assert.equal(feesAsked(world).at(-1), feeFor(feeRate(12_498n), vsizeOf(world)))
  })

  it('is raised in the same way where a refused T1 has frozen the old channel of a renewal (RENEW-5)', () => {
    const old = new World({ capacity: 1_300_000n }).open().paid(10_000n)
    const renewal = new World({ renews: { world: old } })
    for (const { client, server } of [old, renewal]) {
      client.feeRate = LIED
      server.feeRate = LIED
    }
    renewal.until('client', 'established')
    const request = take(renewal, 'server', 'RenewalRequest')
    old.server.feeRate = MARKET
    renewal.server.feeRate = MARKET
    assert.deepEqual(
      sentOf(renewal.server.post(eventOf(request)), 'Error').map(({ code }) => code),
      ['ERR_RENEWAL_FEE']
    )
    renewal.run()
    old.run()
    assert.deepEqual(
      effectsOf(old.pay(5_000n), 'payment-refused').map(({ error }) => error.code),
      ['ERR_CHANNEL_CLOSED'],
      'frozen'
    )
    asksUntilClosed(old)
    old.mine()
    assert.deepEqual([old.client.info.status, old.payouts().server], ['closed', 10_000n])
  })
})
