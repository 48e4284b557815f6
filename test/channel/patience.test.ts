/**
 * What a side bids when nobody competes: too late a start, an early end, and money that the other
 * side leaves lying (STAKE-3, TIME-10).
 */
import assert from 'node:assert/strict'
import { completeState } from '../../src/bitcoin/template.js'
import { publishable } from '../../src/channel/publishable.js'
import { isUnaffordable } from '../../src/channel/publishing.js'
import type { Env } from '../../src/channel/env.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { blockHeight, feeRate, satoshi } from '../../src/types/units.js'
import { effectsOf, eventOf } from './asserts.js'
import { World } from './world.js'

/** A server with 400,000 sat out of a channel before; its client is gone. */
function renewed(...paid: bigint[]): World {
  const old = new World({ capacity: 1_000_000n, blocks: 200 }).open().paid(400_000n)
  const world = new World({ renews: { world: old }, blocks: 200 }).open()
  for (const amount of paid) world.paid(amount)
  old.kill('client')
  return world.kill('client')
}

function mineUntilSpent(world: World, most: number): number {
  const { outPoint } = world.server.established
  for (let blocks = 0; blocks < most; blocks++) {
    if (world.chain.spendOf(outPoint)?.height !== undefined) return blocks
    world.mine()
  }
  throw new Error(`not spent after ${most} blocks`)
}

describe('channel / patience / what the server brought along by a renewal', () => {
  for (const [name, paid] of [
    ['without a payment since', []],
    ['after payments of 1 sat and 1,999 sat', [1n, 1_999n]]
  ] as const) {
    it(`${name}: comes home once the client has let L go by, and costs what blocks take (STAKE-3)`, () => {
      const world = renewed(...paid)
      const { refundHeight } = world.server.established.terms
      world.server.feeRate = feeRate(20_000n)
      world.chain.lowestFeeRate = 20_000n
      world.mineTo(refundHeight)
      assert.ok(mineUntilSpent(world, 10) <= 10)
      const { server, fee } = world.payouts()
      assert.ok(
        fee <= 181n * 25n && server === 400_000n + paid.reduce((sum, each) => sum + each, 0n) - fee,
        `${server} at a fee of ${fee}`
      )
    })
  }

  it("is left to the client's T2 before: nobody pays a fee for what comes without one (STAKE-1)", () => {
    const world = renewed(1n)
    world.mineTo(world.server.established.terms.refundHeight - 1)
    assert.equal(world.server.established.publication, undefined)
  })

  it('is settled when its user says so, also a share whose quarter pays for no transaction', () => {
    const old = new World().open().paid(700n)
    const world = new World({ renews: { world: old } }).open()
    world.server.post({ type: 'settle' })
    assert.equal(world.server.established.publication?.fee, 181n)
    assert.equal(mineUntilSpent(world, 3), 1)
  })

  it('is settled when its user says so, also past a close that is shown and comes into no block for an hour (CLOSE-8)', () => {
    const world = new World({ capacity: 1_000_000n, blocks: 4_000 }).open().paid(600_000n)
    world.server.post({ type: 'close' })
    world.deliver('client')
    const { raw } = world.client.established.closes.at(-1) ?? assert.fail()
    assert.ok(raw)
    world.kill('client')
    // The client has kept it to itself, and to a server that lies.
    const honest = world.chain.history.bind(world.chain)
    world.chain.history = (outPoint) => ({
      ...honest(outPoint),
      spends: [{ transaction: parseTransaction(raw), height: undefined, shownBy: 1 }]
    })
    world.chain.lowestFeeRate = 1_000_000_000n
    world.lookAtChain()
    const isSettled = (blocks: number): boolean => {
      for (let n = 0; n < blocks; n++) world.mine()
      world.server.post({ type: 'settle' })
      return world.server.established.publication !== undefined
    }
    assert.deepEqual([isSettled(0), isSettled(5), isSettled(1)], [false, false, true])
  })

  it('is settled when its user says so, at any height', () => {
    const world = renewed()
    world.server.post({ type: 'settle' })
    assert.equal(world.server.established.publication?.kind, 'settlement')
    assert.equal(mineUntilSpent(world, 3), 1)
  })

  it('waits where a block takes more than a quarter of it, and is fetched for more with each day', () => {
    const world = renewed()
    const { refundHeight } = world.server.established.terms
    world.server.feeRate = feeRate(800_000n)
    world.chain.lowestFeeRate = 800_000n
    world.mineTo(refundHeight + 143)
    assert.ok((world.server.established.publication?.fee ?? 0n) <= 100_000n)
    assert.equal(world.server.established.onChain.spend, undefined)
    assert.ok(mineUntilSpent(world, 4) <= 4)
  })
})

