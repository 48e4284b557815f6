import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import { checkRequest } from '../../src/channel/opening-client.js'
import { fromHex, txid } from '../../src/types/bytes.js'
import { PaychanError } from '../../src/types/errors.js'
import { blockDelta, feeRate, satoshi } from '../../src/types/units.js'
import { assertAbandoned, assertStopped, effectsOf, eventOf, sentOf, take } from './asserts.js'
import { keyPair } from './side.js'
import { payment, World } from './world.js'

describe('client / opening / on offer', () => {
  it('asks for a one-way channel of version 3, locked until tip + blocks (step 1)', () => {
    const offer = take(
      new World({ capacity: 50_000n, blocks: 150 }).offer(),
      'server',
      'OpenChannel'
    )
    assert.deepEqual(
      [offer.capacity, offer.refundHeight, offer.mode, offer.step, offer.txVersion],
      [50_000n, 650, 'one-way', 0, 3]
    )
  })

  it('refuses 1 sat less than the least capacity', () => {
    assert.throws(() => new World({ capacity: 9_999n }).offer(), { code: 'ERR_INVALID_AMOUNT' })
    new World({ capacity: 10_000n }).offer()
  })

  it('refuses what no channel can be: no block to last, turns that are too close, no room for a payment', () => {
    const { client } = new World()
    const refused = (blocks: number, step?: number): string => {
      try {
        checkRequest(
          {
            capacity: satoshi(10_000n),
            blocks: blockDelta(blocks),
            step: step === undefined ? undefined : blockDelta(step)
          },
          { policy: { ...client.policy, minStep: blockDelta(20) } }
        )
        return 'taken'
      } catch (error) {
        return error instanceof PaychanError ? error.code : String(error)
      }
    }
    assert.deepEqual([refused(0), refused(1)], ['ERR_INVALID_HEIGHT', 'taken'])
    assert.deepEqual([refused(100, 19), refused(100, 20)], ['ERR_INVALID_STEP', 'taken'])
    // 20 blocks of the turn, 12 between its last payment and its lock, and one to pay in.
    assert.deepEqual([refused(33, 20), refused(34, 20)], ['ERR_INVALID_HEIGHT', 'taken'])
  })

  it('refuses while the chain has not been seen', () => {
    const world = new World()
    world.client.blind = true
    assert.throws(() => world.offer(), { code: 'ERR_CHAIN_UNAVAILABLE' })
  })
})

describe('client / opening / on AcceptChannel', () => {
  it('has T1 built for the 2-of-2 of K1 and K2, and nothing leaves (step 2)', () => {
    const world = new World().until('server', 'accepted')
    world.holdFunding = true
    const effects = world.client.post(eventOf(take(world, 'client', 'AcceptChannel')))
    assert.deepEqual(
      effectsOf(effects, 'build-funding').map(({ scriptPubKey, amount }) => [scriptPubKey, amount]),
      [[world.fundingScript, 100_000n]]
    )
    assert.deepEqual(world.queues.server, [])
    assert.deepEqual(effectsOf(effects, 'broadcast'), [])
  })

  it('has T1 built at the feerate and of the coins that were asked for, or else at the estimate', () => {
    const asked = { feeRate: feeRate(7_500n), coins: [{ txid: txid('ab'.repeat(32)), vout: 3 }] }
    for (const choice of [undefined, asked, { feeRate: asked.feeRate }, { coins: asked.coins }]) {
      const world = new World()
      world.asked = { choice }
      world.until('server', 'accepted').holdFunding = true
      const [effect] = effectsOf(
        world.client.post(eventOf(take(world, 'client', 'AcceptChannel'))),
        'build-funding'
      )
      assert.deepEqual(
        [effect?.feeRate, effect?.coins],
        [choice?.feeRate ?? world.client.feeRate, choice?.coins]
      )
    }
  })

  it('has T1 of a renewal built at a tenth above the estimate, which its server is likely to sign (RENEW-4)', () => {
    const world = new World({ renews: { world: new World().open().paid(40_000n) } }).until(
      'server',
      'accepted'
    )
    world.holdFunding = true
    const [effect] = effectsOf(
      world.client.post(eventOf(take(world, 'client', 'AcceptChannel'))),
      'build-funding'
    )
    assert.deepEqual([effect?.feeRate, effect?.source?.fromWallet], [2_200n, false])
  })

  it('gives up when a term breaks a rule, and tells which (OPEN-8)', () => {
    const world = new World().until('server', 'accepted')
    const effects = world.client.post(
      eventOf({ ...take(world, 'client', 'AcceptChannel'), minDepth: 0 })
    )
    assertAbandoned(world.client, effects, 'OPEN-8', 'ERR_TERMS_REFUSED')
    assert.deepEqual(effectsOf(effects, 'build-funding'), [])
  })

  it('gives up a channel that is to renew itself when too few of its blocks are left for payments (RENEW-11)', () => {
    // L is 200 blocks away, and payments begin at 501: the last at 600 leaves 99.
    const stageOf = (renewFor: number | undefined): string => {
      const world = new World()
      world.asked = { renewFor: renewFor === undefined ? undefined : blockDelta(renewFor) }
      world.until('server', 'accepted')
      const answer = { ...take(world, 'client', 'AcceptChannel'), lastPaymentHeight: 600 }
      return world.client.attempt(eventOf(answer)).state.stage
    }
    assert.deepEqual([undefined, 200].map(stageOf), ['accepted', 'abandoned'])
  })

  it('gives up when K2 = K1 (KEY-4)', () => {
    const world = new World().until('server', 'accepted')
    const effects = world.client.post(
      eventOf({
        ...take(world, 'client', 'AcceptChannel'),
        channelKey: world.client.channelKey.publicKey
      })
    )
    assertAbandoned(world.client, effects, 'KEY-4', 'ERR_KEY_REUSED')
  })
})

