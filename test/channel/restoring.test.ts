/**
 * What a side makes of a channel that its peer hands back, and what it tells a peer itself
 * (spec.md, "Restoring").
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  decode,
  encode,
  type ChannelRecord,
  type CloseRequest
} from '../../protocols/paychan/1.0/index.js'
import { otherRole, type KeyPath, type Role } from '../../src/bitcoin/keys.js'
import { balances } from '../../src/channel/ledger.js'
import { publishable } from '../../src/channel/publishable.js'
import { adoptRecord, ourSide, recordOf } from '../../src/channel/restoring.js'
import { stateDigest } from '../../src/channel/signing.js'
import { sharesByTurn } from '../../src/channel/stakes.js'
import { kindOf, type StateRef } from '../../src/channel/schedule.js'
import type { Established } from '../../src/channel/state.js'
import { transition } from '../../src/channel/transition.js'
import { Violation } from '../../src/channel/violation.js'
import { blockHeight, feeRate, satoshi } from '../../src/types/units.js'
import { effectsOf, eventOf, take } from './asserts.js'
import type { Side } from './side.js'
import { anyTurnCommand, TurnStorm } from './storm.js'
import { World } from './world.js'

/** What the other side of a channel tells `role`, over the wire. */
function told(world: World, role: Role): ChannelRecord {
  const peer = world[otherRole(role)]
  const record = recordOf(peer.channel, peer.env())
  assert.ok(record, `the ${peer.role} has nothing to tell`)
  const message = decode(encode(record))
  assert.ok(message.type === 'ChannelRecord')
  return message
}

/** The keys of one side, as its seed gives them. */
function seedOf(world: World, role: Role): (path: KeyPath) => Uint8Array {
  const bits = role === 'client' ? [1, 2] : [3, 4]
  return (path) =>
    path.role === role && path.high === bits[0] && path.low === bits[1]
      ? (path.use === 'channel' ? world[role].channelKey : world[role].payoutKey).publicKey
      : Uint8Array.of(2, ...new Uint8Array(32).fill(9))
}

/** The channel as `role` has it after it has lost everything. */
function adopted(
  world: World,
  role: Role,
  record = told(world, role),
  known: Partial<Parameters<typeof adoptRecord>[2]> = {}
): Established {
  const side = ourSide(record, seedOf(world, role))
  const env = world[role].env({ isKnownKey: () => false, isKnownOutPoint: () => false, ...known })
  return adoptRecord(
    record,
    { ...side, peer: otherRole(role), address: otherRole(role), network: 'regtest' },
    env
  ).state
}

/** The rule by which a changed record is refused. */
function refusal(
  world: World,
  role: Role,
  change: (record: ChannelRecord) => ChannelRecord,
  known?: Parameters<typeof adopted>[3]
): string {
  try {
    adopted(world, role, change(told(world, role)), known)
    return 'taken'
  } catch (error) {
    assert.ok(error instanceof Violation)
    return `${error.rule} ${error.code}`
  }
}

const oneWay = (): World => new World().open().paid(20_000n)
const inTurn2 = (): World =>
  new World({ step: 20 })
    .open()
    .paidBy('client', 40_000n)
    .paidBy('server', 15_000n)
    .paidBy('client', 1_000n)

