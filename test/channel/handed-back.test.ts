/** A side on an old copy: what it takes from its peer (RESTORE-4), what it leaves (RESTORE-10). */
import assert from 'node:assert/strict'
import { type ChannelRecord, decode, encode } from '../../protocols/paychan/1.0/index.js'
import { otherRole, type Role } from '../../src/bitcoin/keys.js'
import { asCopied } from '../../src/channel/handed-back.js'
import type { Effect } from '../../src/channel/effects.js'
import type { Env } from '../../src/channel/env.js'
import { isUnaffordable } from '../../src/channel/publishing.js'
import { recordOf } from '../../src/channel/restoring.js'
import { lockOf } from '../../src/channel/schedule.js'
import { stateDigest } from '../../src/channel/signing.js'
import type { Established } from '../../src/channel/state.js'
import { statusOfUpdate } from '../../src/engine/payments.js'
import { decodeRecord, encodeRecord } from '../../src/types/records.js'
import { feeRate, satoshi } from '../../src/types/units.js'
import { effectsOf, sentOf } from './asserts.js'
import { payment, World } from './world.js'

/** What the peer of `role` tells of the channel, over the wire. */
function told(world: World, role: Role): ChannelRecord {
  const peer = world[otherRole(role)]
  const record = recordOf(peer.channel, peer.env())
  assert.ok(record)
  const message = decode(encode(record))
  assert.ok(message.type === 'ChannelRecord')
  return message
}

/** Turn 2; `victim` has gone back to the state that `copied` gives, and both have talked. */
function goneBack(victim: Role, meanwhile: (world: World) => void = () => {}): World {
  const world = new World({ step: 20 }).open().paidBy('client', 10_000n)
  meanwhile(world)
  const copy = world[victim].established
  world.paidBy('client', 30_000n).paidBy('server', 15_000n).paidBy('client', 1_000n).disconnect()
  world[victim].channel = { ...copy, link: 'down' }
  return world.connect().run()
}

const handBack = (world: World, role: Role, record = told(world, role)): readonly Effect[] =>
  world[role].post({ type: 'handed-back', record, network: 'regtest' })

