import assert from 'node:assert/strict'
import type { Message, Reestablish } from '../../protocols/paychan/1.0/index.js'
import { statusOfUpdate } from '../../src/engine/payments.js'
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
