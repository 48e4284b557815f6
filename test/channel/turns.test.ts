/** Two-way channels: the turn as a token (spec.md, "Turns"). */
import assert from 'node:assert/strict'
import type { Role } from '../../src/bitcoin/keys.js'
import { closeIfDue } from '../../src/channel/closing.js'
import { nextDue } from '../../src/channel/due.js'
import type { Env } from '../../src/channel/env.js'
import type { ClientChannel } from '../../src/channel/state.js'
import { mustYield } from '../../src/channel/turns.js'
import { txid } from '../../src/types/bytes.js'
import { blockHeight, feeRate } from '../../src/types/units.js'
import { payment, World, type WorldOptions } from './world.js'
import { assertStopped, effectsOf, eventOf, sentOf, take } from './asserts.js'

/**
 * L = 700, the tip at 501, turns 20 blocks apart: lock(0) = 680, lock(k) >= H + 24 up to turn 7.
 */
function twoWay(options: WorldOptions = {}): World {
  return new World({ step: 20, ...options }).open()
}

const balances = (world: World): bigint[] => [
  world.client.info.ourBalance,
  world.server.info.ourBalance
]
const turnsOf = (world: World): number[] => [
  world.client.established.ledger.turn,
  world.server.established.ledger.turn
]
const refusals = (world: World, role: Role): string[] =>
  effectsOf(world[role].effects, 'payment-refused').map(({ error }) => error.code)

describe('channel / turns', () => {
  it('the client pays, then the server, then the client: whoever is not the payer asks for the turn', () => {
    const world = twoWay()
      .paidBy('client', 40_000n)
      .paidBy('server', 15_000n, 5_000n)
      .paidBy('client', 1_000n)
    assert.deepEqual(
      [balances(world), turnsOf(world)],
      [
        [79_000n, 21_000n],
        [2, 2]
      ]
    )
    assert.deepEqual(
      [world.client.info.payments, world.server.info.payments],
      [
        { sent: 2, received: 2 },
        { sent: 2, received: 2 }
      ]
    )
  })

  it('a turn is for a change of direction, not for a payment', () => {
    const world = twoWay().paidBy('client', 40_000n).paidBy('server', 1_000n)
    for (let n = 0; n < 5; n++) world.paidBy('server', 1_000n)
    assert.deepEqual(
      [balances(world), turnsOf(world)],
      [
        [66_000n, 34_000n],
        [1, 1]
      ]
    )
  })

  it('begins with the last state of the turn before, and its number (TURN-6)', () => {
    const world = twoWay().paidBy('client', 40_000n)
    const before = world.server.established.ledger.held
    world.server.post({ type: 'ask-turn', payments: [payment(1_000n)] })
    world.run()
    const { ledger, ended } = world.server.established
    assert.deepEqual(
      [ledger.turn, ledger.held?.sequence, ledger.held?.payerBalance, ledger.held?.signature],
      [1, before?.sequence, 40_000n, undefined]
    )
    assert.deepEqual(ended[0]?.signature, before?.signature)
    assert.deepEqual(balances(world), [60_000n, 40_000n])
  })

  it('matures `step` blocks before the turn before it', () => {
    const world = twoWay().paidBy('client', 40_000n)
    assert.deepEqual(world.client.info.turns, {
      number: 0,
      payer: 'us',
      left: 7,
      step: 20,
      oursMatures: 700,
      theirsMatures: 680
    })
    world.paidBy('server', 1_000n)
    assert.deepEqual(world.client.info.turns, {
      number: 1,
      payer: 'peer',
      left: 6,
      step: 20,
      oursMatures: 660,
      theirsMatures: 680
    })
    assert.deepEqual(world.server.info.turns, {
      number: 1,
      payer: 'us',
      left: 6,
      step: 20,
      oursMatures: 680,
      theirsMatures: 660
    })
  })

  it('shows what can be paid each way, in this turn or in the next', () => {
    const world = twoWay().paidBy('client', 40_000n)
    assert.deepEqual(
      [world.client.info.spendable, world.client.info.receivable],
      [60_000n, 40_000n]
    )
    assert.deepEqual(
      [world.server.info.spendable, world.server.info.receivable],
      [40_000n, 60_000n]
    )
  })
})

