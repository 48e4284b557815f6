import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { fundingWitnessScript } from '../../src/bitcoin/scripts.js'
import type { RefundSigned } from '../../src/channel/state.js'
import { Violation } from '../../src/channel/violation.js'
import { blockHeight } from '../../src/types/units.js'
import { assertAbandoned, effectsOf, eventOf, sentOf, take } from './asserts.js'
import { ecdsa, scriptOf } from './side.js'
import { reestablishOf } from '../protocols/reestablish.js'
import { buildT1, World } from './world.js'

function altered(raw: Uint8Array, change: (tx: Transaction) => void): Uint8Array {
  const tx = Transaction.fromBuffer(Uint8Array.from(raw))
  change(tx)
  return tx.toBuffer()
}

function input(tx: Transaction): Transaction['ins'][number] {
  const [first] = tx.ins
  assert.ok(first)
  return first
}

describe('server / opening / on OpenChannel', () => {
  it('keeps the derivation of K1, for a client that loses its data (KEY-5)', () => {
    const world = new World().open()
    for (const { terms } of [world.client.established, world.server.established]) {
      assert.deepEqual(terms.clientDerivation, Uint8Array.from([0, 0, 0, 1, 0, 0, 0, 2]))
    }
  })

  it('names K2, its derivation and its conditions (step 1, KEY-2)', () => {
    const world = new World().until('server', 'accepted')
    const accept = take(world, 'client', 'AcceptChannel')
    assert.deepEqual(accept.channelKey, world.server.channelKey.publicKey)
    assert.deepEqual(accept.derivation, Uint8Array.from([0, 0, 0, 3, 0, 0, 0, 4]))
    assert.deepEqual(
      [accept.minDepth, accept.settleHeight, accept.lastPaymentHeight],
      [1, 664, 652]
    )
  })

  it('makes no channel of an offer that it refuses', () => {
    const world = new World().offer()
    const offer = take(world, 'server', 'OpenChannel')
    assert.throws(
      () => {
        world.accept({ ...offer, mode: 'two-way' })
      },
      (error) => error instanceof Violation && error.rule === 'OPEN-4'
    )
    assert.equal(world.server.has, false)
  })

  it('refuses the same K1 a second time (KEY-3)', () => {
    const world = new World().offer()
    const offer = take(world, 'server', 'OpenChannel')
    world.accept(offer)
    world.server.post({ type: 'timeout' })
    assert.throws(
      () => {
        world.accept(offer)
      },
      (error) => error instanceof Violation && error.rule === 'KEY-3'
    )
  })
})

