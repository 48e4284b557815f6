import assert from 'node:assert/strict'
import type { AcceptChannel, Network, OpenChannel } from '../../protocols/paychan/1.0/index.js'
import type { Env } from '../../src/channel/env.js'
import { acceptance, checkAcceptance, checkOffer } from '../../src/channel/opening-terms.js'
import { defaultPolicy, type Policy } from '../../src/channel/policy.js'
import { Violation } from '../../src/channel/violation.js'
import { blockDelta, feeRate, satoshi } from '../../src/types/units.js'
import { take } from './asserts.js'
import { World } from './world.js'

const NO_POINT = Uint8Array.from([2, ...new Uint8Array(32).fill(0xff)])

function refuses(call: () => unknown, rule: string, code: string): void {
  assert.throws(
    call,
    (error) => error instanceof Violation && error.rule === rule && error.code === code
  )
}

describe('opening terms / server / checks an offer', () => {
  const world = new World().offer()
  const offer = take(world, 'server', 'OpenChannel')
  const { policy } = world.server
  const check =
    (changes: Partial<OpenChannel> = {}, env: Partial<Env> = {}) =>
    () => {
      checkOffer({ ...offer, ...changes }, 'regtest', world.server.env(env))
    }

  it('takes one that follows all rules, at both ends of what it allows', () => {
    check()()
    check({ capacity: policy.minCapacity })()
    check({ capacity: policy.maxCapacity })()
    check({ refundHeight: 500 + policy.minBlocks })()
    check({ refundHeight: 500 + policy.maxBlocks })()
  })

  const cases: Array<[string, string, string, Partial<OpenChannel>, Partial<Env>?]> = [
    ['another network', 'OPEN-1', 'ERR_WRONG_NETWORK', { network: 'mainnet' }],
    [
      '1 sat less than the least capacity',
      'OPEN-2',
      'ERR_CAPACITY_REFUSED',
      { capacity: policy.minCapacity - 1n }
    ],
    [
      '1 sat more than the largest capacity',
      'OPEN-2',
      'ERR_CAPACITY_REFUSED',
      { capacity: policy.maxCapacity + 1n }
    ],
    [
      'a refund height 1 block too near',
      'OPEN-3',
      'ERR_REFUND_HEIGHT_REFUSED',
      { refundHeight: 500 + policy.minBlocks - 1 }
    ],
    [
      'a refund height 1 block too far',
      'OPEN-3',
      'ERR_REFUND_HEIGHT_REFUSED',
      { refundHeight: 500 + policy.maxBlocks + 1 }
    ],
    ['a refund height in the past', 'OPEN-3', 'ERR_REFUND_HEIGHT_REFUSED', { refundHeight: 1 }],
    ['a two-way channel without a step', 'OPEN-4', 'ERR_STEP_REFUSED', { mode: 'two-way' }],
    ['a one-way channel with a step', 'OPEN-4', 'ERR_STEP_REFUSED', { step: 144 }],
    [
      'a two-way channel without room for turn 0',
      'OPEN-3',
      'ERR_REFUND_HEIGHT_REFUSED',
      { mode: 'two-way', step: 187 }
    ],
    ['version 2, which can be pinned', 'OPEN-5', 'ERR_VERSION_NOT_SUPPORTED', { txVersion: 2 }],
    ['version 4', 'OPEN-5', 'ERR_VERSION_NOT_SUPPORTED', { txVersion: 4 }],
    [
      'a close script that nodes do not relay',
      'OPEN-6',
      'ERR_SCRIPT_NOT_STANDARD',
      { closeScript: Uint8Array.from([0x51]) }
    ],
    ['a K1 that is no point of the curve', 'KEY-1', 'ERR_INVALID_KEY', { channelKey: NO_POINT }],
    [
      'a payout key that is no point of the curve',
      'KEY-1',
      'ERR_INVALID_KEY',
      { payoutKey: NO_POINT }
    ],
    [
      'a K1 that has been used before',
      'KEY-3',
      'ERR_KEY_REUSED',
      {},
      { isKnownKey: (key) => key === offer.channelKey }
    ]
  ]
  for (const [what, rule, code, changes, env] of cases) {
    it(`refuses ${what} (${rule})`, () => {
      refuses(check(changes, env), rule, code)
    })
  }

  it('refuses every offer while it cannot see the chain', () => {
    assert.throws(check({}, { height: undefined }), { code: 'ERR_CHAIN_UNAVAILABLE' })
  })

  it('sends back as K1 no key of its own (KEY-3)', () => {
    const own = new World().open()
    refuses(
      () => {
        checkOffer(
          { ...offer, channelKey: own.server.channelKey.publicKey },
          'regtest',
          own.server.env()
        )
      },
      'KEY-3',
      'ERR_KEY_REUSED'
    )
    refuses(
      () => {
        checkOffer(
          { ...offer, channelKey: own.client.channelKey.publicKey },
          'regtest',
          own.server.env()
        )
      },
      'KEY-3',
      'ERR_KEY_REUSED'
    )
  })
})