describe('channel / restoring / what comes back', () => {
  for (const role of ['client', 'server'] as const) {
    for (const [what, make] of [
      ['a one-way channel', oneWay],
      ['turn 2', inTurn2]
    ] as const) {
      it(`of ${what} to the ${role}: all that it can close and publish with (RESTORE-3, RESTORE-6)`, () => {
        const world = make()
        const before = world[role].established
        const after = adopted(world, role)
        assert.deepEqual(
          [
            after.role,
            after.keys,
            after.terms,
            after.outPoint,
            after.fundingTx,
            after.role === 'client' && after.refundSignature
          ],
          [
            before.role,
            before.keys,
            before.terms,
            before.outPoint,
            before.fundingTx,
            before.role === 'client' && before.refundSignature
          ]
        )
        assert.deepEqual(balances(after.terms, after.ledger), balances(before.terms, before.ledger))
        assert.deepEqual(publishable(after), publishable(before))
        assert.deepEqual(
          [after.stopped?.rule, after.stopped?.settleNow, after.epochs],
          ['REEST-4', false, { ours: 0, theirs: 0, seen: 0 }]
        )
      })
    }
  }

  it('nothing of a channel whose client sent no derivation, as releases before this one (RESTORE-3)', () => {
    const { server } = oneWay()
    const old = {
      ...server.established,
      terms: { ...server.established.terms, clientDerivation: undefined }
    }
    assert.equal(recordOf(old, server.env()), undefined)
  })

  it('a channel that is over: to who has paid on it for four weeks, to who has not while it is not buried (RESTORE-3, RESTORE-9)', () => {
    const world = oneWay()
    world.client.post({ type: 'close' })
    world.run().mine(1)
    const end = world.server.established.onChain.spend?.height ?? assert.fail()
    const isTold = (role: Role, depth: number): boolean =>
      recordOf(
        world[otherRole(role)].channel,
        world[otherRole(role)].env({ height: blockHeight(end + depth - 1) })
      ) !== undefined
    assert.deepEqual(
      [isTold('client', 5), isTold('client', 4_031), isTold('client', 4_032)],
      [true, true, false]
    )
    assert.deepEqual([isTold('server', 5), isTold('server', 6)], [true, false])
  })

  it("nothing once the end is buried and leaves the peer no output of the channel's keys; until then, and else, all (RESTORE-3)", () => {
    const { client, server } = oneWay()
    /** So many blocks less than six, or than four weeks for a client, which has paid. */
    const ended = (
      side: Side,
      state: StateRef | undefined,
      clientBalance: bigint | undefined,
      less = 0
    ): boolean => {
      const depth = (side.role === 'server' ? 4_032 : 6) - less
      const spend = {
        kind: state === undefined ? ('close' as const) : kindOf(state),
        state,
        txid: side.established.outPoint.txid,
        raw: new Uint8Array(),
        clientBalance: clientBalance === undefined ? undefined : satoshi(clientBalance),
        height: blockHeight(600)
      }
      return (
        recordOf(
          { ...side.established, onChain: { ...side.established.onChain, spend } },
          side.env({ height: blockHeight(599 + depth) })
        ) === undefined
      )
    }
    for (const side of [client, server]) {
      assert.deepEqual(
        [ended(side, undefined, undefined), ended(side, undefined, undefined, 1)],
        [true, false],
        'a close pays to scripts of other keys'
      )
      assert.equal(ended(side, 0, undefined), true, 'whatever it is')
    }
    // A state pays its payer to its payout key, and its payee wherever that wanted.
    assert.deepEqual(
      [ended(server, 0, 80_000n), ended(server, 0, 1n), ended(server, 0, 0n)],
      [false, false, true],
      'the client is the payer of turn 0'
    )
    assert.deepEqual(
      [ended(client, 0, 80_000n), ended(client, 0, 100_000n)],
      [true, true],
      'the server has published it'
    )
    assert.deepEqual(
      [
        ended(client, 'refund', 99_999n),
        ended(client, 'refund', 100_000n),
        ended(server, 'refund', 99_999n)
      ],
      [false, true, true],
      'in T2 the server is the payer'
    )
  })

  it('nothing of a channel whose T1 never came, once T2 would be due; before a tip is seen, all', () => {
    const { client } = oneWay()
    const unseen = {
      ...client.established,
      onChain: { ...client.established.onChain, fundingSeen: false }
    }
    const told = (height: number | undefined): boolean =>
      recordOf(
        unseen,
        client.env({ height: height === undefined ? undefined : blockHeight(height) })
      ) !== undefined
    assert.deepEqual([told(699), told(700), told(undefined)], [true, false, true])
    assert.ok(
      recordOf(client.channel, client.env({ height: blockHeight(700) })) !== undefined,
      'it was seen'
    )
  })

  it('nothing of a side whose own ledger is damaged', () => {
    const { server } = inTurn2()
    assert.equal(recordOf({ ...server.established, ended: [] }, server.env()), undefined)
    const { server: payee } = oneWay()
    const { ledger } = payee.established
    const unsigned = { ...(ledger.held ?? assert.fail()), signature: undefined }
    assert.ok(recordOf(payee.established, payee.env()) !== undefined)
    assert.equal(
      recordOf({ ...payee.established, ledger: { ...ledger, held: unsigned } }, payee.env()),
      undefined
    )
  })

  it('the same signature of T2 as at the opening, and none that the asker has not been given before', () => {
    const world = inTurn2()
    const record = told(world, 'client')
    assert.deepEqual(record.refundSignature, world.client.established.refundSignature)
    assert.deepEqual(record.states[1]?.signature, world.client.established.ended[1]?.signature)
  })

  it('what is in flight is not named: only what was acknowledged', () => {
    const world = oneWay()
    world.client.post({
      type: 'pay',
      payments: [{ id: new Uint8Array(16).fill(7), amount: 5_000n, memo: '' }]
    })
    assert.equal(told(world, 'server').states[0]?.payerBalance, 80_000n)
  })

  it('the settlement of a one-way channel never begins later than the server would set it today (RESTORE-6)', () => {
    const world = oneWay()
    const late = told(world, 'server')
    const { terms } = adopted(world, 'server', {
      ...late,
      accept: { ...late.accept, settleHeight: late.open.refundHeight - 1 }
    })
    assert.equal(terms.settleHeight, world.server.established.terms.settleHeight)
  })

  it('what the peer says of its own older states does not make ours look worthless (RESTORE-6)', () => {
    const after = adopted(inTurn2(), 'server')
    assert.deepEqual(sharesByTurn(after), [0n, 40_000n, 0n, 26_000n])
  })
})

