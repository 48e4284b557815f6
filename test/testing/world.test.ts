/** A world for the tests of an application, and what its page shows, word for word. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Message } from '../../protocols/paychan/1.0/index.js'
import { Calendar, Draws, Life } from '../../src/testing/calendar.js'
import { World, type WorldNode, type WorldOptions } from '../../src/testing/index.js'
import { type NetworkOptions, type NetworkSetup, SimNetwork } from '../../src/testing/network.js'
import { codeOf } from '../../src/types/errors.js'
import { peersContract, type PeersWorld } from '../contracts/peers.js'
import { Recorder } from '../p2p/hosts.js'
import { runningCalendar } from './running-calendar.js'

const SLOW: WorldOptions = {
  seed: 7,
  network: { latency: { kind: 'uniform', least: 20, most: 80 }, loss: 0, partitions: [] },
  newsMs: 500,
  commitMs: 2
}

/** Two nodes with a channel of 500,000 satoshis. */
async function channel(
  options: WorldOptions = {}
): Promise<{ world: World; alice: WorldNode; bob: WorldNode }> {
  const world = new World(options)
  const bob = await world.node('bob')
  const alice = await world.node('alice', { coins: [1_000_000n], losesWrites: 1 })
  const opening = alice.openTo('bob', 500_000n)
  await world.pass(2_000)
  await world.mine()
  await world.until(opening)
  return { world, alice, bob }
}

describe('testing / world', () => {
  it('runs the examples of its page', async () => {
    const page = await readFile(join('docs', 'testing.md'), 'utf8')
    const examples = [...page.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code = '']) => code)
    assert.equal(examples.length, 2)
    assert.equal(examples[0]?.trim().split('\n').slice(3).length, 10, 'ten lines')
    // Inside the package, so that `import 'paychan/testing'` finds it by its own name.
    const directory = await mkdtemp(join('dist', 'testing-'))
    try {
      for (const [n, code] of examples.entries()) {
        await writeFile(join(directory, `${n}.mjs`), code)
        await promisify(execFile)(process.execPath, [`${n}.mjs`], { cwd: directory })
      }
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  })

  it('is the same on every run of a seed, and another one for another seed', async () => {
    const tell = async (seed: number): Promise<unknown> => {
      const { world, alice, bob } = await channel({ ...SLOW, seed })
      for (let n = 1n; n <= 5n; n++) await world.until(alice.payTo('bob', n * 1_000n))
      return [world.now, alice.channels, bob.events.length, await bob.payments()]
    }
    const [once, again, other] = [await tell(1), await tell(1), await tell(2)]
    assert.deepEqual(again, once)
    assert.notDeepEqual(other, once)
  })

  it('lets a node die and come back with what its disk has', async () => {
    const { world, alice, bob } = await channel()
    await alice.payTo('bob', 1_000n, 'before')
    bob.crash()
    assert.equal(bob.isUp, false)
    await bob.restart()
    await world.pass(5_000)
    await alice.payTo('bob', 2_000n, 'after')
    assert.deepEqual((await bob.payments()).map(({ memo }) => memo).sort(), ['after', 'before'])
  })

  it('sweeps what a settlement pays, once it is worth it', async () => {
    const { world, alice, bob } = await channel()
    await alice.payTo('bob', 100_000n)
    const [open] = bob.channels
    assert.ok(open !== undefined)
    const settling = bob.engine.close(open.id, true)
    await world.mine(10)
    await settling
    assert.deepEqual([bob.wallet.hasClaims, alice.wallet.hasClaims], [false, false])
    assert.ok(bob.balance > 98_000n && bob.balance < 100_000n, `${bob.balance} sat`)
    assert.ok(alice.balance > 897_000n && alice.balance < 900_000n, `${alice.balance} sat`)
  })

  it('says so when what is waited for cannot come', async () => {
    const world = new World()
    await world.node('bob')
    const alice = await world.node('alice', { coins: [1_000_000n] })
    const opening = alice.openTo('nobody', 500_000n)
    await assert.rejects(world.until(opening), { code: 'ERR_PEER_UNKNOWN' })
    await assert.rejects(alice.payTo('bob', 1_000n), { code: 'ERR_NO_CHANNEL' })
    await assert.rejects(world.until(new Promise(() => {})), { code: 'ERR_INTERNAL' })
  })

  it('tells listeners what a node tells, until they stop', async () => {
    const { alice, bob } = await channel()
    const heard: string[] = []
    const stop = bob.onEvent(({ type }) => {
      heard.push(type)
    })
    await alice.payTo('bob', 1_000n)
    stop()
    await alice.payTo('bob', 1_000n)
    assert.deepEqual(heard, ['payment'])
  })
})

