/** What two sides that meet again tell each other and send anew, and what rests (COST-5). */
import assert from 'node:assert/strict'
import type { Message, Reestablish } from '../../protocols/paychan/1.0/index.js'
import type { Role } from '../../src/bitcoin/keys.js'
import { compareEpochs, NEW_EPOCHS, raised } from '../../src/channel/epochs.js'
import type { BroadcastPurpose } from '../../src/channel/events.js'
import { canWait, refused, rests, taken } from '../../src/channel/resending.js'
import type { Established } from '../../src/channel/state.js'
import { statusOfUpdate } from '../../src/engine/payments.js'
import { txid } from '../../src/types/bytes.js'
import { blockHeight } from '../../src/types/units.js'
import { assertStopped, effectsOf, sentOf, take } from './asserts.js'
import {
  assertCloseOnly,
  bothCloseOnly,
  closesWith,
  copyOf,
  paid,
  says,
  stateOf
} from './reestablish-stories.js'
import { paymentsOf } from './side.js'
import { World } from './world.js'

describe('channel / reestablishing / what is said', () => {
  it('by the payer: its newest acknowledged state with its signature, and how far it has signed', () => {
    const world = paid()
    world.pay(5n)
    world.disconnect().connect()
    const message = take(world, 'server', 'Reestablish')
    assert.deepEqual(
      [
        message.sequence,
        message.payerBalance,
        message.signed,
        message.payments,
        message.paymentsAfter
      ],
      [1, 90_000n, 2, [], 0]
    )
    assert.deepEqual(message.signature, world.server.established.ledger.held?.signature)
    assert.deepEqual([message.epoch, message.peerEpoch], [1, 0])
  })

  it('by the payee, in answer: its newest state, and the epoch that it has read (REEST-1, REEST-7)', () => {
    const world = paid().disconnect().connect()
    world.deliver('server')
    const message = take(world, 'client', 'Reestablish')
    assert.deepEqual(
      [
        message.sequence,
        message.payerBalance,
        message.signed,
        message.payments,
        message.paymentsAfter
      ],
      [1, 90_000n, 0, [], 1]
    )
    assert.deepEqual([message.epoch, message.peerEpoch], [1, 1])
  })

  it('nothing of a state while there is none', () => {
    const world = new World().until('client', 'established').disconnect().connect()
    assert.equal(take(world, 'server', 'Reestablish').signature.length, 0)
  })

  it('once on a stream: another one is a broken rule (REEST-1, ERR-2)', () => {
    const world = paid().disconnect().connect().run()
    assertStopped(
      world.server,
      world.server.post(says(world, world.server)),
      'ERR-2',
      'ERR_UNEXPECTED_MESSAGE'
    )
  })
})