describe('channel / turns / asking', () => {
  it('is refused before the peer is bothered: less than a turn is worth (TURN-1)', () => {
    const world = twoWay({ policy: { minTurnAmount: undefined } })
      .paidBy('client', 40_000n)
      .paidBy('server', 10n)
    assert.deepEqual(
      [refusals(world, 'server'), sentOf(world.server.effects, 'TurnRequest')],
      [['ERR_BELOW_MIN_TURN'], []]
    )
    world.paidBy('server', 10_000n)
    assert.deepEqual(balances(world), [70_000n, 30_000n], 'and the next one is asked for')
  })

  it('is for the payments that the balance covers, to the last satoshi (TURN-1)', () => {
    const world = twoWay().paidBy('client', 40_000n)
    const waiting = [39_000n, 1_001n, 1_000n, 1n].map((amount) => payment(amount))
    const { effects } = world.server.attempt({ type: 'ask-turn', payments: waiting })
    assert.deepEqual(
      sentOf(effects, 'TurnRequest').map(({ amount }) => amount),
      [40_000n]
    )
  })

  it('is refused: more than the balance', () => {
    const world = twoWay().paidBy('client', 40_000n).paidBy('server', 40_001n)
    assert.deepEqual(
      [refusals(world, 'server'), turnsOf(world)],
      [['ERR_INSUFFICIENT_BALANCE'], [0, 0]]
    )
  })

  it('no turn is left: with the heights (TURN-3)', () => {
    const world = twoWay().paidBy('client', 40_000n).mineTo(636).paidBy('server', 10_000n)
    assert.deepEqual(turnsOf(world), [1, 1], 'lock(1) = 660 is 24 above 636')
    const late = twoWay().paidBy('client', 40_000n).mineTo(637).paidBy('server', 10_000n)
    const [refused] = effectsOf(late.server.effects, 'payment-refused')
    assert.deepEqual(
      [refused?.error.code, refused?.error.facts],
      ['ERR_NO_TURN_LEFT', { height: 637, lock: 660, turn: 0 }]
    )
  })

  it('the payer does not grant what no lock is left for, whatever is asked (TURN-3)', () => {
    const world = twoWay().paidBy('client', 40_000n).mineTo(637)
    const [answer] = sentOf(
      world.client.attempt({
        type: 'message',
        message: { type: 'TurnRequest', turn: 1, amount: 1_000n }
      }).effects,
      'TurnRefuse'
    )
    assert.deepEqual([answer?.code, answer?.notBefore], ['ERR_NO_TURN_LEFT', 0])
  })

  for (const [what, amount] of [
    ['too little', 0n],
    ['more than the payee has', 40_001n]
  ] as const) {
    it(`the payer does not grant a turn for ${what} (TURN-1)`, () => {
      const world = twoWay().paidBy('client', 40_000n)
      const [answer] = sentOf(
        world.client.attempt({ type: 'message', message: { type: 'TurnRequest', turn: 1, amount } })
          .effects,
        'TurnRefuse'
      )
      assert.deepEqual([answer?.code, answer?.turn], ['ERR_BELOW_MIN_TURN', 1])
    })
  }

  const answerTo = (amount: bigint, world: World, changes: Partial<Env> = {}) =>
    sentOf(
      world.client.attempt(
        { type: 'message', message: { type: 'TurnRequest', turn: 1, amount } },
        changes
      ).effects,
      'TurnRefuse'
    ).map(({ code, notBefore, text }) => [code, notBefore, text])

  it('what passes is refused for the moment, with its true reason, and may be asked for at once or with the next block (TURN-9, UPD-20)', () => {
    const paid = (): World => twoWay().paidBy('client', 40_000n)
    const { height } = paid().chain
    assert.deepEqual(answerTo(1_000n, paid(), { height: undefined }), [
      ['ERR_NOT_READY', 1, "The payer's node does not see the chain just now."]
    ])
    assert.deepEqual(answerTo(1_000n, paid(), { isWatched: false }), [
      [
        'ERR_NOT_READY',
        1,
        "No server tells the payer's node just now what happens to the channel on the chain."
      ]
    ])
    const lost = paid()
    lost.client.channel = {
      ...lost.client.established,
      onChain: { ...lost.client.established.onChain, fundingHeight: undefined }
    }
    assert.deepEqual(
      answerTo(1_000n, lost).map((answer) => answer.slice(0, 2)),
      [['ERR_CHANNEL_NOT_OPEN', height + 1]]
    )
    const shown = paid()
    shown.client.channel = {
      ...shown.client.established,
      onChain: {
        ...shown.client.established.onChain,
        shown: [
          {
            kind: 'unknown',
            state: undefined,
            txid: txid('ab'.repeat(32)),
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
    }
    assert.deepEqual(
      answerTo(1_000n, shown).map((answer) => answer.slice(0, 2)),
      [['ERR_CHANNEL_CLOSED', height + 1]]
    )
    assert.deepEqual(
      answerTo(0n, paid()).map((answer) => answer.slice(0, 2)),
      [['ERR_BELOW_MIN_TURN', 1]]
    )
  })

  it('a channel that is closing is refused for good', () => {
    const world = twoWay().paidBy('client', 40_000n)
    world.client.post({ type: 'close' })
    assert.deepEqual(
      answerTo(1_000n, world).map((answer) => answer.slice(0, 2)),
      [['ERR_CHANNEL_CLOSED', 0]]
    )
  })

  /** The client's node does not see the chain when the server would like to pay. */
  function refusedInTheDark(): World {
    const world = twoWay().paidBy('client', 40_000n)
    world.client.blind = true
    world.paidBy('server', 1_000n)
    world.client.blind = false
    assert.deepEqual([refusals(world, 'server'), turnsOf(world)], [['ERR_TURN_REFUSED'], [0, 0]])
    return world
  }

  it('what passes is asked for again with the next payment, at the same height, and also after a restart', () => {
    assert.deepEqual(turnsOf(refusedInTheDark().paidBy('server', 1_000n)), [1, 1])
    assert.deepEqual(
      turnsOf(refusedInTheDark().restart('server').connect().run().paidBy('server', 1_000n)),
      [1, 1]
    )
  })

  it('each request is for another payment: a peer that refuses at once and for ever makes nobody ask in a circle', () => {
    const world = refusedInTheDark()
    world.client.blind = true
    world.mine(3)
    const before = sentOf(world.server.effects, 'TurnRequest').length
    for (let n = 0; n < 5; n++) world.paidBy('server', 1_000n)
    assert.deepEqual(
      [sentOf(world.server.effects, 'TurnRequest').length - before, turnsOf(world)],
      [5, [0, 0]]
    )
  })

  it('nothing is spendable while the turn is refused, and the channel says why (TURN-5)', () => {
    const spendable = (world: World): unknown[] => [
      world.server.info.status,
      world.server.info.spendable,
      world.server.info.receivable,
      world.server.info.reason
    ]
    const refused = (notBefore: number): World => {
      const world = twoWay().paidBy('client', 40_000n)
      world.client.grants = false
      world.server.post({ type: 'ask-turn', payments: [payment(1_000n)] })
      world.server.post({
        type: 'message',
        message: { type: 'TurnRefuse', turn: 1, code: 'ERR_X', notBefore, text: 'Not now.' }
      })
      return world
    }
    const said = "It is the peer's turn to pay, and it does not hand over: Not now."
    assert.deepEqual(spendable(refused(0)), [
      'open',
      0n,
      60_000n,
      `${said} It never will on this channel: close it, or let the peer pay.`
    ])
    assert.deepEqual(spendable(refused(510)), [
      'open',
      0n,
      60_000n,
      `${said} Try again from height 510 on.`
    ])
    assert.deepEqual(spendable(refused(510).mineTo(510)), ['open', 40_000n, 60_000n, undefined])
    assert.deepEqual(spendable(refused(1)), ['open', 40_000n, 60_000n, undefined])
  })

  it('a payment that the turn is refused for hears when to try again: in a moment, once the height is there (TURN-5)', () => {
    const heard = (notBefore: number): string | undefined => {
      const world = twoWay().paidBy('client', 40_000n)
      world.client.grants = false
      world.server.post({ type: 'ask-turn', payments: [payment(1_000n)] })
      world.server.post({
        type: 'message',
        message: { type: 'TurnRefuse', turn: 1, code: 'ERR_X', notBefore, text: '' }
      })
      const effects = world.server.post({ type: 'pay', payments: [payment(1_000n)] })
      return /Try again .*/.exec(effectsOf(effects, 'payment-refused')[0]?.error.message ?? '')?.[0]
    }
    const { height } = twoWay().chain
    assert.deepEqual(
      [heard(1), heard(height), heard(height + 1)],
      [
        'Try again in a moment.',
        'Try again in a moment.',
        `Try again from height ${height + 1} on.`
      ]
    )
  })

  it('nor is the turn asked for while the channel takes no payments, though nobody has refused it (UPD-20)', () => {
    const world = twoWay().paidBy('client', 40_000n)
    world.server.unwatched = true
    const effects = world.server.post({ type: 'ask-turn', payments: [payment(1_000n)] })
    assert.deepEqual(sentOf(effects, 'TurnRequest'), [])
    assert.equal(world.server.established.wishes.refused?.code, 'ERR_NOT_WATCHED')
  })

  it('half of the turns are free, then one for each `step` blocks (TURN-8); asked again from that height on (TURN-5)', () => {
    const world = twoWay().paidBy('client', 40_000n)
    for (const role of ['server', 'client', 'server', 'client'] as const) world.paidBy(role, 1_000n)
    assert.deepEqual(turnsOf(world), [4, 4])
    world.paidBy('server', 1_000n)
    const refused = effectsOf(world.server.effects, 'payment-refused').at(-1)
    assert.deepEqual(
      [refused?.error.code, refused?.error.facts, turnsOf(world)],
      ['ERR_TURN_REFUSED', { peerCode: 'ERR_TURN_TOO_EARLY', notBefore: 521 }, [4, 4]]
    )
    const asked = sentOf(world.server.effects, 'TurnRequest').length
    world.mineTo(520).paidBy('server', 1_000n)
    assert.equal(
      sentOf(world.server.effects, 'TurnRequest').length,
      asked,
      'not asked again before'
    )
    world.mineTo(521).paidBy('server', 1_000n)
    assert.deepEqual(turnsOf(world), [5, 5])
  })

  it('waits until what is in flight is acknowledged (TURN-2)', () => {
    const world = twoWay().paidBy('client', 40_000n)
    world.pay(2_000n)
    world.server.post({ type: 'ask-turn', payments: [payment(1_000n)] })
    world.deliver('client')
    assert.deepEqual(
      [sentOf(world.client.effects, 'TurnGrant').length, world.client.established.ledger.turn],
      [0, 0]
    )
    world.run()
    assert.deepEqual(
      [turnsOf(world), balances(world)],
      [
        [1, 1],
        [58_000n, 42_000n]
      ]
    )
  })

  it('until something is paid in it the states of the turn before are those that mature', () => {
    const world = twoWay().paidBy('client', 40_000n)
    const matures = (): unknown[] =>
      [world.client, world.server].map(({ info: { turns } }) => [
        turns?.oursMatures,
        turns?.theirsMatures
      ])
    const before = matures()
    world.server.post({ type: 'ask-turn', payments: [payment(1_000n)] })
    world.run()
    assert.deepEqual([turnsOf(world), matures()], [[1, 1], before])
    world.paidBy('server', 1_000n)
    assert.notDeepEqual(matures(), before)
  })

  it('a payer that pays on and on lets the other side in after 64 updates (TURN-2)', () => {
    const world = twoWay().paidBy('client', 10_000n)
    world.client.grants = false
    world.server.post({ type: 'ask-turn', payments: [payment(1_000n)] })
    world.run()
    for (let n = 0; n < 64; n++) {
      assert.equal(mustYield(world.client.established), false)
      world.paidBy('client', 1n)
    }
    assert.equal(mustYield(world.client.established), true)
    world.client.grants = true
    world.client.post({ type: 'grant-turn' })
    world.run()
    assert.deepEqual(turnsOf(world), [1, 1])
  })
})

describe('channel / turns / broken rules', () => {
  const paid = (): World => twoWay().paidBy('client', 40_000n)

  it('a second request before the answer, one for another turn, one from the payer (TURN-1)', () => {
    const world = paid()
    const request = (turn: number) =>
      ({ type: 'message', message: { type: 'TurnRequest', turn, amount: 1_000n } }) as const
    const [ahead, payers] = [paid(), paid()]
    assertStopped(ahead.client, ahead.client.post(request(2)), 'TURN-1', 'ERR_UNEXPECTED_TURN')
    assertStopped(payers.server, payers.server.post(request(1)), 'TURN-1', 'ERR_UNEXPECTED_TURN')
    world.client.grants = false
    world.client.post(request(1))
    const effects = world.client.post(request(1))
    assert.deepEqual(
      sentOf(effects, 'Error').map(({ rule, text }) => [rule, text]),
      [['TURN-1', 'Turn 1 was asked for again before the first request was answered.']]
    )
  })

  it('a grant that was not asked for, of another turn, or from another update (TURN-4)', () => {
    for (const [turn, sequence, asks] of [
      [1, 1, false],
      [2, 1, true],
      [1, 2, true]
    ] as const) {
      const world = paid()
      world.client.grants = false
      if (asks) world.server.post({ type: 'ask-turn', payments: [payment(1_000n)] })
      const effects = world.server.post({
        type: 'message',
        message: { type: 'TurnGrant', turn, sequence }
      })
      assert.deepEqual(
        sentOf(effects, 'Error').map(({ rule }) => rule),
        ['TURN-4']
      )
      assert.equal(world.server.established.ledger.turn, 0)
    }
  })

  it('a refusal of what was not asked for (TURN-5)', () => {
    const effects = paid().server.post({
      type: 'message',
      message: { type: 'TurnRefuse', turn: 1, code: 'ERR_X', notBefore: 0, text: '' }
    })
    assert.deepEqual(
      sentOf(effects, 'Error').map(({ rule }) => rule),
      ['TURN-5']
    )
  })

  it('an update without the turn (UPD-1), also by a peer that has just granted it', () => {
    const world = paid()
    world.server.post({ type: 'ask-turn', payments: [payment(1_000n)] })
    world.run()
    const update = {
      type: 'Update',
      turn: 1,
      sequence: 2,
      payerBalance: 59_000n,
      payments: [payment(1_000n)],
      signature: new Uint8Array(64)
    } as const
    const effects = world.server.post({ type: 'updates', updates: [update] })
    assert.deepEqual(
      sentOf(effects, 'Error').map(({ rule }) => rule),
      ['UPD-1']
    )
  })

  it('turns have no place in a one-way channel (ERR-2)', () => {
    for (const message of [
      { type: 'TurnRequest', turn: 1, amount: 1_000n },
      { type: 'TurnGrant', turn: 1, sequence: 0 },
      { type: 'TurnRefuse', turn: 1, code: 'ERR_X', notBefore: 0, text: '' }
    ] as const) {
      const world = new World().open()
      assert.deepEqual(
        sentOf(world.client.post({ type: 'message', message }), 'Error').map(({ rule }) => rule),
        ['ERR-2']
      )
    }
  })
})

describe('channel / turns / a stream that breaks', () => {
  const asked = (): World => {
    const world = twoWay().paidBy('client', 40_000n)
    world.server.post({ type: 'ask-turn', payments: [payment(1_000n)] })
    return world
  }

  it('before the request arrived: it is asked for again', () => {
    const world = asked().disconnect().connect().run()
    assert.deepEqual(turnsOf(world), [0, 0])
    world.paidBy('server', 1_000n)
    assert.deepEqual(
      [turnsOf(world), balances(world)],
      [
        [1, 1],
        [61_000n, 39_000n]
      ]
    )
  })

  for (const who of ['client', 'server'] as const) {
    it(`after the grant, and it is lost; the ${who} is killed: the requester takes it from Reestablish (TURN-2)`, () => {
      const world = asked()
      world.deliver('client')
      assert.equal(world.client.established.ledger.turn, 1)
      world.restart(who).connect().run()
      assert.deepEqual(
        [turnsOf(world), balances(world)],
        [
          [1, 1],
          [60_000n, 40_000n]
        ]
      )
      world.paidBy('server', 1_000n)
      assert.deepEqual(balances(world), [61_000n, 39_000n])
    })
  }

  it('after the first update of the turn, and it is lost: it is sent again, and paid once (REEST-2)', () => {
    const world = asked().run()
    world.server.post({ type: 'pay', payments: [payment(1_000n)] })
    world.disconnect().connect().run()
    assert.deepEqual(
      [turnsOf(world), balances(world)],
      [
        [1, 1],
        [61_000n, 39_000n]
      ]
    )
  })

  it('after its acknowledgement, and that is lost', () => {
    const world = asked().run()
    world.server.post({ type: 'pay', payments: [payment(1_000n)] })
    world.deliver('client')
    world.restart('server').connect().run()
    assert.deepEqual([world.server.info.inFlight, balances(world)], [0n, [61_000n, 39_000n]])
  })

  it('a side that stands before the grant, and not on the update with which the turn ended, or whose turn has been paid in, has forgotten (REEST-4)', () => {
    const before = (sequenceLess: number, hasPaid: boolean): string | undefined => {
      const world = asked().run()
      if (hasPaid) {
        world.server.post({ type: 'pay', payments: [payment(1_000n)] })
        world.run()
      }
      world.disconnect().connect()
      world.deliver('server')
      const message = take(world, 'client', 'Reestablish')
      const ended = world.client.established.ended.at(-1)
      assert.ok(ended !== undefined)
      const { state } = world.client.attempt(
        eventOf({
          ...message,
          turn: 0,
          sequence: ended.sequence - sequenceLess,
          payerBalance: ended.payerBalance,
          signature: new Uint8Array(0)
        })
      )
      return state.stage === 'established' ? state.stopped?.code : state.stage
    }
    assert.deepEqual(
      [before(0, false), before(1, false), before(0, true)],
      [undefined, 'ERR_PEER_FORGOT', 'ERR_PEER_FORGOT']
    )
  })

  it('a side that was restored to before the grant it has made does not go on (REEST-4)', () => {
    const world = twoWay().paidBy('client', 40_000n)
    const copy = world.client.channel
    world.paidBy('server', 10_000n).disconnect()
    world.client.channel = copy
    world.restart('client').connect().run()
    assert.deepEqual([world.client.info.status, world.server.info.status], ['stopped', 'stopped'])
  })
})

describe('channel / turns / a close', () => {
  it('in any turn has the newest balances', () => {
    const world = twoWay().paidBy('client', 40_000n).paidBy('server', 15_000n)
    world.server.post({ type: 'close' })
    world.run().mine()
    const { client, server, fee } = world.payouts()
    assert.deepEqual([client, server], [75_000n, 25_000n - fee])
  })

  it('that crosses a grant is completed all the same: the turn begins with the state that it names (TURN-4, CLOSE-1)', () => {
    const world = twoWay().paidBy('client', 40_000n)
    world.server.post({ type: 'ask-turn', payments: [payment(1_000n)] })
    world.server.post({ type: 'close' })
    world.run().mine()
    assert.equal(world.client.info.spend?.kind, 'close')
    assert.equal(world.server.info.status, 'closed')
  })

  it('that crossed a grant is none that has forgotten anything: on the next stream both still know the turn (TURN-4)', () => {
    const world = twoWay().paidBy('client', 40_000n)
    world.server.post({ type: 'ask-turn', payments: [payment(1_000n)] })
    world.deliver('client')
    world.server.post({ type: 'close' })
    world.queues.client.length = 0
    world.deliver('server')
    assert.deepEqual(
      [turnsOf(world), sentOf(world.server.effects, 'CloseRequest').length],
      [[1, 1], 1]
    )
    world.disconnect().connect().run()
    assert.deepEqual(
      [world.client.established.stopped, world.server.established.stopped],
      [undefined, undefined]
    )
    world.server.post({ type: 'close' })
    world.run().mine()
    assert.equal(world.client.info.spend?.kind, 'close')
  })

  it('is asked for by whoever granted a turn in which nothing was paid for 12 blocks (TURN-7)', () => {
    const world = twoWay().paidBy('client', 40_000n)
    world.server.post({ type: 'ask-turn', payments: [payment(1_000n)] })
    world.run().mine(11)
    assert.equal(world.client.info.status, 'open')
    world.mine()
    assert.equal(sentOf(world.client.effects, 'CloseRequest').length, 1)
  })

  it('is not where the chain decides: a publication is out, a spend is seen, or T1 has left its block (TURN-7)', () => {
    const world = twoWay().paidBy('client', 40_000n)
    world.server.post({ type: 'ask-turn', payments: [payment(1_000n)] })
    world.run().mine(11)
    const { client } = world
    const channel = client.established
    const env = client.env({ height: blockHeight(world.chain.height + 1) })
    const late = twoWay().paidBy('client', 40_000n).kill('server').mineTo(700).client.established
    const { shown } = late.onChain
    assert.ok(late.publication !== undefined && shown.length > 0)
    const asks = (changes: Partial<ClientChannel>): number =>
      sentOf(closeIfDue({ ...channel, ...changes }, env).effects, 'CloseRequest').length
    assert.deepEqual(
      [
        {},
        { publication: late.publication },
        { onChain: { ...channel.onChain, shown } },
        { onChain: { ...channel.onChain, fundingHeight: undefined } }
      ].map(asks),
      [1, 0, 0, 0]
    )
  })

  it('is not while that costs more than a fiftieth of its own share; fees fall, and it is (TURN-7)', () => {
    const world = twoWay().paidBy('client', 40_000n)
    world.server.post({ type: 'ask-turn', payments: [payment(1_000n)] })
    world.run()
    for (const side of [world.client, world.server]) side.feeRate = feeRate(6_456n)
    world.mine(30)
    assert.deepEqual(
      sentOf(world.client.effects, 'CloseRequest'),
      [],
      '169 vB at 7.101 sat/vB are 1,201 sat, of 60,000 sat'
    )
    for (const side of [world.client, world.server]) side.feeRate = feeRate(6_455n)
    world.mine()
    assert.deepEqual(
      sentOf(world.client.effects, 'CloseRequest').map(({ fee }) => fee),
      [1_200n]
    )
  })

  it('is not, once something was paid in it', () => {
    const world = twoWay().paidBy('client', 40_000n).paidBy('server', 1_000n).mine(30)
    assert.deepEqual(
      [sentOf(world.client.effects, 'CloseRequest'), sentOf(world.server.effects, 'CloseRequest')],
      [[], []]
    )
    // Nor do tips bother such a channel any more.
    for (const { channel } of [world.client, world.server]) {
      assert.ok(nextDue(channel, world.chain.height + 1) > world.chain.height + 100)
    }
  })

  it('comes after the last payment of the turn, 12 blocks before its lock (UPD-12, TIME-5)', () => {
    const world = twoWay().paidBy('client', 40_000n).paidBy('server', 1_000n).mineTo(648)
    world.paidBy('server', 1n)
    world.mine()
    world.paidBy('server', 1n)
    assert.deepEqual(refusals(world, 'server'), ['ERR_CHANNEL_EXPIRED'])
    world.mineTo(651)
    assert.equal(sentOf(world.server.effects, 'CloseRequest').length, 1)
  })
})
