/** Closes in peace: who asks, what each side signs, and what the asker may be asked to pay. */
import assert from 'node:assert/strict'
import type { CloseRequest } from '../../protocols/paychan/1.0/index.js'
import { closeSighash, closeVsize } from '../../src/bitcoin/closing.js'
import { otherRole, type Role } from '../../src/bitcoin/keys.js'
import { lowerMedian } from '../../src/chain/waiting.js'
import { feeFor, feeRate, type FeeRate, satoshi } from '../../src/types/units.js'
import { assertRefused, assertStopped, effectsOf, eventOf, forge, sentOf, take } from './asserts.js'
import { faultOfSpend, keyPair, scriptOf } from './side.js'
import { payment, World } from './world.js'

const paid = (amount = 40_000n): World => new World().open().paid(amount)
const spent = (world: World, role: Role): boolean => world[role].established.closes.length > 0

/** The asker's request, on its way to the other side. */
function asked(world: World, asker: Role = 'client'): CloseRequest {
  world[asker].post({ type: 'close' })
  return take(world, otherRole(asker), 'CloseRequest')
}

describe('channel / closing / in peace', () => {
  for (const asker of ['client', 'server'] as const) {
    it(`the ${asker} asks, the other side completes and broadcasts; the asker pays the fee (CLOSE-3)`, () => {
      const world = paid()
      world[asker].post({ type: 'close' })
      world.run().mine()
      const { client, server, fee } = world.payouts()
      assert.deepEqual(
        { client, server },
        asker === 'client'
          ? { client: 60_000n - fee, server: 40_000n }
          : { client: 60_000n, server: 40_000n - fee }
      )
      assert.deepEqual([world.client.info.status, world.server.info.status], ['closed', 'closed'])
      assert.deepEqual(
        effectsOf(world[asker].effects, 'close-done').map(({ kind }) => kind),
        ['close']
      )
    })
  }

  it('is a valid transaction with both signatures, without a lock, at a tenth above the estimate', () => {
    const world = paid()
    const request = asked(world)
    const [broadcast] = effectsOf(world.server.post(eventOf(request)), 'broadcast')
    assert.ok(broadcast)
    assert.equal(faultOfSpend(broadcast.raw, world.funding), undefined)
    const vsize = BigInt(world.chain.spendOf(world.funding.outPoint)?.parsed.vsize ?? 0)
    assert.ok(
      request.fee >= (vsize * 22n) / 10n && request.fee <= ((vsize + 2n) * 22n) / 10n + 1n,
      `${request.fee} sat for ${vsize} vB`
    )
    assert.equal(world.chain.spendOf(world.funding.outPoint)?.parsed.lockTime, 0)
  })

  it('leaves a share that is dust to the fee', () => {
    const world = new World({ policy: { minFirstPayment: satoshi(1n) } }).open().paid(293n)
    world.client.post({ type: 'close' })
    world.run().mine()
    assert.equal(world.payouts().server, 0n)
  })

  it('both sides ask at once: one of the two closes confirms', () => {
    const world = paid()
    world.client.post({ type: 'close' })
    world.server.post({ type: 'close' })
    world.run().mine()
    assert.deepEqual(
      [world.client.info.spend?.kind, world.server.info.spend?.kind],
      ['close', 'close']
    )
  })

  it('can be asked for by a channel that has stopped', () => {
    const world = paid()
    world.client.post({
      type: 'message',
      message: { type: 'Error', code: 'ERR_ANY', rule: '', text: 'enough', fatal: true }
    })
    world.connect().run()
    world.client.post({ type: 'close' })
    world.run().mine()
    assert.equal(world.client.info.spend?.kind, 'close')
  })
})

