/**
 * What a payer looks at before it hands the turn over, when it is asked and when it grants (TURN-1,
 * TURN-2, TURN-3, TURN-9).
 */
import assert from 'node:assert/strict'
import type { Env } from '../../src/channel/env.js'
import { stateOfLock } from '../../src/channel/schedule.js'
import type { EitherSide, Funded } from '../../src/channel/state.js'
import { turnNeed } from '../../src/channel/turns.js'
import { txid } from '../../src/types/bytes.js'
import { blockHeight, feeRate, satoshi } from '../../src/types/units.js'
import { sentOf } from './asserts.js'
import { payment, World } from './world.js'

const TXID = txid('ab'.repeat(32))

/** L = 700, turns 20 blocks apart; the client has paid 40,000 sat and grants nothing by itself. */
function paid(): World {
  const world = new World({ step: 20 }).open().paidBy('client', 40_000n)
  world.client.grants = false
  return world
}

/** The server has asked for turn 1, and waits. */
function asked(): World {
  const world = paid()
  world.server.post({ type: 'ask-turn', payments: [payment(1_000n)] })
  world.run()
  assert.ok(world.client.established.wishes.theirs !== undefined)
  return world
}

interface Case {
  readonly what: string
  readonly channel?: (channel: EitherSide) => Partial<Funded>
  readonly env?: Partial<Env>
  readonly code: string
  /** TURN-5, of a tip at 501. */
  readonly notBefore: number
}

const CASES: readonly Case[] = [
  {
    what: 'that has signed a close',
    channel: () => ({
      closes: [
        {
          asker: 'client',
          fee: satoshi(400n),
          txid: TXID,
          signature: new Uint8Array(64),
          raw: undefined
        }
      ]
    }),
    code: 'ERR_CHANNEL_CLOSED',
    notBefore: 0
  },
  {
    what: 'that only closes',
    channel: () => ({
      stopped: { code: 'ERR_PEER_FORGOT', reason: '', rule: 'REEST-4', settleNow: false }
    }),
    code: 'ERR_CHANNEL_CLOSED',
    notBefore: 0
  },
  {
    what: 'that publishes',
    channel: () => ({
      publication: {
        kind: 'settlement',
        state: 0,
        since: { height: blockHeight(500), feeRate: feeRate(2_000n) },
        feeRate: feeRate(2_000n),
        fee: satoshi(400n),
        txid: TXID,
        raw: new Uint8Array(),
        height: blockHeight(501),
        refusedFor: undefined
      }
    }),
    code: 'ERR_CHANNEL_CLOSED',
    notBefore: 0
  },
  {
    what: 'that sees a spend',
    channel: ({ onChain }) => ({
      onChain: {
        ...onChain,
        shown: [
          {
            kind: 'unknown',
            state: undefined,
            txid: TXID,
            raw: new Uint8Array(),
            clientBalance: undefined,
            height: undefined,
            shownBy: 1,
            fee: undefined,
            vsize: 200,
            lock: 0
          }
        ]
      }
    }),
    code: 'ERR_CHANNEL_CLOSED',
    notBefore: 502
  },
  {
    what: 'whose funding has left its block',
    channel: ({ onChain }) => ({ onChain: { ...onChain, fundingHeight: undefined } }),
    code: 'ERR_CHANNEL_NOT_OPEN',
    notBefore: 502
  },
  {
    what: 'that does not see the chain',
    env: { height: undefined },
    code: 'ERR_NOT_READY',
    notBefore: 1
  },
  {
    what: 'that no server tells of its funding',
    env: { isWatched: false },
    code: 'ERR_NOT_READY',
    notBefore: 1
  }
]