describe('channel / restoring / a record that proves nothing is refused (RESTORE-4, RESTORE-5)', () => {
  it('no key is derived from an index that BIP32 cannot harden (KEY-5)', () => {
    const record = told(oneWay(), 'client')
    const asked = (...bits: readonly number[]): number => {
      let times = 0
      const derivation = new Uint8Array(8)
      bits.forEach((each, i) => {
        new DataView(derivation.buffer).setUint32(4 * i, each)
      })
      assert.throws(() =>
        ourSide(
          {
            open: { ...record.open, derivation },
            accept: { ...record.accept, derivation }
          },
          () => {
            times += 1
            return new Uint8Array(33)
          }
        )
      )
      return times
    }
    assert.deepEqual(
      [
        asked(0x7fff_ffff, 0x7fff_ffff),
        asked(0x8000_0000, 0x7fff_ffff),
        asked(0x7fff_ffff, 0x8000_0000)
      ],
      [2, 0, 0]
    )
  })

  const bent = (bytes: Uint8Array): Uint8Array =>
    Uint8Array.from(bytes, (byte, i) => (i === 40 ? byte ^ 1 : byte))
  const cases: ReadonlyArray<
    readonly [what: string, refusal: string, change: (record: ChannelRecord) => ChannelRecord]
  > = [
    [
      'keys that do not derive from its bits',
      'RESTORE-4 ERR_NOT_OUR_CHANNEL',
      (record) => ({
        ...record,
        open: { ...record.open, derivation: new Uint8Array(8) },
        accept: { ...record.accept, derivation: new Uint8Array(8) }
      })
    ],
    [
      'bits that BIP32 cannot harden',
      'RESTORE-4 ERR_NOT_OUR_CHANNEL',
      (record) => ({
        ...record,
        open: { ...record.open, derivation: new Uint8Array(8).fill(255) },
        accept: { ...record.accept, derivation: new Uint8Array(8).fill(255) }
      })
    ],
    [
      'payout keys of somebody else',
      'RESTORE-4 ERR_NOT_OUR_CHANNEL',
      (record) => ({
        ...record,
        open: { ...record.open, payoutKey: record.accept.payoutKey },
        accept: { ...record.accept, payoutKey: record.open.payoutKey }
      })
    ],
    [
      'another network',
      'OPEN-1 ERR_WRONG_NETWORK',
      (record) => ({ ...record, open: { ...record.open, network: 'signet' } })
    ],
    [
      'version 2',
      'OPEN-5 ERR_VERSION_NOT_SUPPORTED',
      (record) => ({ ...record, open: { ...record.open, txVersion: 2 } })
    ],
    [
      'heights that do not fit',
      'OPEN-10 ERR_TERMS_REFUSED',
      (record) => ({
        ...record,
        accept: { ...record.accept, settleHeight: record.open.refundHeight }
      })
    ],
    [
      'a server that brought more than there is',
      'RENEW-1 ERR_TERMS_REFUSED',
      (record) => ({
        ...record,
        open: {
          ...record.open,
          renews: {
            channelId: new Uint8Array(32),
            turn: 0,
            sequence: 0,
            serverBalance: record.open.capacity + 1n
          }
        }
      })
    ],
    [
      'a T1 that is none',
      'RESTORE-5 ERR_FUNDING_MALFORMED',
      (record) => ({ ...record, fundingTx: Uint8Array.of(1, 2, 3) })
    ],
    [
      'another output of T1',
      'RESTORE-5 ERR_FUNDING_OUTPUT',
      (record) => ({ ...record, fundingOutput: 1 })
    ],
    [
      'a satoshi more than T1 pays',
      'RESTORE-5 ERR_FUNDING_OUTPUT',
      (record) => ({ ...record, open: { ...record.open, capacity: record.open.capacity + 1n } })
    ],
    [
      'a wrong signature of T2',
      'REF-7 ERR_BAD_REFUND_SIGNATURE',
      (record) => ({ ...record, refundSignature: bent(record.refundSignature) })
    ],
    [
      'a later L than T2 has',
      'REF-7 ERR_BAD_REFUND_SIGNATURE',
      (record) => ({
        ...record,
        open: { ...record.open, refundHeight: record.open.refundHeight + 500 },
        accept: {
          ...record.accept,
          settleHeight:
            record.open.step === 0 ? record.accept.settleHeight : record.accept.settleHeight + 500
        }
      })
    ],
    [
      'a wrong signature of the newest state',
      'UPD-4 ERR_BAD_SIGNATURE',
      (record) => ({
        ...record,
        states: record.states.map((state) => ({ ...state, signature: bent(state.signature) }))
      })
    ],
    [
      'another balance than was signed',
      'UPD-4 ERR_BAD_SIGNATURE',
      (record) => ({
        ...record,
        states: record.states.map((state) => ({ ...state, payerBalance: state.payerBalance - 1n }))
      })
    ],
    [
      'more than the turn began with',
      'UPD-3 ERR_BALANCE_MISMATCH',
      (record) => ({
        ...record,
        states: record.states.map((state) => ({
          ...state,
          payerBalance: record.open.capacity + 1n
        }))
      })
    ],
    [
      'a first state that nobody has signed',
      'TURN-6 ERR_BAD_SIGNATURE',
      (record) => ({
        ...record,
        states: record.states.map((state) => ({ ...state, signature: new Uint8Array(0) }))
      })
    ],
    [
      'more turns than there are',
      'TURN-3 ERR_WRONG_TURN',
      (record) => ({
        ...record,
        states: Array.from({ length: 100 }, () => record.states)
          .flat()
          .slice(0, 100)
      })
    ]
  ]
  for (const role of ['client', 'server'] as const) {
    for (const [what, expected, change] of cases) {
      it(`by the ${role}: ${what}`, () => {
        for (const world of [oneWay(), inTurn2()]) {
          assert.equal(refusal(world, role, change), expected)
        }
      })
    }

    it(`by the ${role}: keys and outputs of a channel that it has (KEY-3, KEY-4, REF-2)`, () => {
      const [world, other] = [oneWay(), otherRole(role)]
      const rule = role === 'client' ? 'KEY-4' : 'KEY-3'
      for (const side of [role, other]) {
        assert.equal(
          refusal(world, role, (record) => record, {
            isKnownKey: (key) =>
              key === world[side].channelKey.publicKey ||
              Buffer.compare(key, world[side].channelKey.publicKey) === 0
          }),
          `${rule} ERR_KEY_REUSED`
        )
      }
      assert.equal(
        refusal(world, role, (record) => record, { isKnownOutPoint: () => true }),
        'REF-2 ERR_OUTPOINT_REUSED'
      )
    })

    it(`by the ${role}: a key of the peer that is no point, and a script that is not standard (KEY-1, OPEN-6)`, () => {
      const world = oneWay()
      const theirs =
        (changes: { payoutKey?: Uint8Array; closeScript?: Uint8Array }) =>
        (record: ChannelRecord): ChannelRecord =>
          role === 'client'
            ? { ...record, accept: { ...record.accept, ...changes } }
            : { ...record, open: { ...record.open, ...changes } }
      assert.equal(
        refusal(
          world,
          role,
          theirs({ payoutKey: Uint8Array.of(2, ...new Uint8Array(32).fill(255)) })
        ),
        'KEY-1 ERR_INVALID_KEY'
      )
      assert.equal(
        refusal(world, role, theirs({ closeScript: Uint8Array.of(0x6a) })),
        'OPEN-6 ERR_SCRIPT_NOT_STANDARD'
      )
    })
  }

  it('by the client: something that the server brought along, and no state that it has signed itself (RESTORE-5)', () => {
    const renews = { channelId: new Uint8Array(32), turn: 0, sequence: 0, serverBalance: 90_000n }
    const renewed = (record: ChannelRecord): ChannelRecord => ({
      ...record,
      open: { ...record.open, renews },
      states: []
    })
    for (const world of [oneWay(), inTurn2()]) {
      assert.equal(refusal(world, 'client', renewed), 'RESTORE-5 ERR_TERMS_REFUSED')
    }
  })

  it('a turn that begins with another balance, or another number (TURN-6, UPD-2)', () => {
    const world = inTurn2()
    const second =
      (changes: object) =>
      (record: ChannelRecord): ChannelRecord => ({
        ...record,
        states: record.states.map((state, turn) => (turn === 1 ? { ...state, ...changes } : state))
      })
    const first = told(world, 'server').states[0]
    const empty = new Uint8Array(0)
    assert.equal(refusal(world, 'server', second({ signature: empty })), 'TURN-6 ERR_BAD_SIGNATURE')
    assert.equal(
      refusal(
        world,
        'server',
        second({ signature: empty, sequence: first?.sequence, payerBalance: 40_001n })
      ),
      'TURN-6 ERR_BAD_SIGNATURE'
    )
    assert.equal(
      refusal(world, 'server', second({ sequence: first?.sequence })),
      'UPD-2 ERR_OUT_OF_ORDER'
    )
    assert.equal(
      refusal(world, 'server', second({ sequence: 2 ** 32 - 1 })),
      'UPD-13 ERR_OUT_OF_ORDER'
    )
  })

  it('a balance that the payer itself has signed, and that is more than its turn began with (UPD-3)', () => {
    const world = inTurn2()
    const { established, channelKey } = world.client
    const signature = channelKey.sign(stateDigest(established, satoshi(90_000n), 2))
    assert.equal(
      refusal(world, 'server', (record) => ({
        ...record,
        states: [...record.states.slice(0, 2), { sequence: 9, payerBalance: 90_000n, signature }]
      })),
      'UPD-3 ERR_BALANCE_MISMATCH'
    )
  })

  it('but an older state is taken: a peer that lies can keep the newer ones to itself, and no more', () => {
    const world = new World().open().paid(20_000n)
    const older = told(world, 'server')
    world.paid(30_000n)
    const { terms, ledger } = adopted(world, 'server', older)
    assert.deepEqual(
      [balances(terms, ledger).server, world.server.info.ourBalance],
      [20_000n, 50_000n]
    )
  })
})

