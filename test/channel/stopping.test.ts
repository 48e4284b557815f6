/** The end of payments: for good, with the first reason, and told once. */
import assert from 'node:assert/strict'
import {
  closeOnly,
  distrustList,
  isListFalse,
  mayLackPayments,
  stop
} from '../../src/channel/stopping.js'
import type { Channel, Established, Spend } from '../../src/channel/state.js'
import { transition } from '../../src/channel/transition.js'
import { Violation } from '../../src/channel/violation.js'
import { txid } from '../../src/types/bytes.js'
import { blockHeight, satoshi } from '../../src/types/units.js'
import { effectsOf, eventOf, sentOf, take } from './asserts.js'
import { paymentsOf } from './side.js'
import { World } from './world.js'

const BROKEN = new Violation('UPD-4', 'ERR_BAD_SIGNATURE', 'The signature is wrong.')
const FORGOTTEN = new Violation(
  'REEST-4',
  'ERR_STATE_FORGOTTEN',
  'This node has forgotten a state.'
)
const PEERS = new Violation('REEST-4', 'ERR_PEER_FORGOT', 'The peer has forgotten a state.')

describe('channel / stopping', () => {
  const { client, server } = new World().open().paid(40_000n)

  it('a broken rule: the peer is told, the stream ends, a person hears of it; the payee settles at once, the payer does not (UPD-16)', () => {
    for (const [side, settleNow] of [
      [client, false],
      [server, true]
    ] as const) {
      const { state, effects } = stop(side.established, BROKEN)
      assert.deepEqual(state.stopped, {
        code: 'ERR_BAD_SIGNATURE',
        reason: 'The signature is wrong.',
        rule: 'UPD-4',
        settleNow
      })
      assert.deepEqual(
        effects.map(({ type }) => type),
        ['send', 'hang-up', 'alarm']
      )
      assert.deepEqual(
        sentOf(effects, 'Error').map(({ rule, code, fatal }) => [rule, code, fatal]),
        [['UPD-4', 'ERR_BAD_SIGNATURE', true]]
      )
    }
  })

  it('the first reason stays: a second broken rule is told to the peer, and raises no alarm', () => {
    for (const first of [
      stop(server.established, PEERS).state,
      closeOnly(server.established, PEERS).state
    ]) {
      const { state, effects } = stop(first, BROKEN)
      assert.equal(state, first)
      assert.deepEqual(
        effects.map(({ type }) => type),
        ['send', 'hang-up']
      )
      assert.deepEqual(
        sentOf(effects, 'Error').map(({ rule }) => rule),
        ['UPD-4']
      )
    }
  })

  it('forgotten states: nothing is settled before its time; found again, nothing is said again (REEST-4)', () => {
    const { state, effects } = closeOnly(server.established, FORGOTTEN)
    assert.deepEqual(state.stopped, {
      code: 'ERR_STATE_FORGOTTEN',
      reason: FORGOTTEN.message,
      rule: 'REEST-4',
      settleNow: false
    })
    assert.equal(state.mayHaveForgotten, true)
    assert.deepEqual(
      effects.map(({ type }) => type),
      ['send', 'alarm', 'ask-for-channels']
    )
    assert.match(effectsOf(effects, 'alarm')[0]?.text ?? '', /paychan recover client/)
    for (const first of [state, { ...state, restored: true as const }]) {
      assert.deepEqual(closeOnly(first, FORGOTTEN), { state: first, log: [], effects: [] })
    }
  })

  it('forgotten states are news whatever has stopped the channel before, and stay so whatever stops it later (REEST-4)', () => {
    const first = stop(server.established, BROKEN).state
    const { state, effects } = closeOnly(first, FORGOTTEN)
    assert.deepEqual([state.stopped, state.mayHaveForgotten], [first.stopped, true])
    assert.deepEqual(
      effects.map(({ type }) => type),
      ['send', 'alarm', 'ask-for-channels']
    )
    const settled = transition(state, { type: 'settle' }, server.env()).state
    assert.ok(settled.stage === 'established')
    assert.deepEqual(
      [settled.stopped?.code, mayLackPayments(settled)],
      ['ERR_CHANNEL_SETTLED', true]
    )
    assert.deepEqual(closeOnly(first, PEERS), { state: first, log: [], effects: [] })
  })

  it('when the peer has forgotten, our own data lacks nothing and no channels are asked for', () => {
    const { state, effects } = closeOnly(server.established, PEERS)
    assert.deepEqual(state.stopped, {
      code: 'ERR_PEER_FORGOT',
      reason: PEERS.message,
      rule: 'REEST-4',
      settleNow: false
    })
    assert.deepEqual(
      effects.map(({ type }) => type),
      ['send', 'alarm']
    )
    assert.equal(effectsOf(effects, 'alarm')[0]?.text, PEERS.message)
  })

  it('payments may be lacking where this side has forgotten, or was handed the channel back; nowhere else', () => {
    const lacking = closeOnly(client.established, FORGOTTEN).state
    assert.deepEqual(
      [
        lacking,
        { ...client.established, restored: true as const },
        client.established,
        closeOnly(client.established, PEERS).state,
        new World().offer().client.channel
      ].map(mayLackPayments),
      [true, true, false, false, false]
    )
  })

  it('payments may be lacking where the first one was forgotten: the chain shows a state that leaves us less than we began with', () => {
    const { client: fresh } = new World().open()
    const after = (clientBalance: bigint): boolean =>
      mayLackPayments({
        ...fresh.established,
        onChain: {
          ...fresh.established.onChain,
          spend: {
            kind: 'settlement',
            state: 0,
            txid: txid('ab'.repeat(32)),
            raw: new Uint8Array(0),
            clientBalance: satoshi(clientBalance),
            height: blockHeight(600)
          }
        }
      })
    assert.deepEqual([after(99_999n), after(100_000n)], [true, false])
  })

  it('payments are not lacking where the chain shows an older state of two-way payments, or a close: their figures are of another turn', () => {
    const world = new World({ step: 20 })
      .open()
      .paidBy('client', 40_000n)
      .paidBy('server', 25_000n)
      .paidBy('client', 1_000n)
    const shown = (channel: Established, spend: Pick<Spend, 'kind' | 'state'>): Channel => ({
      ...channel,
      onChain: {
        ...channel.onChain,
        spend: {
          ...spend,
          txid: txid('ab'.repeat(32)),
          raw: new Uint8Array(0),
          clientBalance: satoshi(60_000n),
          height: blockHeight(600)
        }
      }
    })
    for (const { established, role } of [world.client, world.server]) {
      assert.equal(established.ledger.turn, 2)
      for (const spend of [
        { kind: 'settlement', state: 0 },
        { kind: 'close', state: undefined }
      ] as const) {
        assert.equal(mayLackPayments(shown(established, spend)), false, `${role}: ${spend.kind}`)
      }
    }
  })

  it('a list that cannot be true outranks why else the channel only closes (REEST-8)', () => {
    const { state } = distrustList(closeOnly(client.established, FORGOTTEN).state, 'ab')
    assert.equal(state.stage === 'established' ? state.stopped?.code : undefined, 'ERR_LIST_FALSE')
    assert.deepEqual(
      [
        state,
        closeOnly(client.established, FORGOTTEN).state,
        client.established,
        new World().offer().client.channel
      ].map(isListFalse),
      [true, false, false, false]
    )
    const { channel } = new World().offer().client
    assert.deepEqual(distrustList(channel, 'ab'), { state: channel, log: [], effects: [] })
  })
})

