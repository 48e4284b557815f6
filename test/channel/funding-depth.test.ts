import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import { LOCK_BELOW_TIP } from '../../src/bitcoin/renewal.js'
import {
  fundingFee,
  isUnfunded,
  makeRoom,
  mayMakeRoom,
  turnToGo
} from '../../src/channel/funding.js'
import type { Channel, ClientChannel, Established, ServerChannel } from '../../src/channel/state.js'
import { txid } from '../../src/types/bytes.js'
import { blockDelta, blockHeight, feeRate, satoshi } from '../../src/types/units.js'
import { effectsOf, sentOf } from './asserts.js'
import { asServer } from './side.js'
import { World } from './world.js'

/* A T1 that waits too long is paid for by a child, never replaced. */

describe('channel / the fee of T1', () => {
  /** The client's channel, whose T1 was built at a height and is in the mempool. */
  function waiting(builtAt: number, patience?: number): { channel: ClientChannel; world: World } {
    const world = new World()
    world.asked = { patience: patience === undefined ? undefined : blockDelta(patience) }
    world.offer().run()
    world.chain.lowestFeeRate = 1_000_000_000n
    world.mine()
    const channel = world.client.established
    const tx = Transaction.fromBuffer(Uint8Array.from(channel.fundingTx))
    tx.locktime = builtAt
    return { channel: { ...channel, fundingTx: tx.toBuffer() }, world }
  }

  const bumps = (channel: Established, world: World, height: number): unknown[] =>
    fundingFee(channel, world.client.env({ height: blockHeight(height), feeRate: feeRate(9_000n) }))

  it('is left alone for six blocks (FUND-5)', () => {
    const { channel, world } = waiting(600)
    assert.deepEqual(bumps(channel, world, 605), [])
    assert.deepEqual(
      bumps(channel, world, 606),
      [
        {
          type: 'bump-funding',
          funding: channel.outPoint.txid,
          fundingTx: channel.fundingTx,
          feeRate: 9_000n,
          most: 5_000n,
          isLate: false
        }
      ],
      'at most 5 % of 100,000 sat'
    )
  })

  it('is late once a day of blocks has passed over it, or as many as were asked for (EVID-7)', () => {
    const isLate = (patience: number | undefined, blocks: number): unknown => {
      const { channel, world } = waiting(100, patience)
      const [bump] = bumps(channel, world, 100 + blocks) as Array<{ isLate: boolean }>
      return bump?.isLate
    }
    assert.deepEqual(
      [isLate(undefined, 143), isLate(undefined, 144), isLate(200, 199), isLate(200, 200)],
      [false, true, undefined, true]
    )
  })

  it('of a renewal without coins of the wallet counts from the height at which it was signed, above its lock (FUND-5)', () => {
    const { channel, world } = waiting(500)
    const { renews } = new World({ renews: { world: new World().open().paid(40_000n) } }).until(
      'client',
      'established'
    ).client.established.terms
    assert.ok(renews !== undefined)
    const renewal = { ...channel, terms: { ...channel.terms, renews } }
    assert.deepEqual(bumps(renewal, world, 506 + LOCK_BELOW_TIP - 1), [])
    assert.equal(bumps(renewal, world, 506 + LOCK_BELOW_TIP).length, 1)
  })

  it('is left alone once it is spent in a block; what is shown to spend it stops nothing (EVID-7)', () => {
    const { channel, world } = waiting(0)
    const spend = {
      kind: 'close' as const,
      state: undefined,
      txid: TXID,
      raw: new Uint8Array(),
      clientBalance: undefined,
      height: undefined
    }
    const shown = {
      ...spend,
      shownBy: 3,
      fee: undefined,
      vsize: 169,
      lock: 0,
      since: blockHeight(500)
    }
    const bumpsWith = (seen: Partial<Established['onChain']>): number =>
      bumps({ ...channel, onChain: { ...channel.onChain, ...seen } }, world, 700).length
    assert.equal(bumpsWith({ spend: { ...spend, height: blockHeight(501) } }), 0)
    assert.equal(bumpsWith({ shown: [shown] }), 1)
  })

  it('is left alone for as long as was asked for (FUND-5)', () => {
    const { channel, world } = waiting(500, 36)
    assert.deepEqual(bumps(channel, world, 535), [])
    assert.equal(bumps(channel, world, 536).length, 1)
  })

  it("is the client's business while T1 is in no block, whether or not a server shows it (FUND-5, EVID-7)", () => {
    const { channel, world } = waiting(0)
    assert.equal(bumps(channel, world, 700).length, 1)
    assert.deepEqual(bumps(asServer(channel), world, 700), [])
    const unseen = { ...channel, onChain: { ...channel.onChain, fundingSeen: false } }
    assert.equal(bumps(unseen, world, 700).length, 1)
    assert.deepEqual(
      bumps(
        { ...channel, onChain: { ...channel.onChain, fundingHeight: blockHeight(699) } },
        world,
        700
      ),
      []
    )
  })

  it('is looked at with every block, and T1 itself goes out unchanged (FUND-5)', () => {
    const { world } = waiting(0)
    const { effects } = world.client.attempt({ type: 'tip' })
    assert.equal(effectsOf(effects, 'bump-funding').length, 1)
    assert.deepEqual(
      effectsOf(effects, 'broadcast').map(({ raw }) => raw),
      [world.client.established.fundingTx]
    )
  })
})

