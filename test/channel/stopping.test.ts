/** The end of payments: for good, with the first reason, and told once. */
import assert from 'node:assert/strict'
import {
  closeOnly,
  distrustList,
  isListFalse,
  mayLackPayments,
  stop
} from '../../src/channel/stopping.js'
import { Violation } from '../../src/channel/violation.js'
import { txid } from '../../src/types/bytes.js'
import { blockHeight, satoshi } from '../../src/types/units.js'
import { effectsOf, sentOf } from './asserts.js'
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
      settleNow: false,
      mayHaveForgotten: true
    })
    assert.deepEqual(
      effects.map(({ type }) => type),
      ['send', 'alarm', 'ask-for-channels']
    )
    assert.match(effectsOf(effects, 'alarm')[0]?.text ?? '', /paychan recover client/)
    for (const first of [state, stop(server.established, BROKEN).state]) {
      assert.deepEqual(closeOnly(first, FORGOTTEN), { state: first, log: [], effects: [] })
    }
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
            turn: 0,
            txid: txid('ab'.repeat(32)),
            raw: new Uint8Array(0),
            clientBalance: satoshi(clientBalance),
            height: blockHeight(600)
          }
        }
      })
    assert.deepEqual([after(99_999n), after(100_000n)], [true, false])
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