describe('channel / closing / on close / refuses, and does not move', () => {
  const cases: Array<[string, string, () => World]> = [
    ['when the peer is not connected', 'ERR_PEER_UNREACHABLE', () => paid().disconnect()],
    [
      'before the initial T3 is acknowledged',
      'ERR_CHANNEL_NOT_OPEN',
      () => new World().until('client', 'established')
    ],
    [
      'while payments are in flight: the other side may hold them (CLOSE-1)',
      'ERR_LATER_UPDATES',
      () => {
        const world = paid()
        world.pay(1n)
        return world
      }
    ],
    [
      'when a T3 is in the mempool',
      'ERR_CHANNEL_CLOSED',
      () => {
        const world = paid()
        world.server.post({ type: 'settle' })
        return world.connect().run()
      }
    ],
    [
      'when the channel is closed',
      'ERR_CHANNEL_CLOSED',
      () => {
        const world = paid()
        world.server.post({ type: 'close' })
        return world.run().mine()
      }
    ],
    ['when the fee is more than it has (CLOSE-3)', 'ERR_CLOSE_TOO_POOR', () => paid(100_000n)]
  ]
  for (const [what, code, make] of cases) {
    it(what, () => {
      const { client } = make()
      assertRefused(client, client.attempt({ type: 'close' }), code)
    })
  }

  it('and tells the server what it can do when the client is gone', () => {
    const world = paid().disconnect()
    assert.match(
      assertRefused(world.server, world.server.attempt({ type: 'close' }), 'ERR_PEER_UNREACHABLE')
        .message,
      /--force.*height 664/
    )
  })
})

describe('channel / closing / on CloseRequest / refuses, and does not move', () => {
  const resign = (
    world: World,
    request: CloseRequest,
    changes: Partial<CloseRequest>
  ): CloseRequest => {
    const all = { ...request, ...changes }
    const terms = {
      funding: world.funding,
      version: 3,
      clientBalance: satoshi(all.clientBalance),
      serverBalance: satoshi(all.serverBalance),
      clientScript: all.clientScript,
      serverScript: all.serverScript,
      fee: satoshi(all.fee),
      feePayer: 'client' as const
    }
    return { ...all, signature: world.client.channelKey.sign(closeSighash(terms)) }
  }
  const cases: Array<
    [string, string, string, (world: World, request: CloseRequest) => CloseRequest]
  > = [
    [
      'an earlier sequence: later updates exist',
      'CLOSE-1',
      'ERR_LATER_UPDATES',
      (_world, request) => ({ ...request, sequence: 0 })
    ],
    [
      'a later sequence',
      'CLOSE-1',
      'ERR_LATER_UPDATES',
      (_world, request) => ({ ...request, sequence: 2 })
    ],
    [
      'another turn',
      'CLOSE-1',
      'ERR_LATER_UPDATES',
      (_world, request) => ({ ...request, turn: 1 })
    ],
    [
      'balances that give the asker 1 sat more',
      'CLOSE-1',
      'ERR_BALANCE_MISMATCH',
      (world, request) => resign(world, request, { clientBalance: 60_001n, serverBalance: 39_999n })
    ],
    [
      'balances that do not add up',
      'CLOSE-1',
      'ERR_BALANCE_MISMATCH',
      (_world, request) => ({ ...request, serverBalance: 39_999n })
    ],
    [
      'another script for the client',
      'CLOSE-2',
      'ERR_SCRIPT_MISMATCH',
      (world, request) => resign(world, request, { clientScript: scriptOf('x') })
    ],
    [
      'another script for the server',
      'CLOSE-2',
      'ERR_SCRIPT_MISMATCH',
      (world, request) => resign(world, request, { serverScript: scriptOf('x') })
    ],
    [
      'a fee that the asker cannot pay',
      'CLOSE-3',
      'ERR_CLOSE_TOO_POOR',
      (_world, request) => ({ ...request, fee: 60_001n })
    ],
    [
      'a fee below its own estimate',
      'CLOSE-4',
      'ERR_CLOSE_FEE_TOO_LOW',
      (world, request) => resign(world, request, { fee: 100n })
    ],
    [
      'a fee of 0',
      'CLOSE-4',
      'ERR_CLOSE_FEE_TOO_LOW',
      (world, request) => resign(world, request, { fee: 0n })
    ],
    [
      'a signature of another key',
      'CLOSE-5',
      'ERR_BAD_SIGNATURE',
      (_world, request) => ({ ...request, signature: keyPair('stranger').sign(new Uint8Array(32)) })
    ],
    [
      'a signature of another fee',
      'CLOSE-5',
      'ERR_BAD_SIGNATURE',
      (_world, request) => ({ ...request, fee: request.fee + 1n })
    ]
  ]
  for (const [what, rule, code, change] of cases) {
    it(`${what} (${rule})`, () => {
      const world = paid()
      const { state, effects } = world.server.attempt(eventOf(change(world, asked(world))))
      assert.ok(state === world.server.channel)
      assert.deepEqual(
        sentOf(effects, 'Error').map((error) => [error.rule, error.code, error.fatal]),
        [[rule, code, false]]
      )
      assert.deepEqual(effectsOf(effects, 'broadcast'), [])
    })
  }

  it('1 sat below its own estimate, and takes exactly that (CLOSE-4)', () => {
    const world = paid()
    const request = asked(world)
    world.server.feeRate = feeRate(5000n)
    const [error] = sentOf(world.server.attempt(eventOf(request)).effects, 'Error')
    const least = BigInt(/at least (\d+) sat/.exec(error?.text ?? '')?.[1] ?? 0)
    assert.equal(
      sentOf(
        world.server.attempt(eventOf(resign(world, request, { fee: least - 1n }))).effects,
        'Error'
      ).length,
      1
    )
    assert.equal(
      effectsOf(
        world.server.attempt(eventOf(resign(world, request, { fee: least }))).effects,
        'broadcast'
      ).length,
      1
    )
  })

  it('once the channel is spent (CLOSE-1)', () => {
    const world = paid()
    const request = asked(world)
    world.server.post(eventOf(request))
    world.mine()
    assert.deepEqual(
      sentOf(world.server.attempt(eventOf(request)).effects, 'Error').map(({ code }) => code),
      ['ERR_CHANNEL_CLOSED']
    )
  })

  it('before it holds a T3 (CLOSE-1)', () => {
    const world = paid()
    const request = { ...asked(world), sequence: 0, clientBalance: 100_000n, serverBalance: 0n }
    const early = new World().until('client', 'established')
    early.deliver('server')
    assert.deepEqual(
      sentOf(early.server.attempt(eventOf(request)).effects, 'Error').map(({ rule }) => rule),
      ['CLOSE-1']
    )
  })

  it('and the asker is told why', () => {
    const world = paid()
    world.server.feeRate = feeRate(9000n)
    world.client.post({ type: 'close' })
    world.run()
    const [refusal] = effectsOf(world.client.effects, 'close-refused')
    assert.deepEqual(
      [refusal?.error.code, refusal?.error.facts.peerCode],
      ['ERR_CLOSE_REFUSED', 'ERR_CLOSE_FEE_TOO_LOW']
    )
    assert.deepEqual([spent(world, 'client'), spent(world, 'server')], [true, false])
  })
})