describe('channel / reestablishing / epochs (REEST-7)', () => {
  it('rise with every Reestablish, and are known on both sides', () => {
    const world = paid()
    for (let n = 1; n <= 3; n++) {
      world.disconnect().connect().run()
      assert.deepEqual(
        [world.client.established.epochs, world.server.established.epochs],
        [
          { ours: n, theirs: n, seen: n },
          { ours: n, theirs: n, seen: n }
        ]
      )
    }
  })

  it("a stream that broke before it was read leaves a gap, which is nobody's fault", () => {
    const world = paid()
      .disconnect()
      .connect()
      .disconnect()
      .connect()
      .disconnect()
      .connect()
      .run()
      .paid(5n)
    assert.deepEqual(
      [world.client.info.status, world.server.info.status, world.server.info.ourBalance],
      ['open', 'open', 10_005n]
    )
  })

  const cases: Array<
    [
      what: string,
      role: Role,
      changes: (epochs: { ours: number; theirs: number; seen: number }) => Partial<Reestablish>,
      code: string
    ]
  > = [
    [
      'the peer repeats an epoch',
      'server',
      ({ theirs }) => ({ epoch: theirs }),
      'ERR_COPY_RUNNING'
    ],
    [
      'the peer answers with an epoch that was there before',
      'client',
      ({ theirs }) => ({ epoch: theirs - 1 }),
      'ERR_COPY_RUNNING'
    ],
    [
      'the peer answers with the same epoch',
      'client',
      ({ theirs }) => ({ epoch: theirs }),
      'ERR_COPY_RUNNING'
    ],
    [
      'the peer has not seen what it had seen',
      'server',
      ({ seen }) => ({ peerEpoch: seen - 1 }),
      'ERR_PEER_FORGOT'
    ],
    [
      'the peer has seen what we have never said',
      'server',
      ({ ours }) => ({ peerEpoch: ours + 1 }),
      'ERR_STATE_FORGOTTEN'
    ],
    [
      'the peer has seen in us what we have never said',
      'client',
      ({ ours }) => ({ peerEpoch: ours + 1 }),
      'ERR_STATE_FORGOTTEN'
    ]
  ]
  for (const [what, role, changes, code] of cases) {
    it(`close only: ${what}: ${code} (REEST-4)`, () => {
      const world = paid()
      for (let n = 0; n < 3; n++) world.disconnect().connect().run()
      world.disconnect()
      if (role === 'client') world.connect()
      const side = world[role]
      world.linked[role] = true
      const effects = side.post(says(world, side, changes(side.established.epochs)))
      assertCloseOnly(side, code)
      assert.deepEqual(
        sentOf(effects, 'Error').map((error) => [error.rule, error.fatal]),
        [['REEST-4', true]]
      )
      assert.equal(effectsOf(effects, 'alarm')[0]?.code, code)
      assert.equal(
        effectsOf(effects, 'ask-for-channels').length,
        code === 'ERR_PEER_FORGOT' ? 0 : 1,
        'RESTORE-8'
      )
    })
  }

  for (const code of ['ERR_PEER_FORGOT', 'ERR_COPY_RUNNING', 'ERR_STATE_FORGOTTEN'] as const) {
    it(`the peer says so alone, by ${code}: ${code === 'ERR_STATE_FORGOTTEN' ? 'it has nothing to tell' : 'it is asked for what this node may have forgotten'} (RESTORE-8)`, () => {
      const { client } = paid()
      const says = {
        type: 'message',
        message: {
          type: 'Error',
          code,
          rule: 'REEST-4',
          text: 'Somebody has forgotten.',
          fatal: true
        }
      } as const
      assert.equal(
        effectsOf(client.post(says), 'ask-for-channels').length,
        code === 'ERR_STATE_FORGOTTEN' ? 0 : 1
      )
      assert.deepEqual(effectsOf(client.post(says), 'ask-for-channels'), [], 'once a channel')
    })
  }

  it('an older stream that arrives after a newer one condemns nobody', () => {
    const world = paid().disconnect().connect().run().disconnect().connect().run()
    const late = says(world, world.server, { epoch: 1, peerEpoch: 0 })
    world.server.post({ type: 'disconnected', reason: 'replaced by a newer stream' })
    const effects = world.server.post(late)
    assert.equal(world.server.established.stopped, undefined)
    assert.deepEqual(
      sentOf(effects, 'Reestablish').map(({ peerEpoch }) => peerEpoch),
      [2],
      'whoever listens learns that it is the copy'
    )
    world.disconnect().connect().run().paid(5n)
    assert.equal(world.server.info.ourBalance, 10_005n)
  })

  it('a side that learns that it is the copy counts on from where it had been', () => {
    const world = paid().disconnect()
    world.linked.server = true
    world.server.post(says(world, world.server, { peerEpoch: 40 }))
    assert.equal(world.server.established.epochs.ours, 41)
  })
})