describe('channel / turns / granting', () => {
  for (const { what, channel = () => ({}), env = {}, code, notBefore } of CASES) {
    it(`a payer ${what} refuses, and does not grant what it was asked for before`, () => {
      for (const [world, event] of [
        [paid(), { type: 'message', message: { type: 'TurnRequest', turn: 1, amount: 1_000n } }],
        [asked(), { type: 'grant-turn' }]
      ] as const) {
        const { client } = world
        client.channel = { ...client.established, ...channel(client.established) }
        const { state, effects } = client.attempt(event, env)
        assert.ok(state.stage === 'established')
        assert.deepEqual(
          [sentOf(effects, 'TurnGrant'), state.ledger.turn, state.wishes.theirs],
          [[], 0, undefined]
        )
        assert.deepEqual(
          sentOf(effects, 'TurnRefuse').map((message) => [
            message.turn,
            message.code,
            message.notBefore
          ]),
          [[1, code, notBefore]],
          event.type
        )
      }
    })
  }

  it('a request that came in time is refused when no lock is left for the turn by the time it could be granted (TURN-3)', () => {
    const late = asked().mineTo(637)
    const { state, effects } = late.client.attempt({ type: 'grant-turn' })
    assert.ok(state.stage === 'established')
    assert.deepEqual(
      [state.ledger.turn, state.wishes.theirs, sentOf(effects, 'TurnGrant')],
      [0, undefined, []]
    )
    assert.deepEqual(
      sentOf(effects, 'TurnRefuse').map(({ code, notBefore }) => [code, notBefore]),
      [['ERR_NO_TURN_LEFT', 0]]
    )
    late.client.post({ type: 'grant-turn' })
    late.run()
    assert.equal(late.server.established.wishes.refused?.code, 'ERR_NO_TURN_LEFT')
    assert.deepEqual(
      sentOf(asked().mineTo(636).client.attempt({ type: 'grant-turn' }).effects, 'TurnGrant').map(
        ({ turn }) => turn
      ),
      [1],
      'lock(1) = 660 is 24 above 636'
    )
  })

  it('nothing is granted on a stream that has not said where it stands, or that was not asked for', () => {
    const { client } = asked()
    for (const changed of [
      { ...client.established, link: 'up' as const },
      { ...client.established, link: 'down' as const },
      { ...client.established, wishes: { ...client.established.wishes, theirs: undefined } }
    ]) {
      client.channel = changed
      const { state, effects } = client.attempt({ type: 'grant-turn' })
      assert.equal(state, changed)
      assert.deepEqual(effects, [])
    }
  })
})

describe('channel / turns / needed by payments that wait', () => {
  it('is asked for by who is not the payer, once, on a two-way channel whose stream is there', () => {
    const { server, client } = paid()
    assert.deepEqual([turnNeed(server.channel), turnNeed(client.channel)], ['ask', 'none'])
    const channel = server.established
    for (const changes of [
      { link: 'up' as const },
      { link: 'down' as const },
      { terms: { ...channel.terms, mode: 'one-way' as const } },
      { ready: { ours: false, theirs: true } },
      { ready: { ours: true, theirs: false } },
      { ledger: { ...channel.ledger, held: undefined } },
      ...CASES.filter(({ code }) => code === 'ERR_CHANNEL_CLOSED').map(
        ({ channel: changed }) => changed?.(channel) ?? assert.fail()
      )
    ]) {
      assert.equal(turnNeed({ ...channel, ...changes }), 'none')
    }
    assert.equal(turnNeed({ ...channel, wishes: { ...channel.wishes, asked: 1 } }), 'wait')
    assert.equal(turnNeed(new World({ step: 20 }).offer().client.channel), 'none')
  })

  it('is asked for neither by the payer, nor in an opening', () => {
    const opening = new World({ step: 20 }).offer().client
    for (const side of [paid().client, opening]) {
      assert.deepEqual(side.attempt({ type: 'ask-turn', payments: [payment(1_000n)] }), {
        state: side.channel,
        log: [],
        effects: []
      })
    }
  })

  it('is asked for with just what a turn is worth, and with 1 sat less is not (TURN-1)', () => {
    const { server } = paid()
    const { minTurnAmount } = server.established.terms.limits
    const asked = (amount: bigint): number =>
      sentOf(
        server.attempt({ type: 'ask-turn', payments: [payment(amount)] }).effects,
        'TurnRequest'
      ).length
    assert.deepEqual([asked(minTurnAmount - 1n), asked(minTurnAmount)], [0, 1])
  })

  it('is none of a lock that no turn has (TURN-6)', () => {
    const { terms } = paid().client.established
    assert.deepEqual(
      [700, 680, 660, 679, 20, 0, -20, 720].map((lock) => stateOfLock(terms, lock)),
      ['refund', 0, 1, undefined, 33, undefined, undefined, undefined]
    )
    assert.deepEqual(
      [700, 0, 680].map((lock) => stateOfLock({ ...terms, mode: 'one-way' }, lock)),
      ['refund', 0, undefined]
    )
  })
})
