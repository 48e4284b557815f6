/** Which openings make room for others, and when (OPEN-7, OPEN-11). */
import assert from 'node:assert/strict'
import type { Channel, Established } from '../../src/channel/state.js'
import { isUnfunded, isVacant, makeRoom, turnToGo } from '../../src/channel/unfunded.js'
import { txid } from '../../src/types/bytes.js'
import { blockHeight, feeRate, satoshi } from '../../src/types/units.js'
import { sentOf } from './asserts.js'
import { World } from './world.js'

const TXID = txid('ab'.repeat(32))

/** The server has signed T2. */
function signed(world = new World()): World {
  world.until('client', 'refund-requested').deliver('server')
  assert.equal(world.server.channel.stage, 'refund-signed')
  return world
}

/** T1 was handed over, and no block has it. L = 700. */
function handedOver(): Established {
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
    assert.deepEqual(vacant.map(isVacant), [true, true, true])
    const { onChain } = channel
    const changes: Array<Partial<Established>> = [
      { role: 'client' },
      { onChain: { ...onChain, fundingHeight: blockHeight(501) } },
      {
        onChain: {
          ...onChain,
          spend: {
            kind: 'close',
            turn: undefined,
            txid: TXID,
            raw: new Uint8Array(),
            clientBalance: undefined,
            height: blockHeight(501)
          }
        }
      },
      { ready: { ours: true, theirs: false } },
      {
        closes: [
          {
            asker: 'client',
            fee: satoshi(400n),
            txid: TXID,
            signature: new Uint8Array(64),
            raw: undefined
          }
        ]
      },
      {
        publication: {
          kind: 'settlement',
          turn: 0,
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
    for (const change of changes) {
      assert.equal(isVacant({ ...channel, ...change }), false, Object.keys(change).join())
    }
    const renewal = signed(new World({ renews: { world: new World().open().paid(40_000n) } }))
    assert.equal(isVacant(renewal.server.channel), false, 'it holds the money of the old channel')
    assert.equal(isVacant(signed().client.channel), false)
  })

  it('goes after a minute without T1, before those that have waited an hour for its block (OPEN-11)', () => {
    for (const [channel, patience, turn] of [
      [signed().server.channel, 60_000, 0],
      [handedOver(), 3_600_000, 1]
    ] as const) {
      assert.ok(isVacant(channel))
      const at = (age: number): 0 | 1 | undefined => turnToGo(channel, channel.openedAt + age)
      assert.deepEqual([at(patience - 1), at(patience)], [undefined, turn])
      const early = makeRoom(channel, { now: channel.openedAt + patience - 1 })
      assert.deepEqual([early.state, early.effects], [channel, []])
      const { state, effects } = makeRoom(channel, { now: channel.openedAt + patience })
      assert.equal(state.stage, 'abandoned')
      assert.deepEqual(
        sentOf(effects, 'Error').map(({ code, fatal }) => [code, fatal]),
        [['ERR_TOO_MANY_OPENINGS', true]]
      )
    }
  })

  it('is without T1 as long as no mempool is known to have it: what no server takes is free (OPEN-11)', () => {
    const unknown: Established = {
      ...handedOver(),
      fundingAcknowledged: false,
      onChain: { ...handedOver().onChain, fundingSeen: false }
    }
    const seen: Established = { ...unknown, onChain: { ...unknown.onChain, fundingSeen: true } }
    const taken: Established = { ...unknown, fundingAcknowledged: true }
    assert.deepEqual(
      [unknown, seen, taken].map((channel) => {
        assert.ok(isVacant(channel))
        return turnToGo(channel, channel.openedAt + 60_000)
      }),
      [0, undefined, undefined]
    )
  })

  it('one that holds money does not go, however old', () => {
    const { channel } = new World().open().server
    assert.deepEqual(makeRoom(channel, { now: Number.MAX_SAFE_INTEGER }), {
      state: channel,
      log: [],
      effects: []
    })
  })
})