describe('client / opening / on funding built', () => {
  it('sends T2 unsigned, version 3, sequence 0xfffffffd, locked until L, and keeps T1 (step 3, REF-1 to REF-5)', () => {
    const world = new World().until('client', 'refund-requested')
    const t2 = Transaction.fromBuffer(take(world, 'server', 'RefundRequest').refundTx)
    const { channel } = world.client
    assert.ok(channel.stage === 'refund-requested')
    assert.deepEqual(
      [t2.version, t2.locktime, t2.ins.length, t2.ins[0]?.sequence, t2.ins[0]?.witness.length],
      [3, 700, 1, 0xfffffffd, 0]
    )
    assert.equal(
      Buffer.from(t2.ins[0]?.hash ?? [])
        .reverse()
        .toString('hex'),
      channel.outPoint.txid
    )
    assert.deepEqual(
      t2.outs.map(({ script }) => script),
      [world.client.closeScript]
    )
    assert.deepEqual(effectsOf(world.client.effects, 'broadcast'), [])
    assert.deepEqual(sentOf(world.client.effects, 'Funding'), [])
  })

  it("proposes the fee of the day for T2, and half of the client's share at most (REF-5)", () => {
    const proposed = (rate: bigint): bigint[] => {
      const world = new World()
      world.client.feeRate = feeRate(rate)
      return Transaction.fromBuffer(
        take(world.until('client', 'refund-requested'), 'server', 'RefundRequest').refundTx
      ).outs.map(({ value }) => value)
    }
    // 138 vB: 276 sat, 49,956 sat, 138,000 sat
    assert.deepEqual(
      [proposed(2_000n), proposed(362_000n), proposed(1_000_000n)],
      [[99_724n], [50_044n], [50_000n]]
    )
  })

  it('gives up when the wallet has not enough, and tells the server no more than that', () => {
    const world = new World().until('server', 'accepted')
    world.holdFunding = true
    world.deliver('client')
    const effects = world.client.post({
      type: 'funding-failed',
      code: 'ERR_INSUFFICIENT_FUNDS',
      reason: 'Only 17 sat are in the wallet.'
    })
    assert.equal(
      world.client.channel.stage === 'abandoned' && world.client.channel.code,
      'ERR_INSUFFICIENT_FUNDS'
    )
    assert.deepEqual(
      sentOf(effects, 'Error').map(({ code }) => code),
      ['ERR_FUNDING_FAILED']
    )
    assert.doesNotMatch(sentOf(effects, 'Error')[0]?.text ?? '', /17/)
  })

  it('frees the inputs of a T1 that comes when the opening was given up meanwhile', () => {
    const world = new World().until('server', 'accepted')
    world.holdFunding = true
    world.deliver('client')
    world.client.post({ type: 'timeout' })
    const { channel } = world.client
    const from = world.client.effects.length
    world.build(world.fundingScript)
    assert.ok(world.client.channel === channel)
    assert.deepEqual(world.client.effects.slice(from), [{ type: 'release-funding' }])
  })
})

describe('client / opening / on RefundSignature', () => {
  it('verifies it, then hands T1 over and broadcasts it (steps 5 and 6, REF-7)', () => {
    const world = new World().until('client', 'refund-requested')
    world.deliver('server')
    const effects = world.client.post(eventOf(take(world, 'client', 'RefundSignature')))
    const { fundingTx } = world.client.established
    assert.deepEqual(
      sentOf(effects, 'Funding').map((message) => message.fundingTx),
      [fundingTx]
    )
    assert.deepEqual(
      effectsOf(effects, 'broadcast').map(({ purpose, raw }) => [purpose, raw]),
      [['funding', fundingTx]]
    )
  })

  it('holds a T2 that is valid at L, whatever the server does from now on', () => {
    const world = new World().open().kill('server').mineTo(701)
    assert.equal(world.client.info.spend?.kind, 'refund')
  })

  const wrong: Array<[string, (world: World) => Uint8Array]> = [
    ['of another key', (world) => keyPair('stranger').sign(new Uint8Array(32).fill(world.blocks))],
    ['of zeros', () => new Uint8Array(64)],
    ['of another digest', (world) => world.server.channelKey.sign(new Uint8Array(32).fill(3))]
  ]
  for (const [what, signature] of wrong) {
    it(`gives up at a signature ${what}: T1 never leaves, its inputs are free (REF-7)`, () => {
      const world = new World().until('client', 'refund-requested')
      const effects = world.client.post(
        eventOf({ type: 'RefundSignature', signature: signature(world) })
      )
      assertAbandoned(world.client, effects, 'REF-7', 'ERR_BAD_REFUND_SIGNATURE')
      assert.deepEqual(sentOf(world.client.effects, 'Funding'), [])
      assert.deepEqual(effectsOf(world.client.effects, 'broadcast'), [])
    })
  }

  it('gives up at the signature of another lock (REF-7)', () => {
    const other = new World({ blocks: 199 }).until('client', 'refund-requested')
    other.deliver('server')
    const world = new World().until('client', 'refund-requested')
    const effects = world.client.post(eventOf(take(other, 'client', 'RefundSignature')))
    assertAbandoned(world.client, effects, 'REF-7', 'ERR_BAD_REFUND_SIGNATURE')
  })
})