/* Which openings make room for others, and when (OPEN-7, OPEN-11). */

const TXID = txid('ab'.repeat(32))

/** A node with one server, of which a stranger asks for a channel. */
const ALONE = { forCustomer: false, byTwo: false }

/** The server has signed T2. */
function signed(world = new World()): World {
  world.until('client', 'refund-requested').deliver('server')
  assert.equal(world.server.channel.stage, 'refund-signed')
  return world
}

/** T1 was handed over, and no block has it. L = 700. */
function handedOver(): ServerChannel {
  return signed().run().server.established
}

describe('channel / unfunded', () => {
  it('counts from the signature of T2 until a block has T1, or L is over (OPEN-7)', () => {
    const accepted = new World().until('server', 'accepted').server.channel
    const open = new World().open().server.channel
    const { channel } = signed().server
    assert.deepEqual(
      [accepted, channel, handedOver(), open].map((each) => isUnfunded(each, 699)),
      [false, true, true, false]
    )
    assert.deepEqual(
      [channel, handedOver()].map((each) => isUnfunded(each, 700)),
      [false, false]
    )
  })

  it('is vacant as long as no money can be in it, and nobody holds a signature for more (OPEN-11)', () => {
    const channel = handedOver()
    const vacant: Channel[] = [
      new World().until('server', 'accepted').server.channel,
      signed().server.channel,
      channel
    ]
    assert.deepEqual(vacant.map(mayMakeRoom), [true, true, true])
    const { onChain } = channel
    const changes: Array<Partial<ServerChannel>> = [
      { onChain: { ...onChain, fundingHeight: blockHeight(501) } },
      {
        onChain: {
          ...onChain,
          spend: {
            kind: 'close',
            state: undefined,
            txid: TXID,
            raw: new Uint8Array(),
            clientBalance: undefined,
            height: blockHeight(501)
          }
        }
      },
      { ready: { ours: true, theirs: false } },
      {
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
      },
      { restored: true }
    ]
    assert.equal(mayMakeRoom(signed().run().client.established), false)
    for (const change of changes) {
      assert.equal(mayMakeRoom({ ...channel, ...change }), false, Object.keys(change).join())
    }
    const asked: Established = {
      ...channel,
      closes: [
        {
          asker: 'client',
          fee: satoshi(400n),
          txid: TXID,
          signature: new Uint8Array(64),
          raw: new Uint8Array()
        }
      ]
    }
    assert.ok(mayMakeRoom(asked), 'a close of what was never in a block keeps no place')
    const renewal = signed(new World({ renews: { world: new World().open().paid(40_000n) } }))
    assert.equal(
      mayMakeRoom(renewal.server.channel),
      false,
      'it holds the money of the old channel'
    )
    assert.equal(mayMakeRoom(signed().client.channel), false)
  })

  it('goes after a minute without T1, before those that have waited an hour for its block (OPEN-11)', () => {
    for (const [channel, patience, turn] of [
      [signed().server.channel, 60_000, 0],
      [handedOver(), 3_600_000, 1]
    ] as const) {
      assert.ok(mayMakeRoom(channel))
      const at = (age: number): 0 | 1 | undefined =>
        turnToGo(channel, channel.openedAt + age, false)
      assert.deepEqual([at(patience - 1), at(patience)], [undefined, turn])
      const early = makeRoom(
        channel,
        { now: channel.openedAt + patience - 1, isWatched: true },
        ALONE
      )
      assert.deepEqual([early.state, early.effects], [channel, []])
      const { state, effects } = makeRoom(
        channel,
        { now: channel.openedAt + patience, isWatched: true },
        ALONE
      )
      assert.equal(state.stage, 'abandoned')
      assert.deepEqual(
        sentOf(effects, 'Error').map(({ code, fatal }) => [code, fatal]),
        [['ERR_TOO_MANY_OPENINGS', true]]
      )
    }
  })

  it('with a T1 that a server has refused goes after a minute, with one that nobody has seen or refused after twenty (OPEN-11)', () => {
    const unknown: ServerChannel = {
      ...handedOver(),
      fundingAccepted: false,
      onChain: { ...handedOver().onChain, fundingSeen: false }
    }
    const { txid } = unknown.outPoint
    const unwanted = { txid, refusals: 1, height: blockHeight(500) }
    const refused: ServerChannel = { ...unknown, unwanted }
    const seen: ServerChannel = { ...unknown, onChain: { ...unknown.onChain, fundingSeen: true } }
    const taken: ServerChannel = { ...unknown, fundingAccepted: true }
    const turns = (age: number): Array<0 | 1 | undefined> =>
      [refused, unknown, seen, taken].map((channel) => {
        assert.ok(mayMakeRoom(channel))
        return turnToGo(channel, channel.openedAt + age, false)
      })
    assert.deepEqual(turns(60_000), [0, undefined, undefined, undefined])
    assert.deepEqual(turns(1_200_000), [0, 0, undefined, undefined])
  })

  it('with a T1 that one server of several has goes after twenty minutes, with one that two show after an hour (OPEN-11)', () => {
    const one = handedOver()
    const two: ServerChannel = { ...one, onChain: { ...one.onChain, fundingShownByTwo: true } }
    const turns = (age: number, byTwo: boolean): Array<0 | 1 | undefined> =>
      [one, two].map((channel) => {
        assert.ok(mayMakeRoom(channel))
        return turnToGo(channel, channel.openedAt + age, byTwo)
      })
    assert.deepEqual(turns(1_199_999, true), [undefined, undefined])
    assert.deepEqual(turns(1_200_000, true), [0, undefined])
    assert.deepEqual(
      turns(1_200_000, false),
      [undefined, undefined],
      'where there is one, it counts'
    )
    assert.deepEqual(turns(3_600_000, true), [0, 1])
    for (const forCustomer of [false, true]) {
      const { state } = makeRoom(
        one,
        { now: one.openedAt, isWatched: true },
        { forCustomer, byTwo: true }
      )
      assert.equal(state, one, 'nobody pushes out at once what one server has')
    }
  })

  it('goes before its time for a customer only when somebody has looked for its T1, and nobody shows it (OPEN-11)', () => {
    const accepted = new World().until('server', 'accepted').server.channel
    const withoutT1 = signed().server.channel
    const newcomer: ServerChannel = {
      ...handedOver(),
      fundingAccepted: false,
      onChain: { ...handedOver().onChain, fundingSeen: false }
    }
    const { txid } = newcomer.outPoint
    const refused: ServerChannel = {
      ...newcomer,
      unwanted: { txid, refusals: 1, height: blockHeight(500) }
    }
    const goes = (age: number, isWatched: boolean): boolean[] =>
      [accepted, withoutT1, newcomer, refused, handedOver()].map((channel) => {
        const env = { now: channel.openedAt + age, isWatched }
        const { state } = makeRoom(channel, env, { forCustomer: true, byTwo: false })
        return state !== channel
      })
    assert.deepEqual(goes(59_999, false), [true, false, false, true, false])
    assert.deepEqual(goes(59_999, true), [true, false, false, true, false])
    assert.deepEqual(goes(60_000, false), [true, true, false, true, false])
    assert.deepEqual(goes(60_000, true), [true, true, true, true, false])
    assert.deepEqual(goes(1_199_999, false), [true, true, false, true, false])
    assert.deepEqual(goes(1_200_000, false), [true, true, true, true, false])
  })

  it('one that holds money does not go, however old', () => {
    const { channel } = new World().open().server
    assert.deepEqual(makeRoom(channel, { now: Number.MAX_SAFE_INTEGER, isWatched: true }, ALONE), {
      state: channel,
      log: [],
      effects: []
    })
  })
})