describe('channel / restoring / a close that was signed before the loss (RESTORE-6)', () => {
  function asked(world: World): CloseRequest {
    world.server.post({ type: 'close' })
    return take(world, 'client', 'CloseRequest')
  }

  /**
   * `asker` has asked for a close, the other side has completed it; in no block. Then `victim`
   * loses everything, and is told of the channel.
   */
  function lost(world: World, asker: Role, victim: Role): World {
    world.chain.lowestFeeRate = 10_000n
    world[asker].post({ type: 'close' })
    world.run()
    const state = adopted(world, victim)
    world.disconnect()
    world[victim].channel = state
    world[victim].effects = []
    world[victim].post({ type: 'history', history: world.chain.history(state.outPoint) })
    return world
  }

  for (const [what, make] of [
    ['a one-way channel', oneWay],
    ['turn 2', inTurn2]
  ] as const) {
    for (const victim of ['client', 'server'] as const) {
      for (const asker of ['client', 'server'] as const) {
        it(`of ${what}, asked for by the ${asker}: the ${victim} knows it for what it is when the chain shows it`, () => {
          const world = make()
          const due = { client: world.client.info.ourBalance, server: world.server.info.ourBalance }
          lost(world, asker, victim)
          world.chain.lowestFeeRate = 0n
          world.mine()
          assert.deepEqual(
            [world[victim].info.spend?.kind, world[victim].info.status],
            ['close', 'closed']
          )
          assert.deepEqual(effectsOf(world[victim].effects, 'alarm'), [])
          const { client, server, fee } = world.payouts()
          assert.deepEqual({ client, server }, { ...due, [asker]: due[asker] - fee })
        })

        it(`of ${what}, asked for by the ${asker}, and stuck: the ${victim} can have it again with a higher fee (CLOSE-7)`, () => {
          const world = lost(make(), asker, victim)
          world.connect().run()
          for (const side of [world.client, world.server]) side.feeRate = feeRate(12_000n)
          world[victim].post({ type: 'close' })
          world.run().mine()
          assert.deepEqual(
            [
              world.client.info.spend?.kind,
              world.server.info.spend?.kind,
              world.payouts().fee > 10n * 160n
            ],
            ['close', 'close', true]
          )
        })
      }
    }

    it(`of ${what}: hidden until the peer likes it, it pays no less than what the peer has named`, () => {
      const world = make()
      const [close] = effectsOf(world.client.attempt(eventOf(asked(world))).effects, 'broadcast')
      const state = adopted(world, 'server')
      world.disconnect()
      world.server.channel = state
      world.chain.broadcast(close?.raw ?? new Uint8Array(0))
      world.mine()
      const { server, fee } = world.payouts()
      assert.equal(server + fee, balances(state.terms, state.ledger).server)
    })
  }
})

