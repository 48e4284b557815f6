import assert from 'node:assert/strict'
import type { Reestablish } from '../../protocols/paychan/1.0/index.js'
import type { Role } from '../../src/bitcoin/keys.js'
import { compareEpochs, NEW_EPOCHS, raised } from '../../src/channel/epochs.js'
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