describe('channel / reestablishing / a payee that was restored from an old copy', () => {
  const restored = (): World => {
    const world = paid()
    const copy = copyOf(world, 'server')
    world.paid(20_000n).paid(300n)
    return copy.goBack().connect().run()
  }

  it('is given back by the payer what it had acknowledged; then the channel only closes (REEST-4, REEST-9)', () => {
    const world = restored()
    assert.equal(world.server.established.stopped?.code, 'ERR_STATE_FORGOTTEN')
    assert.equal(world.server.info.ourBalance, 30_300n)
    bothCloseOnly(world)
  })

  for (const asker of ['client', 'server'] as const) {
    it(`the ${asker} can close it with the best state`, () => {
      closesWith(restored(), asker, 30_300n)
    })
  }

  it('publishes the state that it was given, at its height', () => {
    const world = restored().kill('client').mineTo(663)
    assert.equal(world.server.info.spend, undefined)
    world.mine(2)
    assert.equal(world.payouts().server, 30_300n - world.payouts().fee)
  })

  it('without the payer it loses what was received since the copy, and no more', () => {
    const world = paid()
    const copy = copyOf(world, 'server')
    world.paid(20_000n)
    copy.goBack().kill('client').mineTo(665)
    assert.equal(world.payouts().server, 10_000n - world.payouts().fee)
  })

  it('from before it had T1: is handed T1 and the state again (REEST-2)', () => {
    const world = new World().until('server', 'refund-signed')
    const copy = copyOf(world, 'server')
    world.open().paid(7_000n)
    copy.goBack()
    assert.equal(world.server.channel.stage, 'refund-signed')
    world.connect().run().disconnect().connect().run()
    assert.equal(world.server.info.ourBalance, 7_000n)
    bothCloseOnly(world)
    closesWith(world, 'client', 7_000n)
  })

  it('costs no server of the chain anything: T1 is not sent again for a stream (COST-1)', () => {
    for (const fundingAccepted of [false, true]) {
      const world = paid().disconnect()
      world.linked.server = true
      world.server.channel = { ...world.server.established, fundingAccepted }
      assert.deepEqual(effectsOf(world.server.post(says(world, world.server)), 'broadcast'), [])
    }
  })

  it('both stay close-only over restarts and streams, and say so without end or quarrel', () => {
    const world = restored()
    for (let n = 0; n < 3; n++) {
      for (const role of ['client', 'server'] as const) {
        world.restart(role).connect().run()
        bothCloseOnly(world)
      }
    }
  })

  const lies: Array<[what: string, changes: (world: World) => Partial<Reestablish>, code: string]> =
    [
      [
        "a signature that is not the payer's",
        () => ({ sequence: 2, payerBalance: 80_000n, signature: new Uint8Array(64).fill(1) }),
        'ERR_BAD_SIGNATURE'
      ],
      [
        'the signature of another state',
        (world) => ({ sequence: 2, ...stateOf(world, 80_000n), payerBalance: 70_000n }),
        'ERR_BAD_SIGNATURE'
      ],
      [
        'a larger balance of the payer',
        (world) => ({ sequence: 2, ...stateOf(world, 95_000n) }),
        'ERR_BALANCE_MISMATCH'
      ],
      [
        'a balance above the capacity',
        () => ({ sequence: 2, payerBalance: 100_001n }),
        'ERR_BALANCE_MISMATCH'
      ],
      [
        'more updates than satoshis were paid since',
        (world) => ({ sequence: 10_002, ...stateOf(world, 80_000n) }),
        'ERR_OUT_OF_ORDER'
      ]
    ]
  for (const [what, changes, code] of lies) {
    it(`takes nothing over with ${what}: the channel ends with what it holds (REEST-9)`, () => {
      const world = paid().disconnect()
      world.linked.server = true
      const { held } = world.server.established.ledger
      assertStopped(
        world.server,
        world.server.post(says(world, world.server, changes(world))),
        'REEST-9',
        code
      )
      assert.deepEqual(world.server.established.ledger.held, held)
    })
  }
})