describe('channel / closing / frozen for good (CLOSE-6)', () => {
  it('the asker signs no payment any more, even when it was refused', () => {
    const world = paid()
    world.server.feeRate = feeRate(9000n)
    world.client.post({ type: 'close' })
    world.run()
    assertRefused(
      world.client,
      world.client.attempt({ type: 'pay', payments: [payment(1n)] }),
      'ERR_CHANNEL_CLOSED'
    )
  })

  it('the side that completed it stores no update any more', () => {
    const world = paid()
    world.server.post(eventOf(asked(world)))
    const { state } = world.server.attempt(eventOf(forge(world)))
    assert.ok(state === world.server.channel)
  })

  it('survives a restart', () => {
    const world = paid()
    asked(world)
    world.restart('client').connect().run()
    assertRefused(
      world.client,
      world.client.attempt({ type: 'pay', payments: [payment(1n)] }),
      'ERR_CHANNEL_CLOSED'
    )
  })

  it('a payment that crosses the close of the payee is not stored; the payer completes the close all the same', () => {
    const world = paid()
    world.pay(5_000n)
    world.server.post({ type: 'close' })
    world.run().mine(5)
    assert.equal(world.client.info.inFlight, 5_000n, 'a reorganisation could still bring T3')
    world.mine(1)
    const { client, server, fee } = world.payouts()
    assert.deepEqual([client, server], [60_000n, 40_000n - fee])
    assert.deepEqual(
      effectsOf(world.client.effects, 'payments-unknown').flatMap(({ payments }) =>
        payments.map(({ amount }) => amount)
      ),
      [5_000n]
    )
    assert.equal(
      world.client.established.ledger.settledSequence,
      1,
      'the payment in flight has failed'
    )
    assert.equal(world.client.info.inFlight, 0n, 'nothing is in flight any more')
  })
})

describe('channel / closing / frozen with payments in flight', () => {
  it('the payer does not send them again when the stream is back (CLOSE-6)', () => {
    const world = paid()
    world.pay(5_000n)
    world.server.post({ type: 'close' })
    world.client.post(eventOf(take(world, 'client', 'CloseRequest')))
    world.disconnect().connect().deliver('server')
    const effects = world.client.post(eventOf(take(world, 'client', 'Reestablish')))
    assert.deepEqual(sentOf(effects, 'Update'), [])
    assert.equal(
      world.client.established.ledger.inFlight.length,
      1,
      'it stays unknown until the close is in a block'
    )
  })
})

