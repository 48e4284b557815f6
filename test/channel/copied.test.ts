/** A side whose data was put back from a backup, and that knows it (RESTORE-10). */
import assert from 'node:assert/strict'
import { otherRole, type Role } from '../../src/bitcoin/keys.js'
import { asCopied } from '../../src/channel/copied.js'
import { recordOf } from '../../src/channel/restoring.js'
import type { Established } from '../../src/channel/state.js'
import { decodeRecord, encodeRecord } from '../../src/types/records.js'
import { effectsOf } from './asserts.js'
import { World } from './world.js'

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