const paid = (): World => new World().open().paid(10_000n)

describe('channel / linking / on connected', () => {
  it('both sides first say where they stand, with the derivation of K2 (REEST-1, KEY-2)', () => {
    const world = paid().disconnect()
    assert.deepEqual([world.client.info.status, world.server.info.status], ['offline', 'offline'])
    world.connect()
    const message = take(world, 'server', 'Reestablish')
    assert.deepEqual(
      [message.derivation, message.turn, message.sequence],
      [Uint8Array.from([0, 0, 0, 3, 0, 0, 0, 4]), 0, 1]
    )
    assert.equal(world.client.established.link, 'up')
  })

  it('then both are open again, and pay', () => {
    const world = paid().disconnect().connect().run()
    assert.deepEqual([world.client.info.status, world.server.info.status], ['open', 'open'])
    world.paid(5n)
    assert.equal(world.server.info.ourBalance, 10_005n)
  })

  it('works again after a restart of either side', () => {
    for (const role of ['client', 'server'] as const) {
      const world = paid().restart(role).connect().run().paid(7n)
      assert.equal(world.server.info.ourBalance, 10_007n)
      assert.deepEqual([world.client.info.status, world.server.info.status], ['open', 'open'])
    }
  })
})

describe('channel / linking / before the other side has said where it stands (REEST-5)', () => {
  it('nothing but Reestablish is sent: no readiness, no confirmation of T1, no payment', () => {
    const world = new World().offer().run().disconnect()
    world.client.post({ type: 'connected' })
    const from = [world.client.effects.length, world.server.effects.length] as const
    world.mine(1, { quiet: true })
    world.server.post({
      type: 'broadcast-done',
      purpose: 'funding',
      txid: world.funding.outPoint.txid,
      isRefused: false,
      refusedForFee: false
    })
    world.pay(10_000n)
    const sent = [
      ...world.client.effects.slice(from[0]),
      ...world.server.effects.slice(from[1])
    ].filter(({ type }) => type === 'send')
    assert.deepEqual(sent, [])
    assert.deepEqual(
      [world.client.established.ready.ours, world.server.established.ready.ours],
      [true, true],
      'it is said later'
    )
    world.connect().run().paid(10_000n)
    assert.equal(world.server.info.ourBalance, 10_000n)
  })
})