describe('channel / restoring / a T1 that never comes', () => {
  it('is sent by the client up to L, and no longer: a peer could name one that no server ever takes', () => {
    const world = new World().offer().run()
    const state = adopted(world, 'client')
    world.client.channel = state
    const again = (height: number): unknown[] =>
      effectsOf(
        transition(state, { type: 'tip' }, world.client.env({ height: blockHeight(height) }))
          .effects,
        'broadcast'
      )
    assert.deepEqual(
      [again(state.terms.refundHeight - 1).length, again(state.terms.refundHeight).length],
      [1, 0]
    )
  })
})

/** A close is signed, or something spends the channel: what comes back is closed by that. */
function isEnding({ closes, onChain }: Established): boolean {
  return closes.length > 0 || onChain.spend !== undefined
}

function spentAt({ onChain }: Established): number | undefined {
  return onChain.spend?.height
}

describe('channel / restoring / whatever has happened before', () => {
  it('each side gets back what the other knows to be acknowledged, and both close with it; nothing is lost or made', () => {
    fc.assert(
      fc.property(
        fc.array(anyTurnCommand, { maxLength: 40 }),
        fc.constantFrom<Role>('client', 'server'),
        (commands, victim) => {
          const storm = new TurnStorm()
          for (const command of commands) storm.perform(command)
          const { world } = storm
          const peer = world[otherRole(victim)]
          for (const role of ['client', 'server'] as const) {
            world[role].crashNext = false
            world.restart(role)
          }
          if (isEnding(peer.established)) return
          const lost = adopted(world, victim)
          assert.deepEqual(
            balances(lost.terms, lost.ledger),
            balances(peer.established.terms, peer.established.ledger)
          )
          world.disconnect()
          world[victim].channel = lost
          world[victim].post({ type: 'history', history: world.chain.history(lost.outPoint) })
          world.connect()
          world.run()
          assert.deepEqual(
            [world.client.established.stopped?.rule, world.server.established.stopped?.rule].map(
              (rule) => rule !== undefined
            ),
            [true, true]
          )
          world[victim].post({ type: 'close' })
          world.run()
          world.mine(1)
          if (spentAt(world.client.established) === undefined) return
          const { client, server, fee } = world.payouts()
          assert.equal(client + server + fee, world.capacity)
        }
      ),
      { numRuns: 40 }
    )
  })
})
