/** What a server allows one peer, and what its payer knows of it before it signs. */
import assert from 'node:assert/strict'
import { PaychanError } from '../../src/types/errors.js'
import { satoshi } from '../../src/types/units.js'
import { RawPeer } from './raw-peer.js'
import { BLOCKS, CAPACITY, codeFrom, quiet, twoNodes, type Node } from './world.js'

const REQUEST = { peer: 'bob', capacity: CAPACITY, blocks: BLOCKS, wait: 'broadcast' } as const

/** What the peer's refusal of an opening was. */
async function refusal(alice: Node): Promise<unknown[]> {
  const error: unknown = await alice.engine.open(REQUEST).then(
    () => undefined,
    (thrown: unknown) => thrown
  )
  assert.ok(error instanceof PaychanError, 'it was expected to be refused')
  return [error.code, error.facts['peerCode'], error.facts['rule'], error.message]
}

describe('engine / limits of a server', () => {
  it('channels with one peer: no more than it allows, and another one once one is closed (WIRE-9)', async () => {
    const { world, alice, bob } = await twoNodes(
      { coin: 3_000_000n },
      { policy: { maxChannelsPerPeer: 2 } }
    )
    await world.open(alice, bob)
    await world.open(alice, bob)
    assert.deepEqual(await refusal(alice), [
      'ERR_OPEN_REFUSED',
      'ERR_TOO_MANY_CHANNELS',
      'WIRE-9',
      'The peer refused: At most 2 channels with one peer; close one of them first.'
    ])
    await world.mine()
    const carol = await world.node('carol')
    await world.open(carol, bob)
    const [, older] = alice.engine.channels().filter(({ status }) => status === 'open')
    assert.ok(older)
    await alice.engine.close(older.id, false)
    await world.mine()
    await world.open(alice, bob)
  })

  it('offers under way count as channels, also while their keys are drawn', async () => {
    const { world, bob } = await twoNodes({}, { policy: { maxChannelsPerPeer: 2 } })
    const mallory = new RawPeer(world, 'mallory')
    const streams = await Promise.all(
      Array.from({ length: 4 }, async () => await mallory.stream('bob'))
    )
    for (const stream of streams) void stream.say(mallory.offer(world.chain.height))
    await quiet()
    assert.deepEqual(
      streams.map((stream) => stream.refusal?.code),
      [undefined, undefined, 'ERR_TOO_MANY_CHANNELS', 'ERR_TOO_MANY_CHANNELS']
    )
    assert.equal(bob.engine.channels().length, 2)
  })

  it('are shown with the channel, and kept by the payer before it signs (UPD-6, UPD-10, UPD-11)', async () => {
    const policy = {
      minFirstPayment: satoshi(3_000n),
      maxStake: satoshi(50_000n),
      maxInFlightValue: satoshi(20_000n),
      maxInFlightUpdates: 5
    }
    const { world, alice, bob } = await twoNodes({}, { policy })
    const { limits } = await world.open(alice, bob)
    assert.deepEqual(limits, { ...policy, minTurnAmount: 0n, maxRisk: 100 })
    const before = world.said(alice, 'Update').length
    assert.equal(await codeFrom(alice.pay(2_999n)), 'ERR_BELOW_MIN_FIRST_PAYMENT')
    assert.equal(await codeFrom(alice.pay(20_001n)), 'ERR_ABOVE_IN_FLIGHT_LIMIT')
    assert.equal(await codeFrom(alice.pay(50_001n)), 'ERR_STAKE_TOO_HIGH')
    assert.equal(world.said(alice, 'Update').length, before)
    await alice.pay(3_000n)
  })

  it('the risk that it takes, by the fees that the payer has seen: it does not sign, and says why (UPD-19)', async () => {
    const { world, alice, bob } = await twoNodes({}, { policy: { maxRisk: 40 } })
    await world.open(alice, bob)
    const before = world.said(alice, 'Update').length
    const error: unknown = await alice.pay(1_500n).catch((thrown: unknown) => thrown)
    assert.ok(error instanceof PaychanError)
    assert.equal(error.code, 'ERR_STAKE_TOO_HIGH')
    assert.equal(error.facts['mostRisk'], 0.4)
    assert.ok(
      Number(error.facts['risk']) > 0.4,
      'a share that cannot pay ten times the present fee, and nothing seen yet'
    )
    assert.equal(world.said(alice, 'Update').length, before)
    await alice.pay(100_000n)
    assert.equal(bob.channel.ourBalance, 100_000n)
  })
})