describe('channel / patience / a race that begins late', () => {
  /**
   * A server that comes back some blocks before L, where the next block takes 40 sat/vB and one
   * within six blocks 10.
   */
  function backAt(before: number): World {
    const world = new World({ capacity: 1_000_000n, blocks: 200 }).open().paid(600_000n)
    const env = world.server.env.bind(world.server)
    world.server.env = (changes: Partial<Env> = {}) => ({
      ...env(changes),
      nextBlockRate: feeRate(40_000n)
    })
    world.server.dead = true
    world.kill('client').mineTo(world.server.established.terms.refundHeight - before)
    world.server.feeRate = feeRate(10_000n)
    world.chain.lowestFeeRate = 40_000n
    world.restart('server')
    return world
  }

  for (const before of [2, 3]) {
    it(`${before} blocks before L: bids more than the next block takes at once, and not more than twice a normal bid`, () => {
      const world = backAt(before)
      const { publication } = world.server.established
      const normal = 181n * 50n
      assert.ok(
        publication !== undefined && publication.fee >= normal && publication.fee <= normal * 2n,
        `${publication?.fee} sat; a normal bid is ${normal}`
      )
      assert.equal(mineUntilSpent(world, 2), 1)
    })
  }

  it('1 block before L: has one bid, so it is a multiple of what the next block takes, up to a 32nd of the stake; and a block that takes eight times as much as the one before has it (STAKE-4)', () => {
    const world = backAt(1)
    const { publication } = world.server.established
    const most = 600_000n / 32n
    assert.ok(publication !== undefined)
    assert.ok(publication.fee <= most && publication.fee > most - 181n, `${publication.fee} sat`)
    const quiet = new World({ capacity: 1_000_000n, blocks: 200 }).open().paid(600_000n)
    quiet.server.dead = true
    quiet.kill('client').mineTo(quiet.server.established.terms.refundHeight - 1)
    quiet.restart('server')
    quiet.chain.lowestFeeRate = 8_000n
    assert.equal(mineUntilSpent(quiet, 2), 1)
  })

  it('doubles with each block that passes over it, whatever servers say of prices', () => {
    const world = backAt(3)
    world.chain.lowestFeeRate = 1_000_000_000n
    const fees = [0, 1, 2].map(() => {
      const { fee = 0n } = world.server.established.publication ?? {}
      world.mine()
      return fee
    })
    assert.ok(
      fees.slice(1).every((fee, i) => fee > (fees[i] ?? 0n) && fee <= (fees[i] ?? 0n) * 2n + 362n),
      fees.join()
    )
  })

  it('a poor old state in every mempool lifts nothing: whoever is late does not burn its share against it (EVID-4)', () => {
    const world = new World({ capacity: 1_000_000n, blocks: 1_000, step: 36 })
      .open()
      .paidBy('client', 600_000n)
    const refund = publishable(world.client.established)
    assert.ok(refund)
    world.paidBy('server', 15_000n).paidBy('client', 15_000n)
    const old = publishable(world.client.established)
    assert.ok(old)
    const { refundHeight } = world.server.established.terms
    world.server.dead = true
    world.kill('client').mineTo(refundHeight - 2)
    world.chain.servers = 2
    assert.ok(
      'txid' in
        world.chain.broadcast(
          completeState(
            old.template,
            old.signature,
            [{ script: world.client.closeScript, value: satoshi(old.share - 217n) }],
            world.client.channelKey.sign
          ).raw
        )
    )
    world.server.feeRate = feeRate(30_000n)
    world.restart('server')
    const normal = 181n * 38n
    const { fee = 0n } = world.server.established.publication ?? {}
    assert.ok(
      fee >= (normal * 3n) / 4n && fee <= normal * 2n,
      `${fee} sat; a normal bid is ${normal}`
    )
  })

  it('whoever is late and is refused by one server, while another one has taken the bid, does not raise it without end (EVID-4)', () => {
    const world = backAt(1)
    const first = world.server.established.publication
    assert.ok(first)
    for (let n = 0; n < 50; n++) {
      const { publication } = world.server.established
      if (publication !== undefined) {
        world.server.channel = world.server.attempt({
          type: 'broadcast-done',
          purpose: 'publication',
          txid: publication.txid,
          isRefused: true,
          refusedForFee: true
        }).state
      }
    }
    assert.ok(
      (world.server.established.publication?.fee ?? 0n) <= first.fee * 2n,
      `${world.server.established.publication?.fee} after ${first.fee}`
    )
  })

  it('nor when a block or two have passed over it so soon that none could have it: nobody shows what it would have to replace (EVID-4)', () => {
    for (const blocks of [2, 3]) {
      const world = backAt(blocks)
      world.chain.lowestFeeRate = 1_000_000_000n
      const refused = (): bigint => {
        for (let n = 0; n < 50; n++) {
          const { publication } = world.server.established
          if (publication !== undefined) {
            world.server.post({
              type: 'broadcast-done',
              purpose: 'publication',
              txid: publication.txid,
              isRefused: true,
              refusedForFee: true
            })
          }
        }
        return world.server.established.publication?.fee ?? 0n
      }
      const fees = [refused()]
      for (let n = 1; n < blocks; n++) {
        world.mine()
        fees.push(refused())
      }
      assert.ok(
        fees.slice(1).every((fee, i) => fee <= (fees[i] ?? 0n) * 2n + 362n),
        fees.join()
      )
    }
  })

  it('nor against its own bid of before, which whoever refuses the next one can always show (EVID-4)', () => {
    for (const blocks of [2, 3]) {
      const world = backAt(blocks)
      world.chain.lowestFeeRate = 1_000_000_000n
      let before: Uint8Array | undefined
      const refused = (): bigint => {
        for (let n = 0; n < 50; n++) {
          const { publication, outPoint } = world.server.established
          if (publication === undefined) continue
          const spends = [before, publication.raw].flatMap((raw) =>
            raw === undefined
              ? []
              : [{ transaction: parseTransaction(raw), height: undefined, shownBy: 1 }]
          )
          world.server.post({
            type: 'history',
            history: { ...world.chain.history(outPoint), spends }
          })
          before = publication.raw
          world.server.post({
            type: 'broadcast-done',
            purpose: 'publication',
            txid: publication.txid,
            isRefused: true,
            refusedForFee: true
          })
        }
        return world.server.established.publication?.fee ?? 0n
      }
      const fees = [refused()]
      for (let n = 1; n < blocks; n++) {
        world.mine()
        fees.push(refused())
      }
      assert.ok(
        fees.slice(1).every((fee, i) => fee <= (fees[i] ?? 0n) * 2n + 362n),
        fees.join()
      )
    }
  })

  it('keeps a quarter of what is at stake while nobody competes (STAKE-4)', () => {
    const world = new World().open().paid(40_000n).kill('client').mineTo(664)
    world.chain.lowestFeeRate = 1_000_000_000n
    world.mineTo(699)
    assert.equal(world.server.established.publication?.fee, ((40_000n - 294n) * 3n) / 4n + 1n)
  })

  it('does not take all of a share 36 blocks early because of an estimate', () => {
    const world = new World().open().paid(20_000n).kill('client')
    world.server.feeRate = feeRate(150_000n)
    world.mineTo(664)
    assert.ok((world.server.established.publication?.fee ?? 0n) <= 5_000n)
  })
})