describe('channel / epochs (REEST-7)', () => {
  const epochs = { ours: 5, theirs: 3, seen: 4 }
  const cases: ReadonlyArray<
    readonly [
      what: string,
      said: readonly [epoch: number, peerEpoch: number],
      after: typeof epochs,
      relapse: string | undefined
    ]
  > = [
    ['the next one, which has seen our last', [4, 5], { ours: 5, theirs: 4, seen: 5 }, undefined],
    ['one that has not seen our last yet', [4, 4], { ours: 5, theirs: 4, seen: 4 }, undefined],
    ['a later one, after some that were lost', [9, 5], { ours: 5, theirs: 9, seen: 5 }, undefined],
    [
      'one that has seen more of us than we know of',
      [4, 7],
      { ours: 7, theirs: 4, seen: 5 },
      'this node'
    ],
    [
      'one that no longer knows what it had seen',
      [4, 3],
      { ours: 5, theirs: 4, seen: 4 },
      'the peer'
    ],
    ['the last one again', [3, 5], { ours: 5, theirs: 3, seen: 5 }, 'a copy']
  ]
  for (const [what, [epoch, peerEpoch], after, relapse] of cases) {
    it(`${what}: ${relapse ?? 'nobody'} has gone back`, () => {
      for (const isAnswer of [false, true]) {
        assert.deepEqual(compareEpochs(epochs, epoch, peerEpoch, isAnswer), {
          epochs: after,
          relapse
        })
      }
    })
  }

  it("an earlier one condemns nobody when it opens a stream, for it may have been long on its way; as an answer it is a copy's", () => {
    assert.deepEqual(compareEpochs(epochs, 2, 5, false), {
      epochs: { ...epochs, seen: 5 },
      relapse: undefined
    })
    assert.deepEqual(compareEpochs(epochs, 2, 5, true), {
      epochs: { ...epochs, seen: 5 },
      relapse: 'a copy'
    })
  })

  it('count from 1 on, and stay within 32 bits', () => {
    assert.deepEqual(raised(NEW_EPOCHS), { ours: 1, theirs: 0, seen: 0 })
    assert.equal(raised({ ...epochs, ours: 0xffff_ffff }).ours, 0xffff_ffff)
  })
})