describe('server / opening / on RefundRequest', () => {
  const at = (): { world: World; refundTx: Uint8Array } => {
    const world = new World().until('client', 'refund-requested')
    return { world, refundTx: take(world, 'server', 'RefundRequest').refundTx }
  }

  it('signs T2, as payer of nothing, without having seen T1 (step 4, REF-6)', () => {
    const { world, refundTx } = at()
    const effects = world.server.post(eventOf({ type: 'RefundRequest', refundTx }))
    assert.equal(world.server.channel.stage, 'refund-signed')
    const [signed] = sentOf(effects, 'RefundSignature')
    const tx = Transaction.fromBuffer(Uint8Array.from(refundTx))
    const witnessScript = fundingWitnessScript(
      world.client.channelKey.publicKey,
      world.server.channelKey.publicKey
    )
    const digest = tx.hashForWitnessV0(
      0,
      witnessScript,
      world.capacity,
      Transaction.SIGHASH_NONE | Transaction.SIGHASH_ANYONECANPAY
    )
    assert.ok(
      signed !== undefined &&
        ecdsa.verify(world.server.channelKey.publicKey, digest, signed.signature)
    )
  })

  const cases: Array<[string, string, string, (tx: Transaction) => void]> = [
    [
      '1 block too early a lock',
      'REF-3',
      'ERR_REFUND_LOCK',
      (tx) => {
        tx.locktime -= 1
      }
    ],
    [
      'no lock',
      'REF-3',
      'ERR_REFUND_LOCK',
      (tx) => {
        tx.locktime = 0
      }
    ],
    [
      'a later lock',
      'REF-3',
      'ERR_REFUND_LOCK',
      (tx) => {
        tx.locktime += 1
      }
    ],
    [
      'a final sequence, which switches the lock off',
      'REF-4',
      'ERR_REFUND_SEQUENCE',
      (tx) => {
        input(tx).sequence = 0xffffffff
      }
    ],
    [
      'a sequence that refuses replacement',
      'REF-4',
      'ERR_REFUND_SEQUENCE',
      (tx) => {
        input(tx).sequence = 0xfffffffe
      }
    ],
    [
      'version 2',
      'REF-5',
      'ERR_REFUND_VERSION',
      (tx) => {
        tx.version = 2
      }
    ],
    [
      'two inputs',
      'REF-1',
      'ERR_REFUND_INPUTS',
      (tx) => {
        tx.addInput(new Uint8Array(32).fill(5), 0, 0xfffffffd)
      }
    ],
    [
      'a scriptSig',
      'REF-1',
      'ERR_REFUND_MALFORMED',
      (tx) => {
        tx.setInputScript(0, Uint8Array.from([1]))
      }
    ]
  ]
  for (const [what, rule, code, change] of cases) {
    it(`refuses T2 with ${what}, and signs nothing (${rule})`, () => {
      const { world, refundTx } = at()
      const effects = world.server.post(
        eventOf({ type: 'RefundRequest', refundTx: altered(refundTx, change) })
      )
      assertAbandoned(world.server, effects, rule, code)
      assert.deepEqual(sentOf(effects, 'RefundSignature'), [])
    })
  }

  it('refuses bytes that are no transaction (REF-1)', () => {
    const { world } = at()
    const effects = world.server.post(
      eventOf({ type: 'RefundRequest', refundTx: Uint8Array.from([1, 2, 3]) })
    )
    assertAbandoned(world.server, effects, 'REF-1', 'ERR_REFUND_MALFORMED')
  })

  it('refuses an output that it knows from another channel (REF-2)', () => {
    const { world, refundTx } = at()
    const other = new World().until('server', 'refund-signed')
    world.server.registry.learn(other.server.channel, other.server.channelKey.publicKey)
    const effects = world.server.post(eventOf({ type: 'RefundRequest', refundTx }))
    assertAbandoned(world.server, effects, 'REF-2', 'ERR_OUTPOINT_REUSED')
    assert.deepEqual(sentOf(effects, 'RefundSignature'), [])
  })

  it('remembers the output of an opening that was given up (REF-2)', () => {
    const { world, refundTx } = at()
    const other = new World().until('server', 'refund-signed')
    other.server.post({ type: 'timeout' })
    world.server.registry.learn(other.server.channel, other.server.channelKey.publicKey)
    assertAbandoned(
      world.server,
      world.server.post(eventOf({ type: 'RefundRequest', refundTx })),
      'REF-2',
      'ERR_OUTPOINT_REUSED'
    )
  })
})

