/**
 * What peers that cost nothing can take of a server: a bounded room, out of which the oldest go
 * first (OPEN-11), and what is kept of openings that were given up (OPEN-14, KEY-3).
 */
import assert from 'node:assert/strict'
import { FINAL_DEPTH } from '../../src/channel/funding.js'
import type { Abandoned } from '../../src/channel/state.js'
import { REFUNDS, STRANGE_REFUND_INTERVAL_MS } from '../../src/engine/opening-upkeep.js'
import {
  GIVEN_UP_PREFIX,
  GivenUp,
  givenUpChanges,
  KNOWN_AFTER_L
} from '../../src/engine/registry.js'
import { FAVOUR_INTERVAL_MS, FAVOURS, STRANGE_WATCHES } from '../../src/engine/streams.js'
import { checkStore } from '../../src/node/check.js'
import { type ChannelId, channelId, toHex, type Txid, txid } from '../../src/types/bytes.js'
import { PaychanError } from '../../src/types/errors.js'
import { recordChange } from '../../src/types/records.js'
import { blockHeight, satoshi } from '../../src/types/units.js'
import { outPointOf, RawPeer, Stranger } from './raw-peer.js'
import { BLOCKS, CAPACITY, codeFrom, type Node, quiet, twoNodes, type World } from './world.js'

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
    const { world, bob } = await twoNodes({}, { policy: { maxUnfundedInAll: 5 } })
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

  it('keep no peer with a funded channel out, however fast they take each place (OPEN-11)', async () => {
    const { world, alice, bob } = await twoNodes(
      { coin: 5_000_000n },
      { policy: { maxUnfundedInAll: 8, maxPendingInAll: 8 } }
    )
    for (let n = 0; n < 3; n++) alice.wallet.receive(1_000_000n)
    await world.open(alice, bob)
    const strangers: Stranger[] = []
    for (let n = 0; n < 6; n++) strangers.push(await Stranger.withT1(world, `stranger ${n}`))
    assert.equal((await Stranger.asks(world, 'late')).stream.refusal?.rule, 'OPEN-11')
    const opened = async (): Promise<void> => {
      await alice.engine.open({
        peer: 'bob',
        capacity: CAPACITY,
        blocks: BLOCKS,
        wait: 'broadcast'
      })
    }
    for (let n = 0; n < 2; n++) await opened()
    assert.ok(
      strangers.every(({ stream }) => stream.refusal?.fatal !== true),
      'two places are for such peers alone'
    )
    await opened()
    assert.deepEqual(
      strangers.map(({ stream }) => stream.closed),
      [true, false, false, false, false, false],
      'then the oldest T1 that nobody has seen goes, whatever its age'
    )
  })

  it('but a T1 that a mempool shows keeps its place for an hour, also where a customer asks', async () => {
    const { world, alice, bob } = await twoNodes(
      { coin: 5_000_000n },
      { policy: { maxUnfundedInAll: 2 } }
    )
    await world.open(alice, bob)
    const newcomers = [await world.node('carol'), await world.node('dave')]
    for (const newcomer of newcomers) {
      await newcomer.engine.open({
        peer: 'bob',
        capacity: CAPACITY,
        blocks: BLOCKS,
        wait: 'broadcast'
      })
    }
    assert.equal((await refusal(alice))[1], 'ERR_TOO_MANY_OPENINGS')
    await world.mine()
    assert.deepEqual(
      newcomers.map(({ channel }) => channel.status),
      ['open', 'open']
    )
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

  it('and that are funded, pay nothing and close again use the same close scripts, 6 blocks later (OPEN-12)', async () => {
    const { world, alice, bob } = await twoNodes()
    const scriptOf = (id: ChannelId): string => {
      const state = bob.engine.stateOf(id)
      assert.ok(state?.stage === 'established')
      return toHex(state.terms.server.closeScript)
    }
    const { id: paying } = await world.open(alice, bob)
    await alice.pay(10_000n)
    await alice.engine.close(paying, false)
    await world.mine()
    const drawn = bob.wallet.scriptsDrawn
    const others = new Set<string>()
    for (let n = 0; n < 16; n++) {
      const { id } = await world.open(alice, bob)
      others.add(scriptOf(id))
      await alice.engine.close(id, false)
      await world.mine()
      if (n === 8) await bob.restart()
    }
    const count = bob.wallet.scriptsDrawn - drawn
    assert.ok(count <= 1 + FINAL_DEPTH, `${count} scripts`)
    assert.ok(others.size <= 1 + FINAL_DEPTH && !others.has(scriptOf(paying)))
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

  for (const [servers, code] of [
    [1, 'ERR_TOO_MANY_OPENINGS'],
    [2, undefined]
  ] as const) {
    it(`with a T1 by the word of one of ${servers} ${servers === 1 ? 'keep their place for an hour' : 'make room after twenty minutes'} (OPEN-11)`, async () => {
      const { world, alice } = await twoNodes(
        {},
        {
          policy: { maxUnfundedInAll: 1 },
          chain: (chain) =>
            Object.assign(chain, {
              servers: Array.from({ length: servers }, () => ({ state: 'used' }))
            })
        }
      )
      await alice.engine.open({
        peer: 'bob',
        capacity: CAPACITY,
        blocks: BLOCKS,
        wait: 'broadcast'
      })
      await world.pass(20 * MINUTE - 1)
      assert.equal(
        (await Stranger.asks(world, 'early')).stream.refusal?.code,
        'ERR_TOO_MANY_OPENINGS'
      )
      await world.pass(MINUTE)
      assert.equal((await Stranger.asks(world, 'late')).stream.refusal?.code, code)
    })
  }

  it('are watched as fast as that costs little; what has to wait is watched with the next block (COST-4)', async () => {
    const { world, alice, bob } = await twoNodes(
      { coin: 2_000_000n },
      { policy: { maxUnfundedInAll: 1_000, maxUnfunded: 1_000 } }
    )
    await world.open(alice, bob)
    await world.pass(MINUTE)
    const before = bob.life.watching
    for (let n = 0; n < STRANGE_WATCHES; n++) await Stranger.withRefund(world, `stranger ${n}`)
    await alice.engine.open({ peer: 'bob', capacity: CAPACITY, blocks: BLOCKS, wait: 'broadcast' })
    assert.equal(bob.life.watching - before, STRANGE_WATCHES)
    await world.mine()
    assert.equal(bob.life.watching - before, STRANGE_WATCHES + 1)
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

/* What a server allows one peer, and what its payer knows of it before it signs. */

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

/* Openings of a server that came to nothing. */

describe('engine / openings that a server has given up', () => {
  it('leave what must never be signed again, and without T2 nothing', async () => {
    const { world, bob } = await twoNodes()
    const strangers = [
      await Stranger.withRefund(world, 'mallory'),
      await Stranger.asks(world, 'other')
    ]
    await world.mine(200)
    await world.pass(20 * 60_000)
    await bob.restart()
    assert.deepEqual(bob.engine.channels(), [])
    assert.deepEqual(
      [...bob.store.snapshot().keys()]
        .filter((key) => /^(channel|known)\//.test(key))
        .map((key) => key.slice(0, 6)),
      ['known/']
    )
    const again = new RawPeer(world, 'again')
    const refusals: Array<string | undefined> = []
    for (const { offer } of strangers) {
      const stream = await again.stream('bob')
      await stream.say({ ...offer, refundHeight: world.chain.height + 60 })
      refusals.push(stream.refusal?.rule)
    }
    assert.deepEqual(refusals, ['KEY-3', undefined])
  })

  it('keep their outpoint from being signed for again, over restarts (REF-2)', async () => {
    const { world, bob } = await twoNodes()
    await Stranger.withRefund(world, 'mallory')
    await world.mine(200)
    await bob.restart()
    const other = await Stranger.asks(world, 'other')
    await other.askForRefund(outPointOf('mallory'))
    assert.equal(other.stream.refusal?.rule, 'REF-2')
  })

  it('whose record is damaged are told, keep K1, and stop nothing', async () => {
    const { world, bob } = await twoNodes()
    const { offer } = await Stranger.withRefund(world, 'mallory')
    await world.mine(200)
    const disk = new Map(bob.store.snapshot())
    const [key] = [...disk.keys()].filter((one) => one.startsWith('known/'))
    assert.ok(key !== undefined)
    disk.set(key, Uint8Array.of(1, 2, 3))
    await bob.restart(disk)
    assert.ok(bob.alarms.includes('ERR_STORE_CORRUPT'))
    const { store } = await checkStore(bob.store, undefined)
    assert.deepEqual(
      store.map(({ severity }) => severity),
      ['incomplete']
    )
    const stream = await new RawPeer(world, 'again').stream('bob')
    await stream.say({ ...offer, refundHeight: world.chain.height + 60 })
    assert.equal(stream.refusal?.rule, 'KEY-3')
  })
})

/*
 * Openings that strangers give up: how many they can have, and how long a server remembers them
 * (KEY-3, REF-2, OPEN-14).
 */

const GIVES_UP = {
  type: 'Error',
  code: 'ERR_CANCELLED',
  rule: '',
  text: '',
  fatal: true
} as const

/** Has T2 signed and gives the opening up at once; returns why it was refused, if it was. */
async function comesAndGoes(world: World, name: string): Promise<string | undefined> {
  const stranger = await Stranger.asks(world, name)
  if (stranger.stream.refusal !== undefined) return stranger.stream.refusal.rule
  await stranger.askForRefund()
  await stranger.stream.say(GIVES_UP)
  return undefined
}

function known(node: Node): string[] {
  return [...node.store.snapshot().keys()].filter((key) => key.startsWith(GIVEN_UP_PREFIX))
}

async function flooded(world: World): Promise<void> {
  for (let n = 0; n < REFUNDS; n++) {
    assert.equal(await comesAndGoes(world, `stranger ${n}`), undefined)
  }
}

describe('engine / openings that strangers give up (OPEN-14)', () => {
  it('are 64 at once over all PeerIds, then one in 10 seconds: what stays of them is bounded', async () => {
    const { world, bob } = await twoNodes()
    await flooded(world)
    for (const name of ['one', 'two', 'three']) {
      assert.equal(await comesAndGoes(world, name), 'OPEN-14')
    }
    assert.equal(known(bob).length, REFUNDS)
    await world.pass(STRANGE_REFUND_INTERVAL_MS)
    assert.deepEqual(
      [await comesAndGoes(world, 'four'), await comesAndGoes(world, 'five')],
      [undefined, 'OPEN-14']
    )
    assert.equal(known(bob).length, REFUNDS + 1)
  })

  it('keep out no peer with a funded channel, nor its renewals', async () => {
    const { world, alice, bob } = await twoNodes({ coin: 2_000_000n })
    const { id } = await world.open(alice, bob)
    await flooded(world)
    assert.equal(await comesAndGoes(world, 'another one'), 'OPEN-14')
    await world.open(alice, bob)
    await alice.engine.renew(id, { amount: 0n as never, blocks: 200 as never, wait: 'broadcast' })
    assert.equal(alice.engine.channels().length, 3)
  })

  it('take nothing of it when T2 was not signed', async () => {
    const { world, bob } = await twoNodes()
    for (let n = 0; n < 2 * REFUNDS; n++) {
      const stranger = await Stranger.asks(world, `stranger ${n}`)
      assert.equal(stranger.stream.refusal, undefined)
      await stranger.stream.say(GIVES_UP)
    }
    assert.deepEqual(known(bob), [])
  })

  it('nor do openings that are funded: new customers are not counted', async () => {
    const { world, bob } = await twoNodes()
    const carol = await world.node('carol', { coin: 2_000_000n })
    await carol.engine.open({ peer: 'bob', capacity: CAPACITY, blocks: BLOCKS, wait: 'broadcast' })
    for (let n = 1; n < REFUNDS; n++) await comesAndGoes(world, `stranger ${n}`)
    assert.equal(await comesAndGoes(world, 'one'), 'OPEN-14')
    await world.mine()
    assert.equal(bob.channel.status, 'open')
    assert.equal(await comesAndGoes(world, 'two'), undefined)
  })
})

describe('engine / openings that were given up', () => {
  it('are forgotten a week after L, on the disk as well, and K1 is taken again (KEY-3, REF-2)', async () => {
    const { world, bob } = await twoNodes()
    const { offer, stream } = await Stranger.withRefund(world, 'mallory')
    await stream.say(GIVES_UP)
    const peer = new RawPeer(world, 'again')
    const again = async (): Promise<string | undefined> => {
      const other = await peer.stream('bob')
      await other.say({ ...offer, refundHeight: world.chain.height + 60 })
      return other.refusal?.rule
    }
    await world.mine(offer.refundHeight + KNOWN_AFTER_L - 1 - world.chain.height)
    assert.deepEqual([known(bob).length, await again()], [1, 'KEY-3'])
    await bob.restart()
    await world.mine()
    assert.deepEqual([known(bob), await again()], [[], undefined])
    const other = await Stranger.asks(world, 'other')
    await other.askForRefund(outPointOf('mallory'))
    assert.equal(other.stream.heard.at(-1)?.type, 'RefundSignature')
  })

  it('and whose record is of a time when none had an end get one', async () => {
    const { world, bob } = await twoNodes({}, { policy: { maxBlocks: 100 as never } })
    const { stream } = await Stranger.withRefund(world, 'mallory')
    await stream.say(GIVES_UP)
    const disk = new Map(bob.store.snapshot())
    const [key = ''] = known(bob)
    disk.set(key, recordChange(key, new Uint8Array(16).fill(1)).value)
    await bob.restart(disk)
    const { height } = world.chain
    await world.mine(100 + KNOWN_AFTER_L - 1)
    assert.equal(known(bob).length, 1)
    await world.mine(1)
    assert.deepEqual([known(bob), world.chain.height], [[], height + 100 + KNOWN_AFTER_L])
  })

  it('and are too many for the memory stop no start: no others are begun, and that is all', async () => {
    const records = Array.from({ length: 5 }, (_, n) =>
      givenUpChanges({
        id: channelId(n.toString(16).padEnd(64, '0')),
        outPoint: { txid: txid(n.toString(16).padStart(64, 'a')), vout: 0 },
        refundHeight: blockHeight(100 + n)
      } as Abandoned)
    ).flat()
    const store = {
      entries: async function* () {
        for (const { key, value } of records) if (value !== undefined) yield [key, value] as const
      }
    }
    const few = new GivenUp(3)
    const alarms: string[] = []
    await few.load(store, ({ code }) => alarms.push(code))
    assert.deepEqual([few.isFull, alarms], [true, ['ERR_TOO_MANY_OPENINGS']])
    const all = new GivenUp(6)
    await all.load(store, assert.fail)
    assert.ok(!all.isFull)
    assert.equal(all.forget(100 + KNOWN_AFTER_L, 100).length, 1)
  })

  it('and are as many as can be remembered: strangers are refused, and renewals and payments go on', async () => {
    const { world, alice, bob } = await twoNodes()
    const { id } = await world.open(alice, bob)
    const isFull = Object.getOwnPropertyDescriptor(GivenUp.prototype, 'isFull')
    assert.ok(isFull !== undefined)
    Object.defineProperty(GivenUp.prototype, 'isFull', { get: () => true, configurable: true })
    try {
      await bob.restart()
      assert.ok(bob.alarms.includes('ERR_TOO_MANY_OPENINGS'))
      assert.equal(await comesAndGoes(world, 'stranger'), 'OPEN-14')
      await alice.pay(10_000n)
      await alice.engine.renew(id, { amount: 0n as never, blocks: 200 as never, wait: 'broadcast' })
    } finally {
      Object.defineProperty(GivenUp.prototype, 'isFull', isFull)
    }
  })

  it('and whose end fails cost their own stream, and reject nothing that nobody hears', async () => {
    const { world, alice, bob } = await twoNodes()
    const { add } = GivenUp.prototype
    GivenUp.prototype.add = () => {
      throw new RangeError('Map maximum size exceeded')
    }
    try {
      assert.equal(await comesAndGoes(world, 'stranger'), undefined)
      assert.ok(bob.alarms.includes('ERR_INTERNAL'))
      await world.open(alice, bob)
    } finally {
      GivenUp.prototype.add = add
    }
  })
})
