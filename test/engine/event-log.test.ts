/**
 * Events with a number: a reader that comes back with the last one that it has seen misses nothing
 * and sees nothing twice, whenever the node crashed.
 */
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import fc from 'fast-check'
import type { News } from '../../src/channel/effects.js'
import type { Channel } from '../../src/channel/state.js'
import {
  EventLog,
  type NumberedEvent,
  readKeptEvent,
  type ToldStep
} from '../../src/engine/event-log.js'
import { paymentsAt, sentUpTo } from '../../src/engine/payments.js'
import { openSimStore } from '../../src/testing/disk.js'
import type { NetworkSetup } from '../../src/testing/network.js'
import type { WorldOptions } from '../../src/testing/world.js'
import { channelId } from '../../src/types/bytes.js'
import { codeOf } from '../../src/types/errors.js'
import { recordChange } from '../../src/types/records.js'
import { blockDelta } from '../../src/types/units.js'
import { sized } from '../size.js'
import { BLOCKS, CAPACITY, type Node, quiet, twoNodes, type World } from './world.js'

/** Reads all events of a node in each of its lives, and comes back after each crash. */
class Reader {
  readonly seen: NumberedEvent[] = []
  readonly #node: Node

  constructor(node: Node) {
    this.#node = node
  }

  /** To be called in each life. */
  read(): void {
    const { life, engine } = this.#node
    const log = engine.eventLog ?? assert.fail()
    void (async () => {
      for await (const each of log.follow(this.seen.at(-1)?.number ?? 0)) {
        if (!life.alive) return
        this.seen.push(each)
      }
    })().catch(() => {})
  }

  /** The payments that were told, by their ids, in the order in which they were. */
  async payments(direction?: 'sent' | 'received'): Promise<string[]> {
    const { engine, store: kept } = this.#node
    const store = openSimStore(kept.snapshot())
    const told: string[] = []
    for (const { event } of this.seen) {
      if (event.type !== 'sent' && event.type !== 'received') continue
      const state = engine.stateOf(event.channel) ?? assert.fail()
      if (event.type === 'sent' && direction !== 'received') {
        const sent = await sentUpTo(store, state, event.upTo, event.count)
        told.push(...sent.map(({ id }) => id))
      }
      if (event.type === 'received' && direction !== 'sent') {
        told.push(...(await paymentsAt(store, state, event.sequence)).map(({ id }) => id))
      }
    }
    return told
  }

  get news(): string[] {
    return this.seen.flatMap(({ event }) => (event.type === 'channel' ? [event.news.kind] : []))
  }
}

/** Messages take 50 ms, so that several updates are on their way at a time. */
const SLOW: NetworkSetup = { latency: { kind: 'constant', value: 50 }, loss: 0, partitions: [] }

/** L 300 blocks away, turns 20 apart: either side pays. */
async function openTwoWay(world: World, alice: Node): Promise<void> {
  const opening = alice.engine.open({
    peer: 'bob',
    capacity: CAPACITY,
    blocks: blockDelta(300),
    step: blockDelta(20),
    wait: 'ready'
  })
  for (let blocks = 0; blocks < 2; blocks++) {
    await world.pass(1_000)
    await world.mine()
  }
  await world.until(opening)
}

interface Lives {
  readonly world: World
  readonly alice: Node
  readonly bob: Node
  readonly readers: readonly [Reader, Reader]
}

async function lives(options: WorldOptions = {}): Promise<Lives> {
  const keeps = { keepsEvents: true }
  const { world, alice, bob } = await twoNodes(keeps, keeps, options)
  return { world, alice, bob, readers: [new Reader(alice), new Reader(bob)] }
}