describe('server / opening / on Funding', () => {
  /** A client whose T1 is what `options` say, at the moment in which it hands it over. */
  const handing = (
    options: Partial<Parameters<typeof buildT1>[0]> = {}
  ): { world: World; fundingTx: Uint8Array } => {
    const world = new World()
    world.holdFunding = true
    world.until('client', 'accepted').build(world.fundingScript, options)
    world.deliver('server')
    world.deliver('client')
    return { world, fundingTx: take(world, 'server', 'Funding').fundingTx }
  }

  it('broadcasts T1 and watches it, and says so only once a mempool has it (step 6, FUND-3)', () => {
    const { world, fundingTx } = handing({ vout: 1 })
    const first = world.server.attempt(eventOf({ type: 'Funding', fundingTx }))
    assert.deepEqual(
      effectsOf(first.effects, 'broadcast').map(({ raw }) => raw),
      [fundingTx]
    )
    assert.deepEqual(
      effectsOf(first.effects, 'watch-funding').map(({ scriptPubKey }) => scriptPubKey),
      [world.fundingScript]
    )
    assert.deepEqual(sentOf(first.effects, 'FundingBroadcast'), [])
    assert.equal(
      sentOf(world.server.post(eventOf({ type: 'Funding', fundingTx })), 'FundingBroadcast').length,
      1
    )
  })

  it('says it again when T1 is handed over again', () => {
    const { world, fundingTx } = handing()
    world.server.post(eventOf({ type: 'Funding', fundingTx }))
    const { state } = world.server.attempt(eventOf({ type: 'Funding', fundingTx }))
    assert.ok(state === world.server.channel)
    assert.equal(
      sentOf(world.server.post(eventOf({ type: 'Funding', fundingTx })), 'FundingBroadcast').length,
      1
    )
  })

  it('sends T1 once, and says that it has it as soon as a mempool shows it, whoever has sent it (COST-1, COST-2)', () => {
    const { world, fundingTx } = handing()
    world.server.blind = true
    const effects = world.server.post(eventOf({ type: 'Funding', fundingTx }))
    assert.ok(
      effectsOf(effects, 'notify').some(({ news }) => news.kind === 'funding-refused'),
      'no alarm: the coins are not ours'
    )
    assert.deepEqual(sentOf(effects, 'FundingBroadcast'), [])
    const again = world.server.attempt(eventOf({ type: 'Funding', fundingTx })).effects
    assert.deepEqual(
      [
        effectsOf(again, 'broadcast'),
        sentOf(again, 'FundingBroadcast'),
        sentOf(again, 'Error').map(({ code, fatal }) => [code, fatal])
      ],
      [[], [], [['ERR_NOT_READY', false]]]
    )
    world.server.blind = false
    assert.deepEqual(effectsOf(world.server.post({ type: 'tip' }), 'broadcast'), [])
    assert.equal(world.server.established.fundingAccepted, false)
    world.chain.broadcast(fundingTx)
    const told = world.server.effects.length
    world.lookAtChain()
    assert.equal(sentOf(world.server.effects.slice(told), 'FundingBroadcast').length, 1)
    assert.equal(world.server.established.fundingAccepted, true)
  })

  for (const [what, kind, code] of [
    ['no mempool takes it', 'fee-too-low', 'ERR_BROADCAST_REFUSED'],
    ['the chain cannot be reached', 'unavailable', 'ERR_NOT_READY']
  ] as const) {
    it(`says so at once when ${what}, and not what its servers said (FUND-3, ERR-1)`, () => {
      const { world, fundingTx } = handing({})
      world.server.blind = true
      world.server.post(eventOf({ type: 'Funding', fundingTx }))
      const failed = {
        type: 'broadcast-failed',
        purpose: 'funding',
        txid: world.server.established.outPoint.txid,
        kind,
        reason: 'electrum.example: no'
      } as const
      const { state, effects } = world.server.attempt(failed)
      assert.deepEqual(
        sentOf(effects, 'Error').map(({ rule, code, fatal }) => [rule, code, fatal]),
        [['', code, false]]
      )
      assert.ok(!sentOf(effects, 'Error').some(({ text }) => text.includes('electrum')))
      assert.ok(state === world.server.channel)
      world.disconnect()
      assert.deepEqual(sentOf(world.server.attempt(failed).effects, 'Error'), [], 'nobody is there')
    })
  }

  const other = (): Uint8Array =>
    buildT1({ script: scriptOf('elsewhere'), amount: 100_000n, coin: new World().coin })
  const cases: Array<
    [string, string, string, Partial<Parameters<typeof buildT1>[0]>, (() => Uint8Array)?]
  > = [
    ['that is another one than T2 spends', 'FUND-1', 'ERR_FUNDING_TXID', {}, other],
    ['that cannot be read', 'FUND-1', 'ERR_FUNDING_MALFORMED', {}, () => Uint8Array.from([9])],
    [
      'that pays to another script',
      'FUND-1',
      'ERR_FUNDING_OUTPUT',
      { script: scriptOf('elsewhere') }
    ],
    ['that pays 1 sat too little', 'FUND-1', 'ERR_FUNDING_OUTPUT', { amount: 99_999n }],
    ['that pays 1 sat too much', 'FUND-1', 'ERR_FUNDING_OUTPUT', { amount: 100_001n }],
    [
      'with an input without a witness, whose txid others can change',
      'FUND-2',
      'ERR_FUNDING_NOT_SEGWIT',
      { witness: [] }
    ],
    [
      'with a scriptSig, whose txid others can change',
      'FUND-2',
      'ERR_FUNDING_NOT_SEGWIT',
      { scriptSig: Uint8Array.from([0x51]) }
    ]
  ]
  for (const [what, rule, code, options, instead] of cases) {
    it(`refuses a T1 ${what} (${rule})`, () => {
      const { world, fundingTx } = handing(options)
      const effects = world.server.post(
        eventOf({ type: 'Funding', fundingTx: instead?.() ?? fundingTx })
      )
      assertAbandoned(world.server, effects, rule, code)
    })
  }
})