describe('opening terms / server / answers', () => {
  const world = new World().offer()
  const offer = take(world, 'server', 'OpenChannel')
  const { server } = world
  const part = {
    channelKey: server.channelKey.publicKey,
    payoutKey: server.payoutKey.publicKey,
    closeScript: server.closeScript,
    derivation: new Uint8Array(8)
  }

  it('settles 36 blocks before L and takes the last payment 12 blocks before that (TIME-1, UPD-12)', () => {
    const { settleHeight, lastPaymentHeight } = acceptance(offer, part, server.env())
    assert.deepEqual([settleHeight, lastPaymentHeight], [700 - 36, 700 - 36 - 12])
  })

  it('asks for a first payment that is worth a T3: 181 vB at the estimate, and an output above dust (UPD-10)', () => {
    const env = server.env({ feeRate: feeRate(2000n) })
    assert.equal(acceptance(offer, part, env).limits.minFirstPayment, 181n * 2n + 294n)
    const fixed = server.env({ policy: { ...server.policy, minFirstPayment: satoshi(5n) } })
    assert.equal(acceptance(offer, part, fixed).limits.minFirstPayment, 5n)
  })
})

describe('opening terms / client / checks an acceptance', () => {
  const world = new World().until('server', 'accepted')
  const accept = take(world, 'client', 'AcceptChannel')
  const { client } = world
  const offer = client.channel.stage === 'offered' ? client.channel.offer : undefined
  assert.ok(offer)
  const check =
    (changes: Partial<AcceptChannel> = {}) =>
    () => {
      checkAcceptance(offer, { ...accept, ...changes }, client.env())
    }
  const limits = (changes: Partial<AcceptChannel['limits']>): Partial<AcceptChannel> => ({
    limits: { ...accept.limits, ...changes }
  })

  it('takes one that follows all rules, at both ends of what it allows', () => {
    check()()
    check({ minDepth: client.policy.maxMinDepth })()
    check({ settleHeight: 699, lastPaymentHeight: 687 })()
    check({ lastPaymentHeight: 502 })()
    check(limits({ minFirstPayment: offer.capacity }))()
  })

  it('wants half of the blocks for payments when the channel renews another, or is to renew itself (RENEW-11)', () => {
    const renews = { channelId: new Uint8Array(32), turn: 0, sequence: 0, serverBalance: 0n }
    // L is 200 blocks away, and payments begin at 501: the last at 601 leaves 100.
    const answer = (lastPaymentHeight: number): AcceptChannel => ({ ...accept, lastPaymentHeight })
    for (const [given, renewsItself] of [
      [{ ...offer, renews }, false],
      [offer, true]
    ] as const) {
      checkAcceptance(given, answer(601), client.env(), renewsItself)
      assert.throws(
        () => {
          checkAcceptance(given, answer(600), client.env(), renewsItself)
        },
        (error) =>
          error instanceof Violation &&
          error.rule === 'RENEW-11' &&
          /leaves 99 of 200 blocks .* Ask for 202 blocks or more/.test(error.message)
      )
    }
  })

  const cases: Array<[string, string, string, Partial<AcceptChannel>]> = [
    ['K2 = K1', 'KEY-4', 'ERR_KEY_REUSED', { channelKey: offer.channelKey }],
    ['a K2 that is no point of the curve', 'KEY-1', 'ERR_INVALID_KEY', { channelKey: NO_POINT }],
    [
      'a payout key that is no point of the curve',
      'KEY-1',
      'ERR_INVALID_KEY',
      { payoutKey: NO_POINT }
    ],
    [
      'a close script that nodes do not relay',
      'OPEN-6',
      'ERR_SCRIPT_NOT_STANDARD',
      { closeScript: Uint8Array.from([0x6a, 1, 1]) }
    ],
    ['no confirmation at all', 'OPEN-8', 'ERR_TERMS_REFUSED', { minDepth: 0 }],
    [
      'more confirmations than it waits for',
      'OPEN-8',
      'ERR_TERMS_REFUSED',
      { minDepth: client.policy.maxMinDepth + 1 }
    ],
    ['a settlement at L', 'OPEN-8', 'ERR_TERMS_REFUSED', { settleHeight: 700 }],
    [
      'a last payment less than 12 blocks before the settlement',
      'OPEN-8',
      'ERR_TERMS_REFUSED',
      { lastPaymentHeight: 653 }
    ],
    [
      'a last payment before the channel could be ready',
      'OPEN-8',
      'ERR_TERMS_REFUSED',
      { lastPaymentHeight: 501 }
    ],
    [
      'a first payment above the capacity',
      'OPEN-8',
      'ERR_TERMS_REFUSED',
      limits({ minFirstPayment: offer.capacity + 1n })
    ],
    [
      'a first payment above the stake',
      'OPEN-8',
      'ERR_TERMS_REFUSED',
      limits({ maxStake: accept.limits.minFirstPayment - 1n })
    ],
    [
      'a first payment above the window',
      'OPEN-8',
      'ERR_TERMS_REFUSED',
      limits({ maxInFlightValue: accept.limits.minFirstPayment - 1n })
    ],
    ['a window of no update', 'OPEN-8', 'ERR_TERMS_REFUSED', limits({ maxInFlightUpdates: 0 })],
    [
      'a window of no value',
      'OPEN-8',
      'ERR_TERMS_REFUSED',
      limits({ minFirstPayment: 0n, maxInFlightValue: 0n })
    ]
  ]
  for (const [what, rule, code, changes] of cases) {
    it(`refuses ${what} (${rule})`, () => {
      refuses(check(changes), rule, code)
    })
  }

  it('refuses a K2 that it knows from another channel, or that is its own (KEY-4)', () => {
    const before = new World().open()
    const env = before.client.env()
    refuses(
      () => {
        checkAcceptance({ ...offer, channelKey: offer.payoutKey }, accept, env)
      },
      'KEY-4',
      'ERR_KEY_REUSED'
    )
    refuses(
      () => {
        checkAcceptance(
          { ...offer, channelKey: offer.payoutKey },
          { ...accept, channelKey: before.client.channelKey.publicKey },
          env
        )
      },
      'KEY-4',
      'ERR_KEY_REUSED'
    )
  })

  it('does not open for fewer blocks than a channel needs', () => {
    assert.throws(() => new World({ blocks: 0 }).offer(), { code: 'ERR_INVALID_HEIGHT' })
    assert.throws(() => new World({ blocks: -5 }).offer(), { code: 'ERR_INVALID_HEIGHT' })
  })
})