describe('channel / handed back / the turns that an old copy has forgotten (RESTORE-4)', () => {
  for (const role of ['client', 'server'] as const) {
    it(`come back to the ${role}: both stand in the same state, and close in it`, () => {
      const world = goneBack(role)
      const due = world[role].established.terms.capacity - world[otherRole(role)].info.ourBalance
      assert.notEqual(world[role].info.ourBalance, due)
      const effects = handBack(world, role)
      assert.equal(world[role].info.ourBalance, due)
      assert.deepEqual(
        effectsOf(effects, 'notify').map(({ news }) => news.kind),
        ['handed-back']
      )
      assert.deepEqual(
        [world[role].established.mayHaveForgotten, world[role].established.restored],
        [true, undefined]
      )
      world[role].post({ type: 'close' })
      world.run().mine()
      const paid = world.payouts()
      assert.equal(paid[role] + paid.fee, due)
    })

    it(`come back to the ${role}, which then compares well with the peer on every stream`, () => {
      const world = goneBack(role)
      handBack(world, role)
      const before = world[role].established.ledger
      world.disconnect().connect().run()
      assert.deepEqual(world[role].established.ledger, before)
    })

    it(`are not taken by a ${role} that has no reason to think that it is on a copy`, () => {
      const world = goneBack(role)
      const record = told(world, role)
      const { channel } = world[role]
      world[role].channel = {
        ...channel,
        stopped: undefined,
        mayHaveForgotten: undefined
      } as Established
      const before = world[role].channel
      assert.deepEqual([handBack(world, role, record), world[role].channel], [[], before])
    })

    for (const [what, change, code] of [
      [
        "a state whose signature is not the payer's",
        (all: ChannelRecord['states']) =>
          all.map((state, turn) => (turn === 2 ? { ...state, payerBalance: 1n } : state)),
        'ERR_BAD_SIGNATURE'
      ],
      [
        'a turn more, which nobody has signed',
        (all: ChannelRecord['states']) => [
          ...all,
          { sequence: 9, payerBalance: 1n, signature: new Uint8Array(0) }
        ],
        'ERR_BAD_SIGNATURE'
      ]
    ] as const) {
      it(`with ${what} are refused to the ${role}, and a person hears of it`, () => {
        const world = goneBack(role)
        const before = world[role].channel
        const record = told(world, role)
        const effects = handBack(world, role, { ...record, states: change(record.states) })
        assert.equal(world[role].channel, before)
        assert.deepEqual(
          effectsOf(effects, 'alarm').map((alarm) => alarm.code),
          [code]
        )
      })
    }
  }

  // The peer keeps its own balance in any case: all that could burn is the share of this side.
  for (const victim of ['client', 'server'] as const) {
    it(`do not make a ${victim} burn its share, when the peer calls it a copy in the last block of a window, behind a dear close`, () => {
      const peer = otherRole(victim)
      const world = new World({ capacity: 1_000_000n, blocks: 300, step: 36 }).open()
      world.paidBy('client', 500_000n)
      if (victim === 'client') world.paidBy('server', 1_000n)
      const { turn } = world[victim].established.ledger
      const share = world[victim].info.ourBalance
      world.mineTo(lockOf(world[victim].established.terms, turn + 1) - 1)
      // The close is true, and its fee is the peer's own.
      world[peer].feeRate = feeRate(1_700_000n)
      world[peer].post({ type: 'close' })
      world.deliver(victim)
      world.queues[peer].length = 0
      const text = 'You run twice.'
      world[victim].post({
        type: 'message',
        message: { type: 'Error', code: 'ERR_COPY_RUNNING', rule: 'REEST-4', text, fatal: true }
      })
      const record = told(world, victim)
      const newest = record.states.at(-1) ?? assert.fail()
      // One satoshi more was paid, so that there was another update (REEST-9).
      const theirs = satoshi(world[peer].info.ourBalance - 1n)
      const states = [
        ...record.states,
        {
          sequence: newest.sequence,
          payerBalance: 1_000_000n - newest.payerBalance,
          signature: new Uint8Array(0)
        },
        {
          sequence: newest.sequence + 1,
          payerBalance: theirs,
          signature: world[peer]
            .env()
            .sign(stateDigest(world[victim].established, theirs, turn + 2))
        }
      ]
      handBack(world, victim, { ...record, states })
      assert.equal(world[victim].established.ledger.turn, turn + 2, 'the record is taken')
      world.mine(8)
      assert.equal(world.payouts()[victim], share)
    })
  }

  describe('do not let the peer choose the hour of the settlement, weeks early', () => {
    const USUAL = Array.from({ length: 300 }, () => feeRate(2_000n))

    /**
     * The record names so many turns that the newest has matured, each paying 1 sat. The victim
     * holds turn 0, which matures at 1964; its next block costs `rate`.
     */
    function broughtForward(height: number, rate: bigint) {
      const world = new World({ capacity: 1_300_000n, step: 36, blocks: 1_500 }).open()
      world.paid(1_200_000n).mineTo(height)
      const { server, client } = world
      const env = server.env.bind(server)
      server.env = (changes: Partial<Env> = {}) => ({ ...env(changes), feeHistory: USUAL })
      server.feeRate = feeRate(rate)
      const text = 'You run twice.'
      server.post({
        type: 'message',
        message: { type: 'Error', code: 'ERR_COPY_RUNNING', rule: 'REEST-4', text, fatal: true }
      })
      const record = told(world, 'server')
      const states = [...record.states]
      while (
        lockOf(server.established.terms, states.length - 1) > height ||
        states.length % 2 === 0
      ) {
        const { sequence, payerBalance } = states.at(-1) ?? assert.fail()
        const begin = 1_300_000n - payerBalance
        const paid = satoshi(begin - 1n)
        const turn = states.length
        states.push(
          turn % 2 === 1
            ? { sequence, payerBalance: begin, signature: new Uint8Array(0) }
            : {
                sequence: sequence + 1,
                payerBalance: paid,
                signature: client.env().sign(stateDigest(server.established, paid, turn))
              }
        )
      }
      const effects = handBack(world, 'server', { ...record, states })
      const fee = (): bigint | undefined => server.established.publication?.fee
      return { world, server, effects, fee, turn: states.length - 1 }
    }

    it('turns that no lock was left for since T1 was mined are not taken (TURN-3)', () => {
      const { server, effects, fee } = broughtForward(510, 2_000n)
      assert.deepEqual(
        effectsOf(effects, 'alarm').map(({ code }) => code),
        ['ERR_WRONG_TURN']
      )
      assert.deepEqual([server.established.ledger.turn, fee()], [0, undefined])
    })

    it('turns that there may have been are taken, and settled once blocks cost no more than they mostly do', () => {
      const { world, server, fee, turn } = broughtForward(900, 500_000n)
      assert.equal(server.established.ledger.turn, turn)
      world.mine(20)
      assert.equal(fee(), undefined, 'at 500 sat/vB these were 90,500 sat')
      assert.equal(isUnaffordable(server.established, server.env()), false)
      server.feeRate = feeRate(2_000n)
      world.mine()
      assert.equal(fee(), 362n)
    })

    it('at the lock of the newest turn that this side itself knew it is settled, whatever blocks cost', () => {
      const { world, fee } = broughtForward(900, 100_000n)
      world.mineTo(1_963)
      assert.equal(fee(), undefined)
      world.mineTo(1_964)
      assert.ok((fee() ?? 0n) >= 18_100n)
    })

    it('what the next window could take is bid for at any price', () => {
      const { world, server, fee } = broughtForward(900, 100_000n)
      const { ended } = server.established
      // In an older turn of the peer's, whose lock comes next, this side had less.
      server.channel = {
        ...server.established,
        ended: ended.map((state) =>
          state.turn === ended.length - 1
            ? { ...state, payerBalance: satoshi(state.payerBalance - 50_000n) }
            : state
        )
      }
      world.mine()
      assert.ok((fee() ?? 0n) >= 18_100n)
    })
  })

  it('leave nobody in the dark about what was in flight when the copy was made (REEST-8)', () => {
    const world = new World({ step: 20 }).open().paidBy('client', 10_000n)
    world.pay(5_000n)
    const copy = world.client.established
    assert.equal(copy.ledger.inFlight.length, 1)
    world.run().paidBy('server', 2_000n).paidBy('client', 1_000n).disconnect()
    world.client.channel = { ...copy, link: 'down' }
    world.connect().run()
    const effects = handBack(world, 'client')
    assert.deepEqual(
      effectsOf(effects, 'payments-unknown').map(({ payments }) => payments.map((p) => p.amount)),
      [[5_000n]]
    )
  })

  it('a close that the copy does not know is known as one, and says nothing of what was in flight (REEST-8)', () => {
    const world = new World({ capacity: 1_000_000n, step: 20 }).open().paidBy('client', 10_000n)
    const [{ sequence } = assert.fail()] = sentOf(world.pay(5_000n), 'Update')
    const copy = world.client.established
    world.run().paidBy('server', 2_000n).paidBy('client', 1_000n)
    world.client.post({ type: 'close' })
    world.run().disconnect()
    world.client.channel = { ...copy, link: 'down' }
    const text = 'You run twice.'
    world.client.post({
      type: 'message',
      message: { type: 'Error', code: 'ERR_COPY_RUNNING', rule: 'REEST-4', text, fatal: true }
    })
    world.mine(8)
    assert.equal(world.client.info.spend?.kind, 'close')
    assert.equal(statusOfUpdate(world.client.channel, sequence), 'unknown')
  })

  it('are not taken when an earlier turn ended otherwise than this side knows', () => {
    const world = goneBack('server', (world) => world.paidBy('server', 2_000n))
    const record = told(world, 'server')
    const before = world.server.channel
    const [first, ...others] = record.states
    assert.ok(first)
    const changed = [{ ...first, sequence: first.sequence - 1 }, ...others]
    const effects = handBack(world, 'server', { ...record, states: changed })
    assert.equal(world.server.channel, before)
    assert.deepEqual(
      effectsOf(effects, 'alarm').map(({ code }) => code),
      ['ERR_OUT_OF_ORDER']
    )
    handBack(world, 'server', record)
    assert.equal(world.server.established.ledger.turn, record.states.length - 1)
  })

  it('are not taken when the newest turn that this side knows would leave it less', () => {
    const world = goneBack('server')
    const record = told(world, 'server')
    const { channel } = world.server
    const { ledger } = world.server.established
    const held = ledger.held && { ...ledger.held, payerBalance: satoshi(1n) }
    world.server.channel = { ...channel, ledger: { ...ledger, held } } as Established
    const before = world.server.channel
    const effects = handBack(world, 'server', record)
    assert.equal(world.server.channel, before)
    assert.deepEqual(
      effectsOf(effects, 'alarm').map(({ code }) => code),
      ['ERR_OUT_OF_ORDER']
    )
  })

  it('leave what was in flight on the copy unknown: its numbers may be those of other payments (REEST-8)', () => {
    const world = new World({ step: 20 }).open().paidBy('client', 10_000n)
    const before = world.client.established
    world.client.post({ type: 'pay', payments: [payment(7_000n)] })
    const copy = world.client.established
    world.client.channel = before
    world.queues.server.length = 0
    world.paidBy('client', 30_000n).paidBy('server', 15_000n).disconnect()
    world.client.channel = { ...copy, link: 'down' }
    world.connect().run()
    handBack(world, 'client')
    const { ledger } = world.client.established
    assert.deepEqual(
      [1, 2, 3].map((sequence) => statusOfUpdate(world.client.channel, sequence)),
      ['acknowledged', 'unknown', 'acknowledged']
    )
    assert.deepEqual([ledger.inFlight, ledger.turn], [[], 1])
  })
})