describe('server / opening / when the stream breaks', () => {
  it('accepted: gives up', () => {
    const world = new World().until('server', 'accepted')
    world.server.post({ type: 'disconnected', reason: '' })
    assert.equal(world.server.channel.stage, 'abandoned')
  })

  it('refund signed: waits, for T1 may be on its way; the client comes back and hands it over (FUND-1)', () => {
    const world = new World().until('client', 'established')
    world.disconnect()
    assert.equal(world.server.channel.stage, 'refund-signed')
    world.connect().run()
    assert.equal(world.server.channel.stage, 'established')
    world.open()
  })

  it('refund signed: refuses whoever comes back with another derivation (REEST-1)', () => {
    const world = new World().until('server', 'refund-signed')
    const effects = world.server.post({ type: 'message', message: reestablishOf() })
    assertAbandoned(world.server, effects, 'REEST-1', 'ERR_WRONG_DERIVATION')
  })

  it('refund signed: no clock ends it, but the last height for payments does (OPEN-9)', () => {
    const world = new World().until('server', 'refund-signed')
    const { terms } = world.server.channel as RefundSigned
    world.disconnect()
    world.server.post({ type: 'timeout' })
    world.chain.mineTo(terms.lastPaymentHeight)
    world.server.post({ type: 'tip' })
    assert.equal(world.server.channel.stage, 'refund-signed')
    world.chain.mineTo(blockHeight(terms.lastPaymentHeight + 1))
    assertAbandoned(world.server, world.server.post({ type: 'tip' }), '', 'ERR_OPEN_TIMEOUT')
  })

  it('refund signed: is not given up while the height is not known', () => {
    const world = new World().until('server', 'refund-signed')
    world.chain.mineTo(blockHeight(699))
    world.server.blind = true
    world.server.post({ type: 'tip' })
    assert.equal(world.server.channel.stage, 'refund-signed')
  })

  it('refund signed: takes T1 from the chain when its client went away before it handed it over (OPEN-9)', () => {
    const world = new World().until('client', 'established')
    world.server.seesFunding = true
    world.kill('client').mine(3)
    assert.equal(world.server.channel.stage, 'established')
    assert.deepEqual(world.server.established.fundingTx, world.client.established.fundingTx)
    world.client.dead = false
    world.restart('client').connect().run().paid(5_000n)
    assert.equal(world.server.info.ourBalance, 5_000n)
  })

  it('refund signed: its answer to a Reestablish was lost, and T1 came from the chain: the client is not taken for one that has forgotten (REEST-7)', () => {
    const world = new World().until('client', 'established')
    world.server.seesFunding = true
    world.disconnect().connect().deliver('server')
    world.disconnect().mine(3)
    assert.equal(world.server.channel.stage, 'established')
    world.connect().run().paid(5_000n)
    assert.deepEqual(
      [world.server.established.stopped, world.server.info.ourBalance],
      [undefined, 5_000n]
    )
  })

  it('refund signed: a T1 of more bytes than a client can hand over is not taken from the chain: its witness is the word of servers (EVID-9, WIRE-6)', () => {
    const world = new World().until('client', 'established')
    world.disconnect()
    const t1 = parseTransaction(world.client.established.fundingTx)
    const shown = (bytes: number): string => {
      const transaction = t1.withWitnesses([[new Uint8Array(bytes), new Uint8Array(33)]])
      const funding = { transaction, height: blockHeight(501) }
      const history = { funding, spends: [], strays: [] }
      return world.server.attempt({ type: 'history', history }).state.stage
    }
    assert.deepEqual([shown(72), shown(40_000)], ['established', 'refund-signed'])
  })

  it('refund signed: a T1 on the chain that is not the one of the refund changes nothing', () => {
    const world = new World().until('client', 'established')
    world.disconnect()
    const other = buildT1({ script: world.fundingScript, amount: 50_000n, coin: world.coin })
    world.server.post({
      type: 'history',
      history: {
        funding: { transaction: parseTransaction(other), height: blockHeight(501) },
        spends: [],
        strays: []
      }
    })
    assert.equal(world.server.channel.stage, 'refund-signed')
  })
})
