/**
 * T1 is made by an outside wallet: nobody signs it before T2's signature is on disk, and T2 is kept
 * for good.
 */
import assert from 'node:assert/strict'
import { auditChannel } from '../../src/channel/audit.js'
import { checkFunded, checkSigned } from '../../src/channel/outside-funding.js'
import { recordOf } from '../../src/channel/restoring.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { blockHeight, satoshi } from '../../src/types/units.js'
import { OutsideWallet } from '../outside-wallet.js'
import { assertAbandoned, effectsOf, eventOf, sentOf } from './asserts.js'
import { ecdsa } from './side.js'
import { World } from './world.js'

const wallet = new OutsideWallet()

/** A client that the server has accepted. */
function accepted(): World {
  const world = new World({ outside: true }).until('client', 'accepted')
  return world
}

function psbtOf(world: World, fee = 1_000n, inputs = 1): Uint8Array {
  const { txid, vout } = world.coin
  const coins = Array.from({ length: inputs }, (_, n) => ({
    txid,
    vout: vout + n,
    value: 10_000_000n / BigInt(inputs)
  }))
  return wallet
    .fund(coins, [{ script: world.fundingScript, amount: world.capacity }], { fee })
    .toPSBT(0)
}

/** The outside wallet has paid for T1. */
function funded(world = accepted(), inputs?: number): World {
  const { channel } = world.client
  assert.ok(channel.stage === 'accepted' && channel.role === 'client')
  const { warnings, ...funding } = checkFunded(
    channel,
    psbtOf(world, undefined, inputs),
    world.client.env()
  )
  assert.deepEqual(warnings, [])
  world.client.post({ type: 'funding-built', ...funding })
  return world
}

/** T2's signature is on disk; T1 is not signed. */
function secured(inputs?: number): World {
  const world = funded(undefined, inputs).run()
  assert.deepEqual(
    [world.client.info.outside?.needs, world.server.channel.stage],
    ['signatures', 'refund-signed']
  )
  return world
}

const signedOf = (world: World): Uint8Array => wallet.sign(psbtOf(world)).extract()

function sign(world: World): World {
  const { raw } = checkSigned(world.client.established, signedOf(world), world.client.env())
  world.client.post({ type: 'funding-signed', raw })
  return world
}