describe('channel / reestablishing / a payer that knows less than it has signed', () => {
  /** What is on its disk is of before two updates, as if the last writes had been lost. */
  function lost(upTo: (world: World) => unknown = () => {}): World {
    const world = paid()
    upTo(world)
    const before = world.client.established
    const { log } = world.client
    world.paid(2_000n).paid(300n)
    world.disconnect()
    world.client.channel = before
    world.client.log = log.slice(0, -2)
    world.client.post({ type: 'disconnected', reason: 'this node was restarted' })
    return world
  }

  it("adopts the payee's state, logs what was paid, and goes on (REEST-4, REEST-8)", () => {
    const world = lost()
    const from = world.client.effects.length
    world.connect().run()
    assert.deepEqual(
      [world.client.info.ourBalance, world.client.info.payments.sent, world.client.info.status],
      [87_700n, 3, 'open']
    )
    assert.deepEqual(
      world.client.log.at(-1)?.payments.map(({ amount }) => amount),
      [2_000n, 300n]
    )
    assert.deepEqual(
      paymentsOf(world.client.effects.slice(from), 'payments-acknowledged').map(
        ({ amount }) => amount
      ),
      [2_000n, 300n]
    )
    world.paid(5n)
    assert.equal(world.server.info.ourBalance, 12_305n)
  })

  it('close only: the payee cannot list all of it (REEST-8)', () => {
    const world = lost().connect()
    world.deliver('server')
    const answer = take(world, 'client', 'Reestablish')
    world.client.post({
      type: 'message',
      message: { ...answer, payments: answer.payments.slice(1), paymentsAfter: 2 }
    })
    assertCloseOnly(world.client, 'ERR_STATE_FORGOTTEN')
    assert.equal(world.client.info.ourBalance, 87_700n)
  })

  it('close only, and nobody hears of payments: it lists none at all (REEST-8)', () => {
    const world = lost().connect()
    world.deliver('server')
    const answer = take(world, 'client', 'Reestablish')
    const from = world.client.effects.length
    world.client.post({
      type: 'message',
      message: { ...answer, payments: [], paymentsAfter: answer.sequence }
    })
    assertCloseOnly(world.client, 'ERR_STATE_FORGOTTEN')
    assert.equal(world.client.info.ourBalance, 87_700n)
    assert.deepEqual(effectsOf(world.client.effects.slice(from), 'payments-acknowledged'), [])
  })

  it('stops when the payee counts one more that paid nothing, and nobody hears of payments (REEST-9)', () => {
    const world = paid().disconnect().connect()
    world.deliver('server')
    const answer = take(world, 'client', 'Reestablish')
    const { sequence } = answer
    const effects = world.client.post({
      type: 'message',
      message: { ...answer, sequence: sequence + 1, payments: [], paymentsAfter: sequence }
    })
    assertStopped(world.client, effects, 'REEST-9', 'ERR_OUT_OF_ORDER')
    assert.deepEqual(effectsOf(effects, 'payments-acknowledged'), [])
  })

  it('close only: what is listed is not what was paid (REEST-8)', () => {
    const world = lost().connect()
    world.deliver('server')
    const answer = take(world, 'client', 'Reestablish')
    world.client.post({
      type: 'message',
      message: { ...answer, payments: answer.payments.slice(1) }
    })
    assertCloseOnly(world.client, 'ERR_STATE_FORGOTTEN')
  })

  it('asks on another stream when the payee opened this one, and takes nothing over (REEST-8)', () => {
    const world = lost().connect()
    world.deliver('server')
    const answer = take(world, 'client', 'Reestablish')
    world.disconnect()
    const effects = world.client.post({
      type: 'message',
      message: { ...answer, payments: [], paymentsAfter: answer.sequence }
    })
    assert.deepEqual(
      sentOf(effects, 'Error').map(({ code, fatal }) => [code, fatal]),
      [['ERR_PAYMENTS_UNKNOWN', false]]
    )
    assert.deepEqual(
      [world.client.established.stopped, world.client.info.ourBalance],
      [undefined, 90_000n]
    )
    world.disconnect().connect().run()
    assert.equal(world.client.info.ourBalance, 87_700n)
  })

  it('asks for no list where there is none to give: the payee answers without one, or only the first state was lost (REEST-8)', () => {
    const world = lost().connect()
    world.deliver('server')
    const answer = take(world, 'client', 'Reestablish')
    const { state, effects } = world.client.attempt({
      type: 'message',
      message: { ...answer, payments: [], paymentsAfter: answer.sequence }
    })
    assert.ok(state.stage === 'established')
    assert.deepEqual(
      [sentOf(effects, 'Error').map(({ code, fatal }) => [code, fatal]), state.stopped?.code],
      [[['ERR_STATE_FORGOTTEN', true]], 'ERR_STATE_FORGOTTEN']
    )

    const first = new World().until('client', 'established')
    const before = first.client.established
    first.open().disconnect()
    first.client.channel = { ...before, link: 'down' }
    const known = first.client.attempt(
      says(first, first.client, { sequence: 0, ...stateOf(first, 100_000n) })
    )
    assert.ok(known.state.stage === 'established')
    assert.deepEqual(
      [sentOf(known.effects, 'Error'), known.state.ledger.held?.sequence, known.state.stopped],
      [[], 0, undefined]
    )
  })

  it('takes a list that the payee has sent without being asked, when it opens the stream (REEST-8)', () => {
    const world = lost().connect()
    world.deliver('server')
    const answer = take(world, 'client', 'Reestablish')
    world.disconnect()
    world.client.post({ type: 'message', message: answer })
    assert.deepEqual(
      [world.client.established.stopped, world.client.info.ourBalance],
      [undefined, 87_700n]
    )
  })

  it('restored from an old copy: adopts as well, and the channel only closes (REEST-7)', () => {
    const world = paid()
    const copy = copyOf(world, 'client')
    world.paid(2_000n).disconnect().connect().run().paid(300n)
    copy.goBack().connect().run()
    assert.equal(world.client.info.ourBalance, 87_700n)
    bothCloseOnly(world)
    closesWith(world, 'client', 12_300n)
  })

  const lies: Array<[what: string, changes: (world: World) => Partial<Reestablish>, code: string]> =
    [
      [
        'what was never signed',
        () => ({ sequence: 2, payerBalance: 80_000n }),
        'ERR_BAD_SIGNATURE'
      ],
      [
        'a larger balance under a later number',
        (world) => ({ sequence: 2, ...stateOf(world, 95_000n) }),
        'ERR_BALANCE_MISMATCH'
      ],
      [
        'a larger balance under the same number',
        (world) => ({ sequence: 1, ...stateOf(world, 95_000n) }),
        'ERR_BALANCE_MISMATCH'
      ],
      [
        'more updates than satoshis were paid since',
        (world) => ({ sequence: 10_002, ...stateOf(world, 80_000n), paymentsAfter: 1 }),
        'ERR_OUT_OF_ORDER'
      ],
      [
        'the newest state under the last number that there is',
        (world) => ({ sequence: 2 ** 32 - 1, ...stateOf(world, 90_000n) }),
        'ERR_OUT_OF_ORDER'
      ]
    ]
  for (const [what, changes, code] of lies) {
    it(`stops when the payee claims ${what} (REEST-9)`, () => {
      const world = paid().disconnect().connect()
      assertStopped(
        world.client,
        world.client.post(says(world, world.client, changes(world))),
        'REEST-9',
        code
      )
      assert.equal(world.client.info.ourBalance, 90_000n)
    })
  }

  it('says first where it stands when the payee opened the stream, then why it ends (REEST-1, ERR-3)', () => {
    const world = paid().disconnect()
    const effects = world.client.post(
      says(world, world.client, { sequence: 2, ...stateOf(world, 95_000n) })
    )
    assertStopped(world.client, effects, 'REEST-9', 'ERR_BALANCE_MISMATCH')
    assert.deepEqual(
      effectsOf(effects, 'send').map(({ message }) => message.type),
      ['Reestablish', 'Error']
    )
    assert.deepEqual(
      effects.map(({ type }) => type).filter((type) => type === 'send' || type === 'hang-up'),
      ['send', 'send', 'hang-up']
    )
  })

  it('close only: the payee holds another update of that number, which leaves less: a copy has signed it', () => {
    const world = paid().disconnect().connect()
    world.client.post(says(world, world.client, stateOf(world, 60_000n)))
    assertCloseOnly(world.client, 'ERR_COPY_RUNNING')
    assert.equal(world.client.info.ourBalance, 60_000n)
  })
})