describe('channel / patience / estimates that are far too low', () => {
  it('a window in which all is at stake is a race of its own, although an earlier one was worth nothing (STAKE-1)', () => {
    // Turn 1 leaves the server 1,000 less than its newest state, T2 all of it. A server of the
    // chain says 1 sat/vB where blocks take 30.
    const world = new World({ capacity: 1_000_000n, blocks: 1_000, step: 36 }).open()
    world.paidBy('client', 600_000n).paidBy('server', 1_000n).paidBy('client', 1_000n)
    const { refundHeight } = world.server.established.terms
    world.server.feeRate = feeRate(1_000n)
    world.kill('client')
    world.chain.lowestFeeRate = 30_000n
    world.mineTo(refundHeight)
    const { server, fee } = world.payouts()
    assert.ok(server === 600_000n - fee && fee <= 181n * 60n, `${server} sat, ${fee} of fees`)
  })

  /**
   * The server holds turn 4, which has brought it 1,000, and turn 2; the client turn 3, which has
   * brought it 280,000.
   */
  function cheapNewest(): { world: World; fees: bigint[] } {
    const world = new World({ capacity: 1_300_000n, blocks: 1_000, step: 36 }).open()
    world
      .paidBy('client', 200_000n)
      .paidBy('server', 100_000n)
      .paidBy('client', 300_000n)
      .paidBy('server', 280_000n)
      .paidBy('client', 1_000n)
    const newest = publishable(world.server.established)
    assert.ok(newest)
    const { refundHeight } = world.client.established.terms
    world.client.feeRate = feeRate(1_000n)
    world.chain.servers = 2
    world.kill('server')
    world.chain.lowestFeeRate = 30_000n
    world.mineTo(refundHeight - 5 * 36)
    const cheap = completeState(
      newest.template,
      newest.signature,
      [{ script: world.server.closeScript, value: satoshi(newest.share - 362n) }],
      world.server.channelKey.sign
    )
    assert.ok('txid' in world.chain.broadcast(cheap.raw))
    world.lookAtChain()
    const fees: bigint[] = []
    while (world.chain.height < refundHeight - 3 * 36) {
      world.mine()
      fees.push(world.client.established.publication?.fee ?? 0n)
    }
    return { world, fees }
  }

  it('a newer state that no block takes does not limit ours in the last third of its window: each block proves that it pays too little (EVID-5)', () => {
    const { world, fees } = cheapNewest()
    const { client, fee } = world.payouts()
    assert.ok(client === 1_180_000n - fee && fee <= 181n * 60n, `${client} sat, ${fees.join()}`)
  })

  it('two states of the other side, shown in turn, are passed over by the same blocks (EVID-5)', () => {
    const world = new World({ capacity: 1_300_000n, blocks: 1_000, step: 36 }).open()
    world.paidBy('client', 200_000n).paidBy('server', 100_000n).paidBy('client', 300_000n)
    const old = publishable(world.server.established)
    world.paidBy('server', 280_000n).paidBy('client', 1_000n)
    const newest = publishable(world.server.established)
    assert.ok(old && newest)
    const { refundHeight } = world.client.established.terms
    world.client.dead = true
    world.kill('server')
    world.chain.lowestFeeRate = 1_000_000_000n
    world.mineTo(refundHeight - 72)
    world.client.dead = false
    const since = [newest, old, newest].map(({ template, signature, share, state }, n) => {
      const transaction = completeState(
        template,
        signature,
        [{ script: world.server.closeScript, value: satoshi(share - 40_000n * BigInt(n + 1)) }],
        world.server.channelKey.sign
      )
      const history = {
        ...world.chain.history(world.client.established.outPoint),
        spends: [{ transaction, height: undefined, shownBy: 2 }]
      }
      world.client.channel = world.client.attempt(
        { type: 'history', history },
        { height: blockHeight(refundHeight - 72 + n) }
      ).state
      const shown = world.client.established.onChain.shown.find((each) => each.state === state)
      assert.ok(shown)
      return shown.since
    })
    assert.deepEqual(since, [refundHeight - 72, refundHeight - 72, refundHeight - 72])
  })

  it('do not lock up what nothing presses: the fee may double with each day (STAKE-3)', () => {
    const world = new World({ capacity: 1_000_000n }).open().kill('server')
    const { refundHeight } = world.client.established.terms
    world.client.feeRate = feeRate(1_000n)
    world.chain.lowestFeeRate = 30_000n
    world.mineTo(refundHeight + 143)
    assert.equal(world.client.info.spend?.height, undefined)
    world.mineTo(refundHeight + 3 * 144)
    const { client, fee } = world.payouts()
    assert.ok(client === 1_000_000n - fee && fee <= 138n * 60n, `${fee} of fees`)
  })
})