/* What a node asks for when nothing is configured: money and time, so every number stands here once more. */

/** Where blocks cost something. */
const COSTLY: Policy = {
  minCapacity: satoshi(10_000n),
  maxCapacity: satoshi(1_300_000n),
  minFirstPayment: undefined,
  maxStake: satoshi(1_300_000n),
  maxRisk: 100,
  riskAlarm: 60,
  minDepth: 3,
  maxMinDepth: 12,
  minStep: blockDelta(36),
  defaultStep: blockDelta(144),
  minTurnAmount: undefined,
  settleMargin: blockDelta(36),
  minBlocks: blockDelta(57),
  maxBlocks: blockDelta(8_064),
  defaultBlocks: blockDelta(1_008),
  maxRenewalWait: blockDelta(1_008),
  maxPendingOpenings: 4,
  maxUnfunded: 16,
  maxPendingInAll: 64,
  maxUnfundedInAll: 64,
  maxChannelsPerPeer: 64,
  maxInFlightUpdates: 16,
  maxInFlightValue: satoshi(1_300_000n)
}

const POLICIES: Readonly<Record<Network, Policy>> = {
  mainnet: COSTLY,
  testnet: COSTLY,
  testnet4: COSTLY,
  signet: COSTLY,
  // Blocks come when they are asked for.
  regtest: { ...COSTLY, minDepth: 1, minStep: blockDelta(1), minBlocks: blockDelta(55) }
}

describe('channel / policy', () => {
  for (const [network, policy] of Object.entries(POLICIES)) {
    it(`by default on ${network}`, () => {
      assert.deepEqual(defaultPolicy(network as Network), policy)
    })
  }
})