describe('channel / reestablishing / a payer that went back to a copy with a payment in flight', () => {
  it('does not call it made because the payee holds another one of the same number and amount (REEST-8)', () => {
    const world = paid()
    world.pay(656n)
    const copy = copyOf(world, 'client')
    const [forgotten] = world.client.established.ledger.inFlight.flatMap(({ payments }) => payments)
    world.client.channel = {
      ...world.client.established,
      ledger: { ...world.client.established.ledger, inFlight: [] }
    }
    world.disconnect().connect().run().paid(656n).disconnect().connect().run()
    copy.goBack()
    const from = world.client.effects.length
    world.connect().run()
    const effects = world.client.effects.slice(from)
    assertCloseOnly(world.client, 'ERR_STATE_FORGOTTEN')
    assert.deepEqual(
      [effectsOf(effects, 'payments-acknowledged'), paymentsOf(effects, 'payments-unknown')],
      [[], [forgotten]]
    )
    assert.equal(world.client.info.ourBalance, 89_344n, 'the balance that was signed stands')
  })

  it('but what the payee lists by name is made, also where the copy knows nothing of it (REEST-8)', () => {
    const world = paid()
    const copy = copyOf(world, 'client')
    world.paid(2_000n).disconnect().connect().run().paid(300n).disconnect().connect().run()
    copy.goBack()
    const from = world.client.effects.length
    world.connect().run()
    const effects = world.client.effects.slice(from)
    assertCloseOnly(world.client, 'ERR_STATE_FORGOTTEN')
    assert.deepEqual(
      [
        paymentsOf(effects, 'payments-acknowledged').map(({ amount }) => amount),
        effectsOf(effects, 'payments-unknown')
      ],
      [[2_000n, 300n], []]
    )
  })

  it('nor failed or made when the chain shows a state that leaves it less than all that the copy has signed (REEST-8)', () => {
    const world = paid()
    const before = world.client.channel
    world.paid(2_000n).paid(3_000n)
    world.client.channel = before
    world.pay(700n)
    world.disconnect()
    const update = world.client.established.ledger.inFlight.at(-1)
    assert.ok(update !== undefined)
    world.server.post({ type: 'settle' })
    world.mine(6)
    assert.equal(world.client.established.onChain.spend?.kind, 'settlement')
    assert.equal(statusOfUpdate(world.client.channel, update.sequence), 'unknown')
    assert.equal(world.client.established.ledger.settledSequence, undefined)
  })
})