/* A side whose data was put back from a backup, and that knows it (RESTORE-10). */

/** The height of T1 is 500, L 700: a one-way server settles from 664 on. */
const [SETTLES, HALF] = [664, 682]

/** `who` is put back on what `copy` was, by way of the disk. */
function putBack(world: World, who: Role, copy: Established): World {
  world.disconnect()
  const copied = { ...asCopied(copy), link: 'down' }
  world[who].channel = decodeRecord('channel', encodeRecord('channel', copied))
  return world
}

/** The backup has 10,000 sat of the server's; 30,000 sat were paid since. */
function restored(): World {
  const world = new World().open().paid(10_000n)
  const copy = world.server.established
  return putBack(world.paid(30_000n), 'server', copy)
}

const isPublished = (world: World, role: Role = 'server'): boolean =>
  world[role].established.publication !== undefined

describe('channel / data that was put back from a backup (RESTORE-10)', () => {
  it('a server holds a due T3 back for three blocks; the client that comes hands over the newest', () => {
    const world = restored().mineTo(SETTLES + 2)
    assert.equal(isPublished(world), false)
    world.connect().run()
    assert.equal(isPublished(world), true)
    const { server, fee } = world.mine().payouts()
    assert.equal(server + fee, 40_000n)
  })

  it('a server publishes what it has when the client stays away', () => {
    const world = restored()
      .kill('client')
      .mineTo(SETTLES + 2)
    assert.equal(isPublished(world), false)
    world.mine()
    assert.equal(isPublished(world), true)
  })

  for (const [from, at] of [
    [HALF - 1, HALF],
    [HALF + 5, HALF + 5]
  ] as const) {
    it(`it waits for nobody in the last half of its window: put back at ${from}, it publishes at ${at}`, () => {
      const world = new World().open().paid(10_000n).kill('client')
      const copy = world.server.established
      world.server.dead = true
      world.mineTo(from - 1)
      world.server.dead = false
      putBack(world, 'server', copy).mineTo(at - 1)
      assert.equal(isPublished(world), false)
      world.mine()
      assert.equal(isPublished(world), true)
    })
  }

  it('a spend that is shown ends the wait', () => {
    const world = restored().mineTo(SETTLES)
    world.chain.lowestFeeRate = 1_000_000_000n
    const { onChain } = world.server.established
    const shown = { kind: 'unknown', height: undefined, txid: 'ee'.repeat(32) }
    world.server.channel = {
      ...world.server.established,
      onChain: { ...onChain, shown: [shown as never] }
    }
    assert.equal(isPublished(world), false)
    world.server.post({ type: 'tip' })
    assert.equal(isPublished(world), true)
  })

  it('T2 waits for nobody', () => {
    const world = new World().open().paid(10_000n)
    const copy = world.client.established
    putBack(world.paid(20_000n), 'client', copy).kill('server').mineTo(700)
    assert.equal(isPublished(world, 'client'), true)
  })

  for (const [step, wait] of [
    [20, 3],
    [4, 2],
    [1, 0]
  ] as const) {
    it(`on a two-way channel with a step of ${step}, a state waits ${wait} blocks at most`, () => {
      const world = new World({ step, blocks: 400 }).open().paidBy('client', 10_000n)
      const copy = world.server.established
      putBack(world, 'server', copy).kill('client')
      const matures = 900 - step
      world.mineTo(matures + wait - 1)
      assert.equal(isPublished(world), false)
      world.mine()
      assert.equal(isPublished(world), true)
    })
  }

  it('is not settled because a person asks for it before the client has said where it stands', () => {
    const world = restored()
    const [refused] = effectsOf(world.server.post({ type: 'settle' }), 'close-refused')
    assert.equal(refused?.error.code, 'ERR_BACKUP_MAY_BE_OLD')
    assert.match(refused.error.message, /from height 664 on/)
    assert.deepEqual([isPublished(world), world.server.established.stopped], [false, undefined])
    world.connect().run().server.post({ type: 'settle' })
    const { server, fee } = world.mine().payouts()
    assert.equal(server + fee, 40_000n)
  })

  it('what was to be settled when the backup was made is settled', () => {
    const world = new World().open().paid(10_000n).kill('client')
    world.chain.lowestFeeRate = 1_000_000_000n
    world.server.post({ type: 'settle' })
    const copy = { ...world.server.established, publication: undefined }
    putBack(world, 'server', copy).server.post({ type: 'tip' })
    assert.equal(isPublished(world), true)
  })

  for (const who of ['client', 'server'] as const) {
    it(`only closes, also when the peer knows of nothing since (${who})`, () => {
      const world = new World().open().paid(10_000n)
      putBack(world, who, world[who].established)
      assert.match(world[who].info.reason ?? '', /put back from a backup/)
      world.connect().run()
      const { copied, stopped } = world[who].established
      assert.deepEqual([copied, stopped?.code], [undefined, 'ERR_STATE_FORGOTTEN'])
      world[otherRole(who)].post({ type: 'close' })
      const { client, server, fee } = world.run().mine().payouts()
      assert.deepEqual([client + server + fee, world[who].info.status], [100_000n, 'closed'])
    })
  }

  it('acknowledges nothing on top of what it knows: a close that it has forgotten may be kept by the client', () => {
    const world = new World({ capacity: 1_000_000n }).open().paid(10_000n)
    const copy = world.server.established
    world.client.blind = true
    world.server.post({ type: 'close' })
    world.deliver('client')
    const [{ raw } = assert.fail()] = world.client.established.closes
    // The client goes back as well: nothing but the close is missing.
    world.client.channel = { ...world.client.established, closes: [] }
    putBack(world, 'server', copy).connect().run()
    world.client.blind = false
    world.pay(200_000n)
    world.run()
    assert.equal(world.server.established.ledger.held?.payerBalance, 990_000n)
    assert.ok(raw !== undefined && 'txid' in world.chain.broadcast(raw))
    const { server, fee } = world.mine().payouts()
    assert.equal(server + fee, 10_000n)
  })

  for (const [what, isKnown, height] of [
    ['put back in the second half of the window', true, 690],
    ['put back, and the client comes after the three blocks', true, 668],
    ['that does not know that it is one', false, 664]
  ] as const) {
    it(`a copy ${what} replaces the old state at once by the one that its client hands over (TIME-11)`, () => {
      const world = new World({ capacity: 1_000_000n }).open().paid(10_000n)
      const copy = world.server.established
      world.paid(490_000n).disconnect()
      for (const side of [world.client, world.server]) side.dead = true
      world.mineTo(height - 5)
      world.server.dead = false
      if (isKnown) putBack(world, 'server', copy)
      else world.server.channel = { ...copy, link: 'down' }
      world.chain.lowestFeeRate = 1_000_000_000_000n
      world.mineTo(height)
      assert.equal(isPublished(world), true, 'the old one')
      world.client.dead = false
      world.connect().run()
      world.chain.lowestFeeRate = 0n
      const { server, fee } = world.mine().payouts()
      assert.equal(server + fee, 500_000n)
    })
  }

  it('also when servers that refuse each bid for its fee have raised the old one above what blocks take (TIME-11, EVID-4)', () => {
    const world = new World({ capacity: 1_000_000n }).open().paid(10_000n)
    const { server, chain } = world
    const copy = server.established
    world.paid(490_000n).disconnect()
    world.client.dead = true
    server.channel = { ...copy, link: 'down' }
    chain.lowestFeeRate = 1_000_000_000_000n
    world.mineTo(668)
    for (let refusals = 0; refusals < 20; refusals++) {
      const { txid } = server.established.publication ?? assert.fail()
      server.post({
        type: 'broadcast-failed',
        purpose: 'publication',
        txid,
        kind: 'fee-too-low',
        reason: 'mempool min fee not met'
      })
    }
    const rate = server.established.publication?.feeRate ?? 0n
    assert.ok(rate > 10_000n, `${rate} sat for 1,000 vB`)
    world.client.dead = false
    world.connect().run()
    chain.lowestFeeRate = 0n
    const paid = world.mine().payouts()
    assert.equal(paid.server + paid.fee, 500_000n)
    assert.ok(paid.fee < 5_000n, `${paid.fee} sat`)
  })

  it('goes on waiting for later turns until the record of the peer has come (RESTORE-4)', () => {
    const world = new World({ step: 20, blocks: 400 }).open().paidBy('client', 10_000n)
    const copy = world.server.established
    world.paidBy('client', 30_000n).paidBy('server', 15_000n).paidBy('client', 1_000n)
    putBack(world, 'server', copy).connect().run()
    assert.notEqual(world.server.established.copied, undefined)
    const refused = effectsOf(world.server.post({ type: 'settle' }), 'close-refused')
    assert.equal(refused[0]?.error.code, 'ERR_BACKUP_MAY_BE_OLD')
    const record = recordOf(world.client.channel, world.client.env())
    assert.ok(record)
    world.server.post({ type: 'handed-back', record, network: 'regtest' })
    assert.equal(world.server.established.copied, undefined)
    assert.equal(world.server.info.ourBalance, world.capacity - world.client.info.ourBalance)
  })

  it('goes on waiting when the peer has said nothing that can be compared', () => {
    const world = restored()
    world.server.channel = { ...world.server.established, link: 'up' }
    world.linked.server = true
    world.server.post({
      type: 'message',
      message: {
        ...{ type: 'Reestablish', channelId: new Uint8Array(32), turn: 0, sequence: 9 },
        ...{ derivation: world.server.established.terms.derivation, payerBalance: 5n },
        ...{ signature: new Uint8Array(64).fill(1), signed: 9, payments: [], paymentsAfter: 0 },
        ...{ epoch: 9, peerEpoch: 0 }
      } as never
    })
    assert.notEqual(world.server.established.copied, undefined)
    assert.equal(world.server.established.stopped?.code, 'ERR_BAD_SIGNATURE')
  })
})