describe('channel / patience / a client that breaks a rule', () => {
  const broken = (world: World): World => {
    world.server.post(eventOf({ type: 'RefundSignature', signature: new Uint8Array(64) }))
    assert.equal(world.server.established.stopped?.settleNow, true)
    return world
  }
  const broadcasts = (world: World): string[] =>
    effectsOf(world.server.effects, 'broadcast').map(({ purpose }) => purpose)

  it('after a close that pays the server in full: the server does not compete with it before the settlement height (TIME-10)', () => {
    const world = new World({ capacity: 1_000_000n }).open().paid(60_000n)
    for (const side of [world.client, world.server]) side.feeRate = feeRate(100_000n)
    world.client.post({ type: 'close' })
    world.deliverAll('server')
    broken(world).mine()
    assert.equal(broadcasts(world).includes('publication'), false)
    assert.equal(world.payouts().server, 60_000n)
  })

  it('while fees are high: a sixteenth of the share is all that a settlement may cost before its height', () => {
    const world = new World().open().paid(20_000n)
    world.server.feeRate = feeRate(8_000n)
    broken(world)
    const fee = (): bigint | undefined => world.server.established.publication?.fee
    assert.equal(fee(), undefined, '181 vB at 8 sat/vB are 1,448 of 20,000 sat')
    world.server.feeRate = feeRate(6_000n)
    world.chain.lowestFeeRate = 1_000_000_000n
    world.mine()
    assert.equal(fee(), 1_086n)
    world.server.feeRate = feeRate(60_000n)
    world.mineTo(663)
    assert.equal(fee(), 1_086n)
    world.mineTo(664)
    assert.ok((fee() ?? 0n) > 1_250n)
  })

  describe('at an hour at which blocks are dearer than they mostly are (TIME-10)', () => {
    /** The server holds 900,000 sat, and its blocks cost mostly 2 sat/vB, now 200. */
    function atDearHour(seen = 300) {
      const world = new World({ capacity: 1_000_000n }).open().paid(900_000n)
      const { server } = world
      const env = server.env.bind(server)
      const feeHistory = Array.from({ length: seen }, (_, i) =>
        feeRate(i % 3 === 0 ? 9_000n : 2_000n)
      )
      server.env = (changes: Partial<Env> = {}) => ({ ...env(changes), feeHistory })
      server.feeRate = feeRate(200_000n)
      world.chain.lowestFeeRate = 1_000_000_000n
      broken(world)
      const fee = (): bigint | undefined => server.established.publication?.fee
      return { world, server, fee }
    }

    it('the settlement waits, and people hear of nothing that is lost; then it costs what it mostly costs', () => {
      const { world, server, fee } = atDearHour()
      world.mine(20)
      assert.equal(fee(), undefined, '181 vB at 200 sat/vB are 36,200 sat')
      assert.equal(isUnaffordable(server.established, server.env()), false)
      server.feeRate = feeRate(2_000n)
      world.mine()
      assert.equal(fee(), 362n)
    })

    it('what is published already is raised no further', () => {
      const { world, server, fee } = atDearHour()
      server.feeRate = feeRate(2_000n)
      world.mine()
      server.feeRate = feeRate(9_000n)
      world.mine(20)
      assert.equal(fee(), 362n)
    })

    it('it waits no longer than to the settlement height', () => {
      const { world, fee } = atDearHour()
      world.mineTo(663)
      assert.equal(fee(), undefined)
      world.mineTo(664)
      assert.ok((fee() ?? 0n) >= 36_200n)
    })

    it('it does not wait for what nobody knows: less than a day of blocks was seen', () => {
      assert.equal(atDearHour(143).fee(), 36_200n)
      assert.equal(atDearHour(144).fee(), undefined)
    })
  })
})