/** An opening, five payments of which three are made at once, and a settlement. */
async function story({ world, alice, bob, readers }: Lives, onCrash: () => void): Promise<void> {
  const revive = async (): Promise<void> => {
    await quiet()
    for (const [node, reader] of [
      [alice, readers[0]],
      [bob, readers[1]]
    ] as const) {
      if (node.life.alive) continue
      onCrash()
      await node.restart()
      reader.read()
    }
    await world.pass(60_000)
  }
  for (const reader of readers) reader.read()
  const open = async (): Promise<void> => {
    if (alice.engine.channels().some(({ status }) => status !== 'abandoned')) return
    alice.engine
      .open({ peer: 'bob', capacity: CAPACITY, blocks: BLOCKS, wait: 'ready' })
      .catch(() => {})
    await quiet()
  }
  await open()
  await revive()
  await open()
  await world.mine(2)
  await revive()
  for (const batch of [1, 3, 1]) {
    for (let n = 0; n < batch; n++) alice.pay(1_000n).catch(() => {})
    await revive()
  }
  await world.mine(2)
  await revive()
  bob.close(true).catch(() => {})
  await revive()
  await world.mine(2)
  await revive()
  await world.mine(2)
  await quiet()
}

describe('engine / events with numbers', () => {
  it('tell what happened, in order, each once', async () => {
    const all = await lives()
    await story(all, () => assert.fail('nobody crashes'))
    const [client, server] = all.readers
    assert.equal((await client.payments('sent')).length, 5)
    assert.deepEqual(await server.payments('received'), await client.payments('sent'))
    assert.deepEqual(
      client.news,
      all.alice.story.map(({ kind }) => kind)
    )
    assert.deepEqual(
      server.seen.map(({ number }) => number),
      server.seen.map((_, n) => n + 1)
    )
  })

  it('miss nothing and repeat nothing, at whichever write a node crashes', async () => {
    const every = sized({ small: 5, all: 1 })
    const whole = await lives()
    await story(whole, () => {})
    let crashes = 0
    for (const name of ['alice', 'bob'] as const) {
      for (let at = 1 + (name === 'bob' ? 2 : 0); at <= whole[name].commits; at += every) {
        for (const when of ['before', 'after'] as const) {
          const all = await lives()
          const node = all[name]
          node.crashAt = (moment, commit) => moment === when && commit === at
          await story(all, () => {
            crashes++
          })
          const what = `${name} crashes ${when} write ${at}`
          for (const [reader, one, direction] of [
            [all.readers[0], all.alice, 'sent'],
            [all.readers[1], all.bob, 'received']
          ] as const) {
            const numbers = reader.seen.map(({ number }) => number)
            assert.deepEqual(
              numbers,
              [...new Set(numbers)].sort((a, b) => a - b),
              what
            )
            const told = await reader.payments(direction)
            const made = await acknowledged(one)
            assert.deepEqual([...told].sort(), made.sort(), `${what}: ${direction}`)
          }
        }
      }
    }
    assert.ok(crashes > 4, `${crashes} crashes`)
  }).timeout(180_000)

  it('tell each payment once and in order, however bursts, writes and crashes fall', async () => {
    const names = ['alice', 'bob'] as const
    const moves = fc.array(
      fc.oneof(
        {
          weight: 4,
          arbitrary: fc.record({
            pays: fc.constantFrom(...names),
            times: fc.integer({ min: 1, max: 5 }),
            gap: fc.constantFrom(0, 1, 7)
          })
        },
        // Acknowledgements wait for a write for 20 ms.
        { weight: 3, arbitrary: fc.record({ passes: fc.constantFrom(1, 19, 100, 60_000) }) },
        { weight: 1, arbitrary: fc.record({ crashes: fc.constantFrom(...names) }) }
      ),
      { maxLength: 25 }
    )
    await fc.assert(
      fc.asyncProperty(moves, async (script) => {
        const { world, alice, bob, readers } = await lives({ network: SLOW })
        for (const reader of readers) reader.read()
        const nodes = { alice: [alice, readers[0]], bob: [bob, readers[1]] } as const
        await openTwoWay(world, alice)
        await world.until(alice.pay(40_000n))
        for (const move of script) {
          if ('pays' in move) {
            for (let n = 0; n < move.times; n++) {
              nodes[move.pays][0].pay(1_000n).catch(() => {})
              await world.pass(move.gap)
            }
          } else if ('passes' in move) {
            await world.pass(move.passes)
          } else {
            const [node, reader] = nodes[move.crashes]
            await node.restart()
            reader.read()
          }
        }
        await world.pass(600_000)
        for (const [node, reader] of Object.values(nodes)) {
          assert.deepEqual(await reader.payments(), await acknowledged(node), node.name)
        }
      }),
      { numRuns: sized({ small: 25, all: 300 }) }
    )
  }).timeout(180_000)

  it('are forgotten after a month, and beyond 100,000; whoever has read less is told', async () => {
    const store = openSimStore()
    let time = 1_800_000_000_000
    const make = async (): Promise<EventLog> => {
      const log = new EventLog(store, { now: () => time }, { openFor: () => undefined })
      await log.load()
      return log
    }
    const log = await make()
    for (let n = 0; n < 20; n++) await log.tell({ n })
    time += 29 * 86_400_000
    for (let n = 20; n < 30; n++) await log.tell({ n })
    time += 2 * 86_400_000
    const later = await make()
    assert.deepEqual([later.dropped, later.newest], [20, 30])
    assert.deepEqual(await taken(later, 25, 5), [26, 27, 28, 29, 30])
    time += 365 * 86_400_000
    const emptied = await make()
    assert.deepEqual([emptied.dropped, emptied.newest], [30, 30])
    await emptied.tell({ n: 30 })
    assert.deepEqual(await taken(emptied, 30, 1), [31])
  })

  it('of strangers without a coin, and what costs a customer nothing, leave room for payments (ERR-7)', () => {
    let time = 0
    const log = new EventLog(openSimStore(), { now: () => time }, { openFor: () => undefined })
    const says: ToldStep = {
      log: [],
      effects: [{ type: 'notify', news: { kind: 'peer-says', code: 'ERR_ANY', text: 'x' } }]
    }
    // What peers and servers say, as often as they like.
    const free = (
      [
        { kind: 'peer-says', code: 'ERR_ANY', text: 'x' },
        { kind: 'close-unknown', txid: 'x' },
        { kind: 'close-broadcast' },
        { kind: 'spend-shown', transaction: 'refund' },
        { kind: 'turn-granted', turn: 1, matures: 700 },
        { kind: 'funding-received' },
        { kind: 'reconnected' }
      ] as News[]
    ).map((news): ToldStep => ({ log: [], effects: [{ type: 'notify', news }] }))
    const opened: ToldStep = { log: [], effects: [{ type: 'notify', news: { kind: 'open' } }] }
    const paid: ToldStep = {
      log: [{ sequence: 1, direction: 'received', time: 0, payments: [] }],
      effects: []
    }
    const stranger = {
      id: channelId('aa'.repeat(32)),
      role: 'server',
      stage: 'refund-signed'
    } as unknown as Channel
    const funded = {
      ...stranger,
      stage: 'established',
      onChain: { fundingHeight: 7 }
    } as unknown as Channel
    const count = (channel: Channel, step: ToldStep, most: number): number => {
      let told = 0
      for (let n = 0; n < most; n++) told += log.changes(channel, [step]).length
      return told
    }
    // Thirty days, of which the log keeps 100,000 events at the most.
    let [ofStrangers, ofCustomers] = [0, 0]
    for (let hour = 0; hour < 30 * 24; hour++, time += 3_600_000) {
      const most = hour === 0 ? 5_000 : 40
      ofStrangers += count(stranger, hour % 2 === 0 ? says : opened, most)
      for (const step of free) ofCustomers += count(funded, step, most)
      assert.deepEqual([count(funded, opened, 2), count(funded, paid, 2)], [2, 2])
    }
    for (const told of [ofStrangers, ofCustomers]) {
      assert.ok(told > 20_000 && told <= 25_000, `${told} of 100,000`)
    }
    const own = { ...stranger, role: 'client' } as unknown as Channel
    assert.equal(count(own, opened, 5_000), 5_000, 'what this node does itself is told')
  })

  it('are read from any number on', async () => {
    const store = openSimStore()
    const log = new EventLog(store, { now: () => 0 }, { openFor: () => undefined })
    await log.load()
    for (let n = 1; n <= 120; n++) await log.tell({ n })
    for (const after of [0, 1, 8, 9, 10, 11, 19, 98, 99, 100, 101, 109, 119]) {
      const expected = Array.from({ length: 120 - after }, (_, n) => after + n + 1)
      assert.deepEqual(await taken(log, after, 120 - after), expected, `after ${after}`)
    }
  })

  it('are not missed when they come while others are read', async () => {
    const store = openSimStore()
    const log = new EventLog(store, { now: () => 0 }, { openFor: () => undefined })
    await log.load()
    for (let n = 1; n <= 8; n++) await log.tell({ n })
    let isFirst = true
    const meanwhile = async (): Promise<void> => {
      if (!isFirst) return
      isFirst = false
      await Promise.all([log.tell({ n: 9 }), log.tell({ n: 10 })])
    }
    const { get, entries } = store
    store.get = async (key) => {
      const value = await get.call(store, key)
      await meanwhile()
      return value
    }
    store.entries = async function* (prefix) {
      yield* entries.call(store, prefix)
      await meanwhile()
    }
    const reading = taken(log, 8, 3)
    await log.tell({ n: 11 })
    assert.deepEqual(await reading, [9, 10, 11])
  })

  it('end for a reader that leaves, and with the node', async () => {
    const { alice } = await lives()
    const log = alice.engine.eventLog ?? assert.fail()
    const leaving = new AbortController()
    const reading = [log.follow(log.newest, leaving.signal), log.follow(log.newest)].map(
      async (events) => await events.next()
    )
    leaving.abort()
    assert.equal((await reading[0])?.done, true)
    await alice.engine.stop()
    assert.equal((await reading[1])?.done, true)
  })

  it('leave nothing behind at the signal of a reader that goes before it is aborted', async () => {
    const log = new EventLog(openSimStore(), { now: () => 0 }, { openFor: () => undefined })
    await log.load()
    await log.tell({ n: 1 })
    const { signal } = new AbortController()
    const reading = log.follow(0, signal)
    assert.equal((await reading.next()).done, false)
    await reading.return(undefined)
    assert.deepEqual(getEventListeners(signal, 'abort'), [])
  })

  it('leave out a record that is damaged', async () => {
    const store = openSimStore()
    const log = new EventLog(store, { now: () => 0 }, { openFor: () => undefined })
    await log.load()
    for (let n = 1; n <= 3; n++) await log.tell({ n })
    await store.commit([{ key: 'event/000000000000002', value: Uint8Array.of(1) }])
    assert.deepEqual(await taken(log, 0, 2), [1, 3])
  })

  it('an event that an earlier version kept without a code is read with the code `unknown`', () => {
    const kept = (news: object): unknown => {
      const key = 'event/000000000000001'
      const event = { type: 'channel', channel: 'ab'.repeat(32), news }
      const read = readKeptEvent(key, recordChange(key, { at: 0, event }).value ?? assert.fail())
      return read.type === 'channel' && 'code' in read.news && read.news.code
    }
    assert.equal(kept({ kind: 'abandoned', reason: 'It was given up.' }), 'unknown')
    assert.equal(kept({ kind: 'abandoned', code: 'ERR_CANCELLED', reason: '' }), 'ERR_CANCELLED')
    assert.equal(kept({ kind: 'open' }), false)
  })
})

/** The numbers of the next events. */
async function taken(log: EventLog, after: number, count: number): Promise<number[]> {
  const numbers: number[] = []
  if (count === 0) return numbers
  for await (const { number } of log.follow(after)) {
    if (numbers.push(number) === count) break
  }
  return numbers
}

/** The ids of the payments that a node counts as made, the oldest first. */
async function acknowledged({ engine }: Node): Promise<string[]> {
  const ids: string[] = []
  try {
    for await (const payment of engine.payments()) {
      if (payment.status === 'acknowledged') ids.push(payment.id)
    }
  } catch (error) {
    assert.fail(codeOf(error))
  }
  return ids.reverse()
}