describe('client / T1 of an outside wallet', () => {
  it('is well while its inputs wait for their signatures, however many there are', () => {
    const { client } = secured(2)
    const findings = auditChannel(client.established, {
      verify: ecdsa.verify,
      publicKey: ({ use }) =>
        use === 'channel' ? client.channelKey.publicKey : client.payoutKey.publicKey,
      logged: { count: 0, amount: satoshi(0n) }
    })
    assert.deepEqual(findings, [])
  })

  it('asks for inputs once the server has named K2, and builds nothing itself (step 2)', () => {
    const { client } = accepted()
    assert.deepEqual(effectsOf(client.effects, 'build-funding'), [])
    assert.deepEqual(
      [client.info.status, client.info.outside?.needs, client.info.outside?.amount],
      ['opening', 'inputs', 100_000n]
    )
    assert.match(client.info.outside?.address ?? '', /^bcrt1q/)
  })

  it('has T2 signed for the txid of the unsigned T1, which nobody is told to sign before (steps 3 to 5, REF-7)', () => {
    const world = funded()
    assert.deepEqual(
      [
        world.client.info.outside,
        sentOf(world.client.effects, 'Funding'),
        effectsOf(world.client.effects, 'broadcast')
      ],
      [undefined, [], []]
    )
    world.deliver('server')
    // The state with the signature is committed, and the process dies before any effect of it: it
    // may be signed all the same.
    world.client.crashNext = true
    world.deliver('client')
    world.client.restart()
    assert.equal(world.client.info.outside?.needs, 'signatures')
    assert.ok(world.client.established.refundSignature !== undefined)
  })

  it('gives up at a wrong signature of T2: nothing was signed (REF-7)', () => {
    const world = funded()
    assertAbandoned(
      world.client,
      world.client.post(
        eventOf({ type: 'RefundSignature', signature: new Uint8Array(64).fill(1) })
      ),
      'REF-7',
      'ERR_BAD_REFUND_SIGNATURE'
    )
  })

  it('hands nothing over while T1 is not signed, in no block and behind no Reestablish', () => {
    const world = secured()
    const from = world.client.effects.length
    world.mine(3)
    world.disconnect().connect().run()
    assert.deepEqual(
      [
        sentOf(world.client.effects.slice(from), 'Funding'),
        effectsOf(world.client.effects.slice(from), 'broadcast')
      ],
      [[], []]
    )
    assert.equal(world.server.channel.stage, 'refund-signed')
  })

  it('is no channel that a server which has lost its data is told of: T1 has not left (RESTORE-3)', () => {
    const world = secured()
    const { client } = world
    assert.equal(recordOf(client.channel, client.env()), undefined)
    sign(world)
    assert.deepEqual(recordOf(client.channel, client.env())?.fundingTx, signedOf(world))
  })

  it('is a channel like any other once T1 is signed (step 6, FUND-1, FUND-2, FUND-3)', () => {
    const world = sign(secured()).run()
    world.mine()
    assert.deepEqual(
      [world.client.info.status, world.server.info.status, world.client.info.outside],
      ['open', 'open', undefined]
    )
    world.paid(1_000n)
    world.client.post({ type: 'close' })
    world.run().mine()
    assert.equal(world.server.info.status, 'closed')
  })

  it('hands it over behind Reestablish when it was signed while the stream was gone, and after a restart', () => {
    const world = secured()
    sign(world.disconnect()).restart('client').connect().run()
    world.mine()
    assert.equal(world.client.info.status, 'open')
  })

  it('takes T1 from the chain when the outside wallet has sent it by itself, on both sides', () => {
    const world = secured()
    assert.ok('txid' in world.chain.broadcast(signedOf(world)))
    world.lookAtChain()
    world.run().mine()
    assert.deepEqual([world.client.info.status, world.server.info.status], ['open', 'open'])
    assert.deepEqual(world.client.established.outside, { psbt: undefined, isSigned: true })
  })

  it('does not take a T1 with made-up witnesses from a mempool', () => {
    const world = secured()
    const real = parseTransaction(wallet.sign(psbtOf(world)).extract())
    const forged = real.withWitnesses(
      real.inputs.map(({ witness }) => witness.map((item) => item.map((byte) => byte ^ 1)))
    )
    const { state } = world.client.attempt({
      type: 'history',
      history: {
        funding: { transaction: forged, height: undefined },
        spends: [],
        strays: []
      }
    })
    assert.ok(state.stage === 'established' && state.role === 'client')
    assert.equal(state.outside?.isSigned, false)
  })

  it('can be signed again as long as T1 is in no block, with the same txid (FUND-5)', () => {
    const world = sign(secured())
    const from = world.client.effects.length
    sign(world)
    assert.equal(effectsOf(world.client.effects.slice(from), 'broadcast').length, 1)
    // What the wallet brings last goes out and is kept: it may have the better witnesses.
    const better = Uint8Array.of(...signedOf(world))
    const { state, effects } = world.client.attempt({ type: 'funding-signed', raw: better })
    assert.ok(state.stage === 'established' && state.role === 'client')
    assert.equal(state.fundingTx, better)
    assert.deepEqual(state.outside, world.client.established.outside)
    assert.equal(state.outside?.isSigned, true)
    assert.deepEqual(
      [
        sentOf(effects, 'Funding').length,
        effectsOf(effects, 'broadcast').map(({ purpose, raw }) => [purpose, raw])
      ],
      [1, [['funding', better]]]
    )
    world.run().mine()
    assert.equal(
      world.client.attempt({ type: 'funding-signed', raw: better }).state,
      world.client.channel,
      'it is in a block'
    )
    assert.throws(
      () => checkSigned(world.client.established, signedOf(world), world.client.env()),
      { code: 'ERR_PSBT_NOT_EXPECTED' }
    )
  })

  it('is not taken once the opening was given up: T1 must not be sent any more', () => {
    const world = secured()
    world.client.post({ type: 'close' })
    assert.ok(world.client.established.stopped !== undefined)
    const { state, effects } = world.client.attempt({
      type: 'funding-signed',
      raw: signedOf(world)
    })
    assert.equal(state, world.client.channel)
    assert.deepEqual(effects, [])
  })

  it('never asks our wallet for a child: it has no change of it (FUND-5)', () => {
    const world = sign(secured())
    world.client.feeRate = world.client.env().nextBlockRate
    for (let n = 0; n < 10; n++) world.client.post({ type: 'tip' })
    assert.deepEqual(effectsOf(world.client.effects, 'bump-funding'), [])
  })

  describe('beside which something else pays to its address', () => {
    const bumped = (world: World): Uint8Array => wallet.sign(psbtOf(world, 9_000n)).extract()
    const shown = (world: World, height?: number): string[] => {
      const raw = bumped(world)
      const stray = {
        transaction: parseTransaction(raw),
        height: height === undefined ? undefined : blockHeight(height)
      }
      const history = { ...world.chain.history(world.client.established.outPoint), strays: [stray] }
      return effectsOf(world.client.post({ type: 'history', history }), 'alarm').map(
        ({ code, text }) => `${code} ${text}`
      )
    }

    it('such as a T1 with a higher fee: the person hears what to do, once in the mempool and once in a block (FUND-5)', () => {
      const world = sign(secured()).run()
      const { txid } = parseTransaction(bumped(world))
      const [first = '', ...more] = shown(world)
      assert.match(
        first,
        new RegExp(
          `^ERR_PAID_WITHOUT_REFUND Transaction ${txid} pays 100,000 sat .* is not T1 ${world.client.established.outPoint.txid}.*RBF`
        )
      )
      assert.deepEqual([more, shown(world)], [[], []])
      world.restart('client')
      assert.deepEqual(shown(world), [])
      const [mined = ''] = shown(world, 501)
      assert.match(
        mined,
        /^ERR_PAID_WITHOUT_REFUND .* is in block 501: only both sides together can move it/
      )
      assert.deepEqual([shown(world, 501), world.client.established.outside?.isSigned], [[], true])
    })

    it('also while T1 is not signed', () => {
      assert.equal(shown(secured()).length, 1)
    })

    it('but not when T1 is in a block: from then on anybody knows the address', () => {
      const world = sign(secured()).run().mine()
      assert.deepEqual(shown(world), [])
    })

    it('nor when it pays elsewhere: it spends what such a payment had brought', () => {
      const world = sign(secured()).run()
      const raw = wallet
        .sign(
          wallet
            .fund(
              [{ txid: 'aa'.repeat(32), vout: 0, value: 100_000n }],
              [{ script: wallet.script, amount: 90_000n }]
            )
            .toPSBT(0)
        )
        .extract()
      const history = {
        ...world.chain.history(world.client.established.outPoint),
        strays: [{ transaction: parseTransaction(raw), height: undefined }]
      }
      assert.deepEqual(effectsOf(world.client.post({ type: 'history', history }), 'alarm'), [])
    })
  })

  describe('that is never signed', () => {
    it('is given up by its user: the server is told, and T2 stays (OPEN-9)', () => {
      const world = secured()
      const effects = world.client.post({ type: 'close' })
      assert.deepEqual(
        effectsOf(effects, 'close-done').map(({ kind }) => kind),
        ['abandoned']
      )
      assert.deepEqual(
        sentOf(effects, 'Error').map(({ code, fatal }) => [code, fatal]),
        [['ERR_CANCELLED', true]]
      )
      world.run()
      assert.deepEqual(
        [world.client.info.status, world.server.info.status],
        ['abandoned', 'abandoned']
      )
      assert.ok(world.client.established.refundSignature !== undefined)
      const given = world.client.channel
      assert.deepEqual(
        world.client.post({ type: 'close' }).map(({ type }) => type),
        ['close-done'],
        'asked again, it is only said again'
      )
      assert.equal(world.client.channel, given)
    })

    it('takes no signature any more', () => {
      const world = secured()
      world.client.post({ type: 'close' })
      const before = world.client.channel
      world.client.post({ type: 'funding-signed', raw: signedOf(world) })
      assert.ok(world.client.channel === before)
    })

    it('is given up above the last height for payments, by both sides (OPEN-9, FUND-4)', () => {
      const world = secured()
      const { lastPaymentHeight } = world.client.established.terms
      world.mineTo(lastPaymentHeight)
      assert.equal(world.client.info.status, 'opening')
      world.mine()
      assert.deepEqual(
        [
          world.client.info.status,
          world.client.established.stopped?.code,
          world.server.info.status
        ],
        ['abandoned', 'ERR_OPEN_TIMEOUT', 'abandoned']
      )
    })

    it('and is sent all the same: an alarm, and T2 brings everything back at L', () => {
      const world = secured()
      world.client.post({ type: 'close' })
      world.run()
      world.restart('client')
      world.chain.broadcast(signedOf(world))
      world.mine()
      assert.ok(
        effectsOf(world.client.effects, 'alarm').some(({ code }) => code === 'ERR_FUNDED_TOO_LATE')
      )
      world.mineTo(world.client.established.terms.refundHeight + 1)
      assert.equal(world.client.info.spend?.kind, 'refund')
      assert.equal(world.client.info.status, 'closed')
    })
  })

  it('is abandoned with its stream, or by the clock, as long as T2 is not signed (OPEN-9)', () => {
    for (const event of [{ type: 'disconnected', reason: 'reset' }, { type: 'timeout' }] as const) {
      const world = accepted()
      world.client.post(event)
      assert.equal(world.client.info.status, 'abandoned')
    }
  })

  it('is asked for again after a refusal: the channel does not move', () => {
    const world = accepted()
    const { channel } = world.client
    assert.ok(channel.stage === 'accepted' && channel.role === 'client')
    assert.throws(() => checkFunded(channel, new Uint8Array(10), world.client.env()), {
      code: 'ERR_PSBT_MALFORMED'
    })
    world.client.blind = true
    assert.throws(() => checkFunded(channel, psbtOf(world), world.client.env()), {
      code: 'ERR_CHAIN_UNAVAILABLE'
    })
    world.client.blind = false
    assert.equal(funded(world).run().client.info.outside?.needs, 'signatures')
  })
})
