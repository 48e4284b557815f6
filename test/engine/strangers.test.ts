/**
 * What peers that cost nothing can take of a server: a bounded room, out of which the oldest go
 * first (OPEN-11).
 */
import assert from 'node:assert/strict'
import { toHex, type Txid } from '../../src/types/bytes.js'
import { PaychanError } from '../../src/types/errors.js'
import { BLOCKS, CAPACITY, quiet, twoNodes, type Node } from './world.js'
import { FAVOUR_INTERVAL_MS, FAVOURS, STRANGE_WATCHES } from '../../src/engine/streams.js'
import { Stranger } from './stranger.js'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

function fundingOf(node: Node): Txid {
  const { funding } = node.channel
  assert.ok(funding !== undefined)
  return funding.txid
}

describe('engine / channels that strangers ask for', () => {
  it('are refused when there is no room, and none is older than a minute', async () => {
    const { world } = await twoNodes({}, { policy: { maxUnfundedInAll: 2, maxPendingInAll: 2 } })
    for (const name of ['one', 'two']) await Stranger.withRefund(world, name)
    const third = await Stranger.asks(world, 'three')
    assert.deepEqual(
      [third.stream.refusal?.code, third.stream.refusal?.rule],
      ['ERR_TOO_MANY_OPENINGS', 'OPEN-11']
    )
    for (const name of ['four', 'five']) await Stranger.asks(world, name)
    assert.ok((await Stranger.asks(world, 'six')).stream.refusal !== undefined)
  })

  it('go, the oldest first, when others ask and they have not handed over T1 within a minute', async () => {
    const { world, bob } = await twoNodes({}, { policy: { maxUnfundedInAll: 2 } })
    const one = await Stranger.withRefund(world, 'one')
    await world.pass(MINUTE / 2)
    const two = await Stranger.withRefund(world, 'two')
    await world.pass(MINUTE / 2)
    const three = await Stranger.withRefund(world, 'three')
    assert.deepEqual(
      [one.stream.refusal?.code, one.stream.closed, two.stream.refusal, three.stream.refusal],
      ['ERR_TOO_MANY_OPENINGS', true, undefined, undefined]
    )
    assert.deepEqual(
      bob.engine
        .states()
        .map(({ stage }) => stage)
        .filter((stage) => stage !== 'abandoned'),
      ['refund-signed', 'refund-signed']
    )
    assert.ok(
      (await Stranger.asks(world, 'four')).stream.refusal !== undefined,
      'the next is not a minute old'
    )
  })

  it('make room once, also when many ask while it is being written', async () => {
    const { world, bob } = await twoNodes({}, { policy: { maxUnfundedInAll: 4 } })
    for (const name of ['1', '2', '3', '4']) await Stranger.withRefund(world, name)
    await world.pass(MINUTE)
    bob.life.holdDisk()
    const asking = Promise.all(
      ['5', '6', '7'].map(async (name) => await Stranger.asks(world, name))
    )
    await quiet()
    bob.life.releaseDisk()
    await asking
    await quiet()
    assert.equal(
      bob.engine.states().filter(({ stage }) => stage === 'refund-signed').length,
      3,
      'the first has made room for all, as none of them has T2 yet'
    )
  })

  it('that were never asked for T2 make room for others as well', async () => {
    const { world } = await twoNodes({}, { policy: { maxPendingInAll: 2 } })
    const [one, two] = [await Stranger.asks(world, 'one'), await Stranger.asks(world, 'two')]
    await world.pass(MINUTE)
    const three = await Stranger.asks(world, 'three')
    assert.deepEqual(
      [one.stream.refusal?.code, two.stream.refusal, three.stream.refusal],
      ['ERR_TOO_MANY_OPENINGS', undefined, undefined]
    )
  })

  it('do not push out a channel whose T1 was handed over within the hour', async () => {
    const { world, alice, bob } = await twoNodes({}, { policy: { maxUnfundedInAll: 2 } })
    await alice.engine.open({ peer: 'bob', capacity: CAPACITY, blocks: BLOCKS, wait: 'broadcast' })
    await world.pass(MINUTE)
    await Stranger.withRefund(world, 'one')
    assert.ok((await Stranger.asks(world, 'two')).stream.refusal !== undefined)
    await world.pass(MINUTE)
    assert.equal((await Stranger.withRefund(world, 'three')).stream.refusal, undefined)
    assert.deepEqual(
      [alice.channel.status, bob.engine.find(alice.channel.id)?.stage],
      ['confirming', 'established']
    )
    await world.mine()
    assert.equal(alice.channel.status, 'open')
  })

  it('push it out after an hour without a block, and its client has the refund', async () => {
    const { world, alice, bob } = await twoNodes({}, { policy: { maxUnfundedInAll: 1 } })
    await alice.engine.open({ peer: 'bob', capacity: CAPACITY, blocks: BLOCKS, wait: 'broadcast' })
    await world.pass(HOUR)
    assert.equal((await Stranger.withRefund(world, 'one')).stream.refusal, undefined)
    assert.ok(bob.engine.find(alice.channel.id)?.stage !== 'established')
    await world.mine(BLOCKS + 10)
    assert.deepEqual([alice.channel.status, alice.channel.spend?.kind], ['closed', 'refund'])
    assert.ok(alice.balance > 990_000n)
  })

  it('go before those of a peer whose money is in a channel, whatever their age', async () => {
    const { world, alice, bob } = await twoNodes(
      { coin: 2_000_000n },
      { policy: { maxUnfundedInAll: 2 } }
    )
    await world.open(alice, bob)
    const second = await alice.engine.open({
      peer: 'bob',
      capacity: CAPACITY,
      blocks: BLOCKS,
      wait: 'broadcast'
    })
    await world.pass(MINUTE)
    const one = await Stranger.withRefund(world, 'one')
    await world.pass(HOUR)
    await Stranger.withRefund(world, 'two')
    assert.equal(one.stream.refusal?.code, 'ERR_TOO_MANY_OPENINGS')
    assert.equal(bob.engine.find(second.id)?.stage, 'established')
  })

  it('use the same close scripts again and again, also after T2 (OPEN-12): the highest is bounded by what is under way', async () => {
    const { world, alice, bob } = await twoNodes({}, { policy: { maxUnfundedInAll: 3 } })
    await world.open(alice, bob)
    const drawn = bob.wallet.scriptsDrawn
    const scripts = new Set<string>()
    for (let n = 0; n < 12; n++) {
      scripts.add((await Stranger.withRefund(world, `stranger ${n}`)).closeScript)
      await world.pass(MINUTE)
      if (n === 6) await bob.restart()
    }
    assert.ok(scripts.size <= 4, `${scripts.size} scripts`)
    assert.ok(bob.wallet.scriptsDrawn - drawn <= 4)
    const [closeScript] = bob.engine
      .states()
      .flatMap((state) =>
        state.stage === 'established' ? [toHex(state.terms.server.closeScript)] : []
      )
    assert.ok(
      closeScript !== undefined && !scripts.has(closeScript),
      "that of a channel with money is nobody else's"
    )
  })

  it('are watched after the channels with money, when a server watches only so many scripts', async () => {
    let most = Infinity
    const { world, alice, bob } = await twoNodes(
      {},
      {
        chain: (chain) => ({
          ...chain,
          get status() {
            return chain.status
          },
          get tip() {
            return chain.tip
          },
          watchScript: (script, watcher) =>
            most-- > 0
              ? chain.watchScript(script, watcher)
              : {
                  ready: Promise.reject(
                    new PaychanError('ERR_ELECTRUM_REFUSED', 'excessive resource usage')
                  ),
                  isCurrent: false,
                  stop: () => {}
                }
        })
      }
    )
    for (let n = 0; n < 4; n++) await Stranger.withRefund(world, `stranger ${n}`)
    await world.open(alice, bob)
    await alice.pay(10_000n)
    for (let n = 4; n < 8; n++) await Stranger.withRefund(world, `stranger ${n}`)
    most = 1
    await bob.restart()
    const { id } = alice.channel
    assert.deepEqual(
      [
        bob.life.watching,
        bob.events.filter((event) => event.type === 'alarm' && event.channel === id)
      ],
      [1, []]
    )
    await bob.engine.close(id, true)
    await world.mine()
    assert.ok(bob.engine.describe(id).spend !== undefined, 'it sees what becomes of the money')
  })

  it('cost the servers of the chain a few refusals at once and one in minutes, whatever they say (COST-1, COST-2)', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    const before = world.broadcasts(bob).length
    const sent = (): number => world.broadcasts(bob).length - before
    const strangers: Stranger[] = []
    for (let n = 0; n < 16; n++) strangers.push(await Stranger.withT1(world, `stranger ${n}`))
    for (let n = 0; n < 3; n++) for (const stranger of strangers) await stranger.handOver()
    await world.mine(10)
    assert.equal(sent(), FAVOURS - 1, "one has gone to alice's T1")
    const last = strangers.at(-1)
    assert.deepEqual(
      [last?.stream.refusal?.code, last?.stream.refusal?.fatal],
      ['ERR_NOT_READY', false]
    )
    await world.pass(FAVOUR_INTERVAL_MS)
    await Stranger.withT1(world, 'one more')
    await Stranger.withT1(world, 'and another one')
    assert.equal(sent(), FAVOURS)
    await alice.pay(10_000n)
    await bob.engine.close(alice.channel.id, true)
    assert.equal(sent(), FAVOURS + 1, 'T3 takes from nothing that strangers have used up')
  })

  it('whose T1 no mempool has go after a minute: bytes close no server to others (OPEN-11)', async () => {
    const { world } = await twoNodes({}, { policy: { maxUnfundedInAll: 2 } })
    for (const name of ['one', 'two']) await Stranger.withT1(world, name)
    assert.equal(
      (await Stranger.asks(world, 'three')).stream.refusal?.code,
      'ERR_TOO_MANY_OPENINGS'
    )
    await world.pass(MINUTE)
    assert.equal((await Stranger.withRefund(world, 'four')).stream.refusal, undefined)
  })

  it('are watched as fast as that costs little; what has to wait is watched with the next block (COST-4)', async () => {
    const { world, bob } = await twoNodes(
      {},
      { policy: { maxUnfundedInAll: 1_000, maxUnfunded: 1_000 } }
    )
    const before = bob.life.watching
    for (let n = 0; n < STRANGE_WATCHES + 3; n++) await Stranger.withRefund(world, `stranger ${n}`)
    assert.equal(bob.life.watching - before, STRANGE_WATCHES)
    await world.mine()
    assert.equal(bob.life.watching - before, STRANGE_WATCHES + 3)
  })

  it('never push out a channel that has taken payments, when a reorganisation has dropped its T1', async () => {
    const { world, alice, bob } = await twoNodes({}, { policy: { maxUnfundedInAll: 1 } })
    await world.open(alice, bob)
    await alice.pay(10_000n)
    world.reorg(1, 1, [fundingOf(alice)])
    await quiet()
    await world.pass(HOUR)
    for (const name of ['one', 'two']) {
      await Stranger.asks(world, name)
      await world.pass(MINUTE)
    }
    assert.equal(bob.engine.find(alice.channel.id)?.stage, 'established')
    assert.equal(bob.engine.describe(alice.channel.id).ourBalance, 10_000n)
  })
})
