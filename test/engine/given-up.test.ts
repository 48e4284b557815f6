/**
 * Openings that strangers give up: how many they can have, and how long a server remembers them
 * (KEY-3, REF-2, OPEN-14).
 */
import assert from 'node:assert/strict'
import {
  GIVEN_UP_PREFIX,
  givenUpChanges,
  GivenUp,
  KNOWN_AFTER_L
} from '../../src/engine/registry.js'
import { REFUNDS, STRANGE_REFUND_INTERVAL_MS } from '../../src/engine/opening-upkeep.js'
import type { Abandoned } from '../../src/channel/state.js'
import { channelId, txid } from '../../src/types/bytes.js'
import { recordChange } from '../../src/types/records.js'
import { blockHeight } from '../../src/types/units.js'
import { outPointOf, RawPeer, Stranger } from './raw-peer.js'
import { BLOCKS, CAPACITY, type Node, twoNodes, type World } from './world.js'

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