describe('channel / linking / what was in flight', () => {
  it('is unknown to its callers when the stream breaks: neither paid nor failed', () => {
    const world = paid()
    world.pay(5_000n)
    const effects = world.client.post({ type: 'disconnected', reason: 'reset' })
    assert.deepEqual(
      paymentsOf(effects, 'payments-unknown').map(({ amount }) => amount),
      [5_000n]
    )
    assert.deepEqual(paymentsOf(effects, 'payments-acknowledged'), [])
  })

  it('lost on its way to the server: is sent again, and paid once (REEST-2)', () => {
    const world = paid()
    world.pay(5_000n)
    world.pay(6n)
    world.disconnect().connect().run()
    assert.equal(world.server.info.ourBalance, 15_006n)
    assert.deepEqual(
      paymentsOf(world.client.effects, 'payments-acknowledged').map(({ amount }) => amount),
      [10_000n, 5_000n, 6n]
    )
    assert.deepEqual(
      paymentsOf(world.server.effects, 'payments-received').map(({ amount }) => amount),
      [10_000n, 5_000n, 6n]
    )
  })

  it('stored, but the ack was lost: is acknowledged by what the server says, and not sent again (REEST-2)', () => {
    const world = paid()
    world.pay(5_000n)
    world.deliver('server')
    world.disconnect().connect()
    world.deliver('server')
    const effects = world.client.post(eventOf(take(world, 'client', 'Reestablish')))
    assert.deepEqual(
      paymentsOf(effects, 'payments-acknowledged').map(({ amount }) => amount),
      [5_000n]
    )
    assert.deepEqual(sentOf(effects, 'Update'), [])
    assert.equal(world.run().server.info.ourBalance, 15_000n)
  })

  it('the first update is sent again until the server has it (REEST-3)', () => {
    const world = new World().until('client', 'established')
    for (let i = 0; i < 10 && world.client.established.ledger.inFlight.length === 0; i++) {
      world.deliver('server')
      world.deliver('client')
    }
    world.disconnect().connect().run()
    assert.equal(world.server.established.ledger.held?.sequence, 0)
    world.open().paid(1_000n)
  })

  it('T1 is handed over again when the server has not confirmed it (FUND-1)', () => {
    const world = new World().until('client', 'established')
    world.deliver('server')
    world.disconnect().connect().run()
    assert.equal(world.client.established.fundingAcknowledged, true)
    world.open().paid(1_000n)
  })
})