describe('channel / reestablishing / two that do not agree', () => {
  it('close only: the payee holds less than it has acknowledged', () => {
    const world = paid().paid(5n).disconnect().connect()
    world.client.post(says(world, world.client, { sequence: 1 }))
    assertCloseOnly(world.client, 'ERR_PEER_FORGOT')
  })

  it('close only: the payee holds nothing, and had acknowledged something', () => {
    const world = paid().disconnect().connect()
    const effects = world.client.post(
      says(world, world.client, { sequence: 0, payerBalance: 0n, signature: new Uint8Array(0) })
    )
    assertCloseOnly(world.client, 'ERR_PEER_FORGOT')
    assert.equal(sentOf(effects, 'Funding').length, 1, 'it may have forgotten T1')
  })

  it('close only: the two are in different turns', () => {
    const world = paid().disconnect().connect()
    world.client.post(says(world, world.client, { turn: 1 }))
    assertCloseOnly(world.client, 'ERR_STATE_FORGOTTEN')
    world.linked.server = true
    world.server.post(says(world, world.server, { turn: 2 }))
    assertCloseOnly(world.server, 'ERR_STATE_FORGOTTEN')
  })

  it('what is in flight is not sent again on a channel that has ended (REEST-2)', () => {
    const world = paid()
    world.pay(5n)
    const fatal: Message = { type: 'Error', code: 'ERR_ANY', rule: '', text: 'No.', fatal: true }
    world.client.post({ type: 'message', message: fatal })
    const from = world.client.effects.length
    world.disconnect().connect().run()
    assert.deepEqual(sentOf(world.client.effects.slice(from), 'Update'), [])
    assert.equal(world.client.established.link, 'live')
  })

  for (const role of ['client', 'server'] as const) {
    it(`the ${role} stops when the derivation of K2 is another one (REEST-1)`, () => {
      const world = paid().disconnect().connect()
      world.linked[role] = true
      assertStopped(
        world[role],
        world[role].post(says(world, world[role], { derivation: new Uint8Array(8) })),
        'REEST-1',
        'ERR_WRONG_DERIVATION'
      )
    })
  }
})

const [CLOSE, OTHER] = [txid('ab'.repeat(32)), txid('cd'.repeat(32))]
const { client, server } = new World().open().paid(40_000n)

describe('channel / resending', () => {
  it('a close can wait, and a T1 that is not our own; a publication cannot (COST-5)', () => {
    const renewal = new World({ renews: { world: new World().open().paid(40_000n) } }).until(
      'client',
      'established'
    )
    const waiting = (channel: Parameters<typeof canWait>[0]): BroadcastPurpose[] =>
      (['close', 'funding', 'publication'] as const).filter((purpose) => canWait(channel, purpose))
    assert.deepEqual(waiting(client.channel), ['close'], 'it spends our own coins')
    for (const channel of [
      server.channel,
      new World().until('client', 'refund-requested').client.channel,
      renewal.client.channel,
      { ...client.established, restored: true as const }
    ]) {
      assert.deepEqual(waiting(channel), ['close', 'funding'])
    }
  })

  it('rests for 1, 2, 4, 8 and then 12 blocks, each after one more refusal (COST-5)', () => {
    const restOf = (channel: Established): number => {
      const from = channel.unwanted?.height ?? assert.fail()
      let blocks = 0
      while (rests(channel, CLOSE, { height: blockHeight(from + blocks) })) blocks++
      return blocks
    }
    let channel: Established = client.established
    const rest: number[] = []
    for (let n = 0; n < 6; n++) {
      channel = refused(channel, CLOSE, { height: blockHeight(600 + n) })
      rest.push(restOf(channel))
    }
    assert.deepEqual(rest, [1, 2, 4, 8, 12, 12])
  })

  it('what another transaction was refused for, or what is taken by now, does not rest', () => {
    const height = blockHeight(600)
    const once = refused(client.established, CLOSE, { height })
    assert.deepEqual(
      [rests(once, CLOSE, { height }), rests(once, OTHER, { height })],
      [true, false]
    )
    assert.equal(rests(once, CLOSE, { height: undefined }), false)
    assert.equal(refused(client.established, CLOSE, { height: undefined }), client.established)
    assert.equal(refused(once, OTHER, { height }).unwanted?.refusals, 1)
    assert.equal(taken(once, OTHER), once)
    assert.equal(rests(taken(once, CLOSE), CLOSE, { height }), false)
  })
})