describe('channel / closing / asked again (CLOSE-7)', () => {
  it('raises the fee by at least 1 sat/vB, also while the first one waits in the mempool', () => {
    const world = paid()
    world.chain.lowestFeeRate = 3000n
    world.client.post({ type: 'close' })
    world.run().mine()
    const first = world.chain.spendOf(world.funding.outPoint)
    assert.ok(first !== undefined && first.height === undefined, 'too cheap for the blocks')
    world.client.post({ type: 'close' })
    world.run()
    const second = world.chain.spendOf(world.funding.outPoint)
    assert.ok(second !== undefined && second.fee >= first.fee + BigInt(second.parsed.vsize))
    world.mine()
    assert.equal(world.client.info.spend?.kind, 'close')
    assert.equal(world.payouts().server, 40_000n)
  })

  it('never asks for more than it has', () => {
    const world = paid(99_600n)
    world.client.post({ type: 'close' })
    assertRefused(world.client, world.client.attempt({ type: 'close' }), 'ERR_CLOSE_TOO_POOR')
  })

  it('the same request again is stored once, asks no server, and is answered once a mempool shows the close (COST-1)', () => {
    const world = paid()
    const request = asked(world)
    world.server.blind = true
    world.server.post(eventOf(request))
    for (let n = 0; n < 100; n++) {
      const { state, effects } = world.server.attempt(eventOf(request))
      assert.ok(state === world.server.channel)
      assert.deepEqual(effects, [])
    }
    world.server.blind = false
    assert.deepEqual(
      effectsOf(world.server.post({ type: 'tip' }), 'broadcast').map(({ purpose }) => purpose),
      ['close'],
      'the next block sends it again'
    )
    world.lookAtChain()
    const { effects } = world.server.attempt(eventOf(request))
    assert.deepEqual(
      [effectsOf(effects, 'broadcast'), sentOf(effects, 'CloseDone').length],
      [[], 1]
    )
  })
})

describe('channel / closing / on CloseDone', () => {
  it('tells the caller of close, with the txid', () => {
    const world = paid()
    world.client.post({ type: 'close' })
    world.run()
    const done = effectsOf(world.client.effects, 'close-done')
    assert.deepEqual(
      done.map(({ txid }) => txid),
      [world.chain.spendOf(world.funding.outPoint)?.parsed.txid]
    )
  })

  const unasked = {
    type: 'message',
    message: { type: 'CloseDone', txid: new Uint8Array(32).fill(1) }
  } as const

  it('of a close that was never asked for is a broken rule (ERR-2)', () => {
    for (const role of ['client', 'server'] as const) {
      const world = paid()
      if (role === 'client') world.client.post({ type: 'close' })
      const effects = world[role].post(unasked)
      assertStopped(world[role], effects, 'ERR-2', 'ERR_UNEXPECTED_MESSAGE')
      assert.ok(!effectsOf(effects, 'close-done').some(({ kind }) => kind === 'close'))
    }
  })

  it('of a close that this side may have forgotten, as its channel only closes, changes nothing (RESTORE-6)', () => {
    const world = paid()
    world.client.post({
      type: 'message',
      message: {
        type: 'Error',
        code: 'ERR_STATE_FORGOTTEN',
        rule: 'REEST-4',
        text: 'No.',
        fatal: true
      }
    })
    const { state, effects } = world.client.attempt(unasked)
    assert.ok(state === world.client.channel)
    assert.deepEqual(
      effects.map(({ type }) => type),
      ['notify']
    )
  })

  it('is not said before both sides know where they stand (REEST-5)', () => {
    const world = paid()
    world.server.post(eventOf(asked(world)))
    world.disconnect()
    world.server.post({ type: 'connected' })
    assert.deepEqual(
      sentOf(
        world.server.post({
          type: 'broadcast-done',
          purpose: 'close',
          txid: world.funding.outPoint.txid,
          isRefused: false,
          refusedForFee: false
        }),
        'CloseDone'
      ),
      []
    )
  })

  it('is not said when no mempool took the close; the next block tries again', () => {
    const world = paid()
    const request = asked(world)
    world.server.blind = true
    assert.deepEqual(sentOf(world.server.post(eventOf(request)), 'CloseDone'), [])
    world.server.blind = false
    assert.equal(sentOf(world.server.post({ type: 'tip' }), 'CloseDone').length, 1)
  })
})

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