describe('channel / linking / on Error', () => {
  const error = (
    code: string,
    fatal: boolean
  ): {
    type: 'message'
    message: { type: 'Error'; code: string; rule: string; text: string; fatal: boolean }
  } => ({ type: 'message', message: { type: 'Error', code, rule: 'UPD-4', text: 'No.', fatal } })

  it('a fatal one ends the payments, is told loudly (ERR-3), and is not answered (ERR-5); the stream is for its sender to end', () => {
    const world = paid()
    const effects = world.client.post(error('ERR_BAD_SIGNATURE', true))
    assert.deepEqual(
      [world.client.established.stopped?.code, world.client.info.status],
      ['ERR_BAD_SIGNATURE', 'stopped']
    )
    assert.deepEqual(
      [effectsOf(effects, 'hang-up').length, effectsOf(effects, 'alarm').length],
      [0, 1]
    )
    assert.deepEqual(sentOf(effects, 'Error'), [], 'an Error is never answered by an Error')
  })

  it('a fatal one about a channel whose T1 is in no block is no alarm: strangers say as many as they like (ERR-6)', () => {
    const { server } = new World().until('server', 'established')
    const effects = server.post(error('ERR_BAD_SIGNATURE', true))
    assert.equal(server.established.stopped?.code, 'ERR_BAD_SIGNATURE')
    assert.deepEqual(effectsOf(effects, 'alarm'), [])
    assert.deepEqual(
      effectsOf(effects, 'notify').map(({ news }) => news),
      [{ kind: 'peer-says', code: 'ERR_BAD_SIGNATURE', text: 'No.' }]
    )
  })

  it('a fatal one from the client makes the server wait for its height, not settle at once', () => {
    const world = paid()
    world.server.post(error('ERR_ANY', true))
    assert.equal(world.server.info.status, 'stopped')
    world.disconnect().mineTo(664)
    assert.equal(world.server.info.spend?.kind, 'settlement')
  })

  it('the first reason to stop stays', () => {
    const world = paid()
    world.client.post(error('ERR_BAD_ACK', true))
    world.client.post(error('ERR_BAD_MESSAGE', true))
    assert.equal(world.client.established.stopped?.code, 'ERR_BAD_ACK')
  })

  it('its code is its own word: this side takes over that of a rule, and no other (ERR-6)', () => {
    for (const code of [
      'ERR_STORE_FAILED',
      'ERR_CHANNEL_SETTLED',
      'ERR_INTERNAL',
      'ERR_ANY',
      '__proto__'
    ]) {
      const world = paid()
      const effects = world.client.post(error(code, true))
      assert.equal(world.client.established.stopped?.code, 'ERR_PEER_STOPPED')
      const [alarm] = effectsOf(effects, 'alarm')
      assert.deepEqual([alarm?.code, alarm?.facts['peerCode']], ['ERR_PEER_STOPPED', code])
    }
  })

  it('a fatal one is said again on every later stream, which stays for a close in peace (ERR-3)', () => {
    const world = paid()
    world.client.post({ type: 'message', message: { type: 'UpdateAck', turn: 0, sequence: 7 } })
    // It is lost with its stream.
    world.disconnect()
    assert.equal(world.server.info.status, 'offline')
    world.connect().run()
    assert.equal(world.server.established.stopped?.code, 'ERR_BAD_ACK')
    for (let n = 0; n < 2; n++) {
      world.disconnect().connect().run()
      assert.deepEqual(
        [world.client.established.link, world.server.established.link],
        ['live', 'live']
      )
    }
    assert.equal(effectsOf(world.server.effects, 'alarm').length, 1, 'a person is told once')
    world.server.post({ type: 'close' })
    world.run().mine()
    assert.equal(world.client.info.spend?.kind, 'close')
  })

  it('a fatal one makes what is in flight unknown to its callers at once (UPD-18)', () => {
    const world = paid()
    world.pay(5n)
    assert.deepEqual(
      paymentsOf(world.client.post(error('ERR_ANY', true)), 'payments-unknown').map(
        ({ amount }) => amount
      ),
      [5n]
    )
  })

  it('one that is not fatal moves nothing (ERR-4)', () => {
    const world = paid()
    const { state, effects } = world.client.attempt(error('ERR_CLOSE_FEE_TOO_LOW', false))
    assert.ok(state === world.client.channel)
    assert.deepEqual(effectsOf(effects, 'close-refused'), [], 'no close was asked for')
  })
})
