/** The end of a stream at each stage of a channel, and what the peer refuses on it. */
import assert from 'node:assert/strict'
import type { ErrorMessage } from '../../protocols/paychan/1.0/index.js'
import type { Effect } from '../../src/channel/effects.js'
import { transition } from '../../src/channel/transition.js'
import { effectsOf, eventOf, take } from './asserts.js'
import { paymentsOf } from './side.js'
import { World } from './world.js'

const gone = (reason: string): { type: 'disconnected'; reason: string } => ({
  type: 'disconnected',
  reason
})

describe('channel / linking / the end of a stream', () => {
  it('leaves payments unknown that are not acknowledged, and is all there is to tell without any', () => {
    const world = new World().open().paid(40_000n)
    const idle = world.client.attempt(gone('reset'))
    assert.deepEqual(
      idle.effects.map(({ type }) => type),
      ['notify']
    )
    world.pay(1_000n, 2_000n)
    const { effects } = world.client.attempt(gone('reset'))
    assert.deepEqual(
      paymentsOf(effects, 'payments-unknown').map(({ amount }) => amount),
      [1_000n, 2_000n]
    )
    assert.deepEqual(
      effectsOf(effects, 'payments-unknown').map(({ reason }) => reason),
      ['reset']
    )
  })

  it('leaves a channel without a stream as it is, the very same state: all hear of it when a node starts', () => {
    const { client } = new World().open().paid(40_000n)
    const first = client.attempt(gone('reset')).state
    assert.equal(first.stage === 'established' && first.link, 'down')
    assert.equal(transition(first, gone('again'), client.env()).state, first)
  })

  it('gives an opening up before T1 has left, with the reason where there is one', () => {
    const { client } = new World().until('client', 'refund-requested')
    const told = ['reset', ''].map((reason) => {
      const { state } = client.attempt(gone(reason))
      return state.stage === 'abandoned' ? state.reason : state.stage
    })
    assert.deepEqual(told, [
      'The peer went away while the channel was opening (reset); open it again.',
      'The peer went away while the channel was opening; open it again.'
    ])
  })

  it('is none for a server that has signed T2, which can still be used (FUND-1)', () => {
    const { server } = new World().until('server', 'refund-signed')
    const { state, effects } = server.attempt(gone(''))
    assert.deepEqual([state, effects], [{ ...server.channel, link: 'down' }, []])
  })

  it('is waited out by a renewal whose first state the server holds (RENEW-6)', () => {
    const old = new World().open().paid(40_000n)
    const renewal = new World({ renews: { world: old } }).until('client', 'refund-requested')
    for (const to of ['server', 'client', 'server'] as const) renewal.deliver(to)
    const { client } = renewal
    const secured = client.attempt(eventOf(take(renewal, 'client', 'UpdateAck'))).state
    const { state, effects } = transition(secured, gone(''), client.env())
    assert.ok(state.stage === 'refund-requested')
    assert.deepEqual([state.secured?.acknowledged, state.secured?.isConnected], [true, false])
    assert.deepEqual(effects, [])
    assert.equal(client.attempt(gone('')).state.stage, 'abandoned', 'before it holds it')
  })
})

describe('channel / linking / the refusals of a peer', () => {
  const error = (changes: Partial<ErrorMessage>): { type: 'message'; message: ErrorMessage } => ({
    type: 'message',
    message: {
      type: 'Error',
      code: 'ERR_CHANNEL_CLOSED',
      rule: '',
      text: 'no',
      fatal: false,
      ...changes
    }
  })
  const kinds = (effects: readonly Effect[]): string[] => effects.map(({ type }) => type)

  it('one that finds this side on old data has it ask for its channels; one that is on old data itself does not (REEST-4)', () => {
    const { client } = new World().open().paid(40_000n)
    const [ours, theirs] = ['ERR_PEER_FORGOT', 'ERR_STATE_FORGOTTEN'].map((code) =>
      client.attempt(error({ code, rule: 'REEST-4', fatal: true }))
    )
    assert.ok(ours?.state.stage === 'established' && theirs?.state.stage === 'established')
    assert.deepEqual(
      [ours.state.mayHaveForgotten, theirs.state.mayHaveForgotten],
      [true, undefined]
    )
    assert.deepEqual(
      [kinds(ours.effects), kinds(theirs.effects)],
      [['alarm', 'ask-for-channels'], ['alarm']]
    )
    // It has stopped the channel for something else first.
    const before = client.attempt(error({ code: 'ERR_INTERNAL', fatal: true })).state
    const later = transition(
      before,
      error({ code: 'ERR_PEER_FORGOT', rule: 'REEST-4', fatal: true }),
      client.env()
    )
    assert.ok(before.stage === 'established' && later.state.stage === 'established')
    assert.deepEqual(
      [later.state.mayHaveForgotten, later.state.stopped, kinds(later.effects)],
      [true, before.stopped, ['alarm', 'ask-for-channels']]
    )
  })

  it('a close that was asked for is refused with the channel, but not by one that has forgotten (REEST-4)', () => {
    const world = new World().open().paid(40_000n)
    const refusals = (changes: Partial<ErrorMessage>): number =>
      effectsOf(world.client.attempt(error(changes)).effects, 'close-refused').length
    assert.equal(refusals({}), 0, 'none was asked for')
    world.client.post({ type: 'close' })
    assert.deepEqual(
      [{}, { fatal: true, rule: 'UPD-4' }, { fatal: true, rule: 'REEST-4' }].map(refusals),
      [1, 1, 0]
    )
  })

  it('payments in flight are unknown once the channel is closed or has ended, and wait on after any other refusal', () => {
    const world = new World().open().paid(40_000n)
    const unknown = (changes: Partial<ErrorMessage>): number[] =>
      effectsOf(world.client.attempt(error(changes)).effects, 'payments-unknown').map(
        ({ payments }) => payments.length
      )
    const refusals = [{}, { fatal: true }, { code: 'ERR_NOT_READY' }]
    assert.deepEqual(refusals.map(unknown), [[], [], []], 'nothing is in flight')
    world.pay(1_000n)
    assert.deepEqual(refusals.map(unknown), [[1], [1], []])
  })
})