describe('client / opening / on FundingBroadcast', () => {
  it('signs Update 0, which gives everything to the client (step 7, UPD-9)', () => {
    const world = new World().until('client', 'refund-requested')
    world.deliver('server')
    world.deliver('client')
    world.deliver('server')
    const effects = world.client.post(eventOf(take(world, 'client', 'FundingBroadcast')))
    assert.deepEqual(
      sentOf(effects, 'Update').map(({ sequence, payerBalance, payments }) => [
        sequence,
        payerBalance,
        payments
      ]),
      [[0, 100_000n, []]]
    )
    assert.equal(
      world.client.post({
        type: 'message',
        message: { type: 'FundingBroadcast', txid: fromHex(world.funding.outPoint.txid).reverse() }
      }).length,
      0
    )
  })

  it('stops when the server names another T1 (FUND-1)', () => {
    const world = new World().until('client', 'established')
    const effects = world.client.post({
      type: 'message',
      message: { type: 'FundingBroadcast', txid: new Uint8Array(32).fill(9) }
    })
    assertStopped(world.client, effects, 'FUND-1', 'ERR_FUNDING_TXID')
    assert.deepEqual(sentOf(world.client.effects, 'Update'), [])
  })
})

describe('client / opening / on an end before T1 has left', () => {
  for (const stage of ['offered', 'accepted', 'refund-requested'] as const) {
    const at = (): World => {
      const world = new World()
      world.holdFunding = stage === 'accepted'
      return world.until('client', stage)
    }

    it(`${stage}: gives up when the peer goes away`, () => {
      const world = at()
      const effects = world.client.post({ type: 'disconnected', reason: 'reset' })
      assert.equal(
        world.client.channel.stage === 'abandoned' && world.client.channel.code,
        'ERR_PEER_UNREACHABLE'
      )
      assert.equal(effectsOf(effects, 'release-funding').length, 1)
    })

    it(`${stage}: gives up when it takes too long (OPEN-9)`, () => {
      const world = at()
      assertAbandoned(world.client, world.client.post({ type: 'timeout' }), '', 'ERR_OPEN_TIMEOUT')
    })

    it(`${stage}: gives up when its user cancels`, () => {
      const world = at()
      const effects = world.client.post({ type: 'close' })
      assertAbandoned(world.client, effects, '', 'ERR_CANCELLED')
      assert.deepEqual(
        effectsOf(effects, 'close-done').map(({ kind }) => kind),
        ['abandoned']
      )
    })

    it(`${stage}: gives up when the server refuses, and says why`, () => {
      const world = at()
      world.client.post({
        type: 'message',
        message: {
          type: 'Error',
          code: 'ERR_CAPACITY_REFUSED',
          rule: 'OPEN-2',
          text: 'Too small for us.',
          fatal: true
        }
      })
      const { channel } = world.client
      assert.equal(channel.stage === 'abandoned' && channel.code, 'ERR_OPEN_REFUSED')
      assert.match(channel.stage === 'abandoned' ? channel.reason : '', /Too small for us/)
    })

    it(`${stage}: refuses payments, and does not move`, () => {
      const world = at()
      const { state, effects } = world.client.attempt({ type: 'pay', payments: [payment(1_000n)] })
      assert.ok(state === world.client.channel)
      assert.deepEqual(
        effectsOf(effects, 'payment-refused').map(({ error }) => error.code),
        ['ERR_CHANNEL_NOT_OPEN']
      )
    })
  }

  it('abandoned: nothing moves it any more', () => {
    const world = new World().offer()
    world.client.post({ type: 'timeout' })
    for (const event of [
      { type: 'timeout' },
      { type: 'tip' },
      { type: 'connected' },
      { type: 'disconnected', reason: '' }
    ] as const) {
      const { state, effects } = world.client.attempt(event)
      assert.deepEqual([state === world.client.channel, effects], [true, []])
    }
    assert.deepEqual(
      effectsOf(world.client.attempt({ type: 'close' }).effects, 'close-done').map(
        ({ kind }) => kind
      ),
      ['abandoned']
    )
    assert.equal(world.client.info.status, 'abandoned')
  })
})