describe('channel / patience / what a mempool is said to take at the least', () => {
  const saying = (minimum: bigint): World => {
    const world = new World({ capacity: 1_000_000n, blocks: 200 })
      .open()
      .paid(100_000n)
      .kill('client')
    const env = world.server.env.bind(world.server)
    world.server.env = (changes: Partial<Env> = {}) => ({
      ...env(changes),
      relay: { minimum: feeRate(minimum), incremental: feeRate(1_000n) }
    })
    world.chain.lowestFeeRate = 1_000_000_000n
    return world
  }

  it('is the word of servers, as an estimate is: a quarter of what is at stake until the last third (STAKE-4)', () => {
    const world = saying(1_000_000n)
    const { settleHeight } = world.server.established.terms
    world.mineTo(settleHeight)
    const { fee = 0n } = world.server.established.publication ?? {}
    assert.ok(fee > 0n && fee <= 25_000n, `${fee} at the first bid`)
  })

  it('is bid for where that is not too much', () => {
    const world = saying(20_000n)
    world.mineTo(world.server.established.terms.settleHeight)
    assert.equal(world.server.established.publication?.fee, 181n * 20n)
  })
})

describe('channel / patience / what is due and cannot be bid for', () => {
  it('is known, until blocks are cheaper; what is not worth an output is not worth a word', () => {
    const stuck = (amount: bigint): boolean[] => {
      const world = new World({ policy: { minFirstPayment: satoshi(1n) } })
        .open()
        .paid(amount)
        .kill('client')
      const isStuck = (): boolean => isUnaffordable(world.server.established, world.server.env())
      world.mineTo(663)
      const before = isStuck()
      world.mine()
      return [before, isStuck()]
    }
    // 181 vB at 1 sat/vB, and an output of 294 sat.
    assert.deepEqual(
      [stuck(100n), stuck(400n), stuck(700n)],
      [
        [false, false],
        [false, true],
        [false, false]
      ]
    )
  })
})