const ack = (sequence: number): Message => ({ type: 'UpdateAck', turn: 0, sequence })

/** Five milliseconds for each message, and nothing is lost. */
const SLOW_MS: NetworkSetup = { latency: { kind: 'constant', value: 5 }, loss: 0, partitions: [] }

function slow(calendar: Calendar): NonNullable<NetworkOptions['takes']> {
  return { calendar, draws: new Draws(1, 'network'), setup: SLOW_MS }
}

function worldIn(network: SimNetwork, stop: () => void): PeersWorld {
  const reported: Error[] = []
  const mallory = network.peer('mallory')
  network.peer('mute', { paychan: false })
  network.join('gone')
  return {
    alice: network.peer('alice'),
    bob: network.peer('bob', {
      onError: (error) => {
        reported.push(error)
      }
    }),
    bobAddress: 'bob',
    mute: 'mute',
    gone: 'gone',
    unknown: 'nobody',
    reported,
    cut: () => {
      network.cut('alice', 'bob')
    },
    intrude: async (listener) => await mallory.open('bob', () => listener),
    stop: async () => {
      stop()
    }
  }
}

describe('testing / network', () => {
  describe('without latency', () => {
    peersContract(async (options) => worldIn(new SimNetwork(options), () => {}))
  })

  describe('with latency', () => {
    peersContract(async (options) => {
      const { calendar, stop } = runningCalendar()
      return worldIn(new SimNetwork({ ...options, takes: slow(calendar) }), stop)
    })
  })

  it('delivers each message when its time has come, and in order', async () => {
    const calendar = new Calendar()
    const network = new SimNetwork({ takes: slow(calendar) })
    const bobs = new Recorder()
    network.peer('bob').onIncoming(() => bobs)
    const opening = network.peer('alice').open('bob', () => new Recorder())
    await calendar.run(9)
    assert.equal(calendar.next, 10, 'a dial takes a way there and back')
    await calendar.run(10)
    const link = await opening
    link.send(ack(1))
    await calendar.run(12)
    link.send(ack(2))
    await calendar.run(14)
    assert.deepEqual(bobs.messages, [])
    await calendar.run(15)
    assert.deepEqual(bobs.messages, [ack(1)])
    await calendar.run(17)
    assert.deepEqual(bobs.messages, [ack(1), ack(2)])
    assert.equal(calendar.next, undefined)
  })

  it('tells nothing to the dead, and breaks what they had', async () => {
    const network = new SimNetwork()
    const [bobs, alices] = [new Recorder(), new Recorder()]
    const life = new Life()
    network.join('bob')
    network.peersFor('bob', life).onIncoming(() => bobs)
    const alice = network.peer('alice')
    const link = await alice.open('bob', () => alices)
    link.send(ack(1))
    life.end()
    assert.equal(codeOf(await alices.closed()), 'ERR_CONNECTION_LOST')
    assert.deepEqual([bobs.messages, bobs.endings], [[], []])
    await assert.rejects(
      alice.open('bob', () => new Recorder()),
      { code: 'ERR_PEER_UNREACHABLE' }
    )
  })

  it('loses what is on its way when it is cut, and works again once mended', async () => {
    const network = new SimNetwork()
    const bobs = new Recorder()
    network.peer('bob').onIncoming(() => bobs)
    const alice = network.peer('alice')
    const link = await alice.open('bob', () => new Recorder())
    link.send(ack(1))
    network.cut('bob', 'alice')
    await bobs.closed()
    assert.deepEqual(bobs.messages, [])
    await assert.rejects(
      alice.open('bob', () => new Recorder()),
      { code: 'ERR_PEER_UNREACHABLE' }
    )
    network.mend('alice', 'bob')
    const again = await alice.open('bob', () => new Recorder())
    again.send(ack(2))
    assert.deepEqual(await bobs.received(1), [ack(2)])
  })
})
