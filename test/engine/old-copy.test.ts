/**
 * Nodes on an old copy of their data, and channels that were opened or renewed since: RESTORE-8
 * through engines.
 */
import assert from 'node:assert/strict'
import type { Transaction } from '../../src/bitcoin/transaction.js'
import type { Message } from '../../protocols/paychan/1.0/index.js'
import { SIGHASH, toDer } from '../../src/bitcoin/ecdsa.js'
import { digestOfAll, fundingSpend, withSignatures } from '../../src/bitcoin/funding-spend.js'
import type { Channel } from '../../src/channel/state.js'
import type { LinkListener, Peers } from '../../src/engine/ports.js'
import type { Snapshot } from '../../src/testing/disk.js'
import type { ChannelId } from '../../src/types/bytes.js'
import { PaychanError } from '../../src/types/errors.js'
import { blockDelta, satoshi } from '../../src/types/units.js'
import { RawPeer } from './raw-peer.js'
import { BLOCKS, CAPACITY, quiet, twoNodes, type Node, type World } from './world.js'

const COIN = 1_200_000n
const NOTHING = satoshi(0n)
/** Half of them are for payments (RENEW-11). */
const RENEWED_FOR = blockDelta(120)

interface Story {
  readonly world: World
  readonly alice: Node
  readonly bob: Node
}

async function nodes(): Promise<Story> {
  return await twoNodes({ coin: COIN / 2n })
}

async function open({ world, alice }: Story, blocks = BLOCKS): Promise<ChannelId> {
  alice.wallet.receive(COIN / 2n)
  await world.mine()
  const opening = alice.engine.open({ peer: 'bob', capacity: CAPACITY, blocks, wait: 'ready' })
  await quiet()
  await world.mine()
  return (await opening).id
}

async function renew({ world, alice }: Story, old: ChannelId): Promise<ChannelId> {
  const renewing = alice.engine.renew(old, { amount: NOTHING, blocks: RENEWED_FOR, wait: 'ready' })
  await quiet()
  await world.mine()
  return (await renewing).id
}

/** The node comes back on the copy, and a minute passes. */
async function goBack(world: World, node: Node, copy: Snapshot): Promise<void> {
  await node.restart(copy)
  for (let second = 0; second < 60; second++) await world.pass(1_000)
}

const questions = (world: World, node: Node): number => world.said(node, 'RestoreRequest').length
const alarmText = (node: Node, code: string): string =>
  node.events
    .flatMap((event) => (event.type === 'alarm' && event.code === code ? [event.text] : []))
    .join('\n')

describe('engine / a node whose disk went back to before', () => {
  for (const who of ['alice', 'bob'] as const) {
    it(`a renewal (${who}): it is given the new channel by itself, is told where the money is, and gets it`, async () => {
      const story = await nodes()
      const { world, alice, bob } = story
      const old = await open(story)
      await alice.engine.pay(old, satoshi(20_000n), '')
      const copy = story[who].store.snapshot()
      const fresh = await renew(story, old)
      await alice.engine.pay(fresh, satoshi(30_000n), '')
      await goBack(world, story[who], copy)
      const { ourBalance, status } = story[who].engine.describe(fresh)
      assert.deepEqual(
        [ourBalance > (who === 'alice' ? CAPACITY - 51_000n : 49_999n), status],
        [true, 'stopped']
      )
      assert.match(alarmText(story[who], 'ERR_UNKNOWN_SPEND'), /paychan recover (alice|bob)/)
      assert.match(alarmText(story[who], 'ERR_CHANNELS_FORGOTTEN'), new RegExp(fresh.slice(0, 8)))
      await world.mineTo(alice.engine.describe(fresh).refundHeight + 2)
      assert.ok(bob.balance > 48_000n, `bob has ${bob.balance} sat`)
      assert.ok(alice.balance > COIN - 52_000n, `alice has ${alice.balance} sat`)
    })
  }

  it('a second channel, while the first goes on: the second is given back, and the first is as ever', async () => {
    const story = await nodes()
    const { world, alice, bob } = story
    const first = await open(story, blockDelta(2_000))
    const copy = alice.store.snapshot()
    const second = await open(story)
    await alice.engine.pay(second, satoshi(20_000n), '')
    await goBack(world, alice, copy)
    assert.deepEqual(
      [alice.engine.describe(second).status, alice.engine.describe(first).status],
      ['stopped', 'open']
    )
    assert.deepEqual(alice.alarms.slice(-1), ['ERR_CHANNELS_FORGOTTEN'])
    await alice.engine.pay(first, satoshi(1_000n), '')
    bob.crash()
    await world.mineTo(alice.engine.describe(second).refundHeight + 2)
    assert.equal(alice.engine.describe(second).spend?.kind, 'refund')
    assert.ok(alice.balance > COIN - CAPACITY - 2_000n, `${alice.balance} sat`)
  })

  it('a second channel, when the first was long over: nobody dials for that one, and its server is asked all the same', async () => {
    const story = await nodes()
    const { world, alice } = story
    const first = await open(story)
    await alice.engine.close(first, false)
    await world.mine(10)
    const copy = alice.store.snapshot()
    const second = await open(story)
    await goBack(world, alice, copy)
    assert.equal(alice.engine.describe(second).ourBalance, CAPACITY)
  })

  it('a channel that was settled since: what it pays is claimed (RESTORE-3)', async () => {
    const story = await nodes()
    const { world, alice, bob } = story
    await open(story, blockDelta(2_000))
    const copy = alice.store.snapshot()
    const second = await open(story)
    await alice.engine.pay(second, satoshi(20_000n), '')
    await alice.restart(copy)
    await bob.engine.close(second, true)
    await world.mine(20)
    for (let second = 0; second < 5; second++) await world.pass(1_000)
    await world.mine()
    assert.deepEqual(
      alice.wallet.claims.map(({ value }) => value),
      [CAPACITY - 20_000n]
    )
  })

  it('a server is asked when it can be reached, and people hear when it cannot', async () => {
    let isAway = false
    const story = await twoNodes({ coin: COIN / 2n, peers: (peers) => absent(peers, () => isAway) })
    const { world, alice } = story
    const old = await open(story)
    const copy = alice.store.snapshot()
    const fresh = await renew(story, old)
    isAway = true
    await alice.restart(copy)
    for (let second = 0; second < 300; second++) await world.pass(1_000)
    assert.match(alarmText(alice, 'ERR_PEER_NOT_ASKED'), /paychan recover bob/)
    isAway = false
    alice.engine.peerConnected('bob')
    await quiet()
    assert.equal(alice.engine.describe(fresh).status, 'stopped')
  })
})

describe('engine / who is asked at a start (RESTORE-8)', () => {
  it('each peer of a channel, by either role, once', async () => {
    const story = await nodes()
    const { world, alice, bob } = story
    const id = await open(story)
    assert.deepEqual([questions(world, alice), questions(world, bob)], [0, 0])
    for (const node of [alice, bob]) await node.restart()
    for (let second = 0; second < 10; second++) await world.pass(1_000)
    // One for the channel that is known, one for the end.
    assert.deepEqual([questions(world, alice), questions(world, bob)], [2, 2])
    await world.cut(alice, bob)
    world.mend(alice, bob)
    for (let second = 0; second < 10; second++) await world.pass(1_000)
    alice.engine.peerConnected('bob')
    await quiet()
    assert.deepEqual([questions(world, alice), questions(world, bob)], [2, 2])
    await alice.engine.pay(id, satoshi(1_000n), '')
    assert.deepEqual([alice.alarms, bob.alarms], [[], []])
  })

  it('no stranger, whoever connects', async () => {
    const story = await nodes()
    const { world, alice } = story
    await open(story)
    const mallory = new RawPeer(world, 'mallory')
    await alice.restart()
    alice.engine.peerConnected('mallory')
    const stream = await mallory.stream('alice')
    await stream.say({ type: 'RestoreRequest', after: new Uint8Array(0) })
    for (let second = 0; second < 10; second++) await world.pass(1_000)
    assert.equal(mallory.incoming.length, 0)
  })

  it('a peer that refuses to answer: eight times in some two minutes, and again when it comes', async () => {
    let refused = 0
    const story = await twoNodes({
      coin: COIN / 2n,
      peers: (peers) =>
        refusing(peers, () => {
          refused += 1
        })
    })
    const { world, alice } = story
    await open(story)
    await alice.restart()
    for (let second = 0; second < 600; second++) await world.pass(1_000)
    assert.equal(refused, 8)
    alice.engine.peerConnected('bob')
    await quiet()
    assert.equal(refused, 9)
  })

  it('again, whatever it has answered, when a channel shows that this node may be the copy', async () => {
    const story = await nodes()
    const { world, alice, bob } = story
    await open(story)
    await alice.restart()
    for (let second = 0; second < 5; second++) await world.pass(1_000)
    assert.equal(questions(world, alice), 2)
    world.chain.broadcast(spendOfBoth(alice, bob))
    await quiet()
    assert.deepEqual([alice.alarms, questions(world, alice)], [['ERR_UNKNOWN_SPEND'], 4])
  })
})

/** Peers that cannot be reached at times. */
function absent(peers: Peers, isAway: () => boolean): Peers {
  return {
    self: peers.self,
    onIncoming: (accept) => peers.onIncoming(accept),
    open: async (peer, listener) => {
      if (isAway()) throw new PaychanError('ERR_PEER_UNREACHABLE', `${peer} could not be reached.`)
      return await peers.open(peer, listener)
    }
  }
}

/** Peers whose other side says "later" to every question for channels. */
function refusing(peers: Peers, count: () => void): Peers {
  return {
    self: peers.self,
    onIncoming: (accept) => peers.onIncoming(accept),
    open: async (peer, listener) => {
      let heard: LinkListener | undefined
      const link = await peers.open(peer, (link) => {
        heard = listener(link)
        return heard
      })
      const send = (message: Message): void => {
        if (message.type !== 'RestoreRequest') {
          link.send(message)
          return
        }
        count()
        void heard?.onMessage({
          type: 'Error',
          code: 'ERR_NOT_READY',
          rule: '',
          text: 'Later.',
          fatal: false
        })
      }
      return {
        peer: link.peer,
        address: link.address,
        send,
        close: () => {
          link.close()
        }
      }
    }
  }
}

/** A spend of the newest channel that both have signed, in a life that neither remembers. */
function spendOfBoth(alice: Node, bob: Node): Transaction {
  const [client, server] = [alice.engine.states()[0], bob.engine.states()[0]]
  assert.ok(client?.stage === 'established' && server?.stage === 'established')
  const { terms, outPoint } = client
  const output = {
    outPoint,
    value: terms.capacity,
    clientKey: terms.client.channelKey,
    serverKey: terms.server.channelKey
  }
  const tx = fundingSpend(output, 3, 1, [
    { script: terms.client.closeScript, value: satoshi(499_000n) }
  ])
  const sign = ({ name, world }: Node, { role, keys }: Channel): Uint8Array =>
    toDer(
      world.signerOf(name).sign({ role, ...keys, use: 'channel' }, digestOfAll(tx, output)),
      SIGHASH.ALL
    )
  return withSignatures(tx, output, sign(alice, client), sign(bob, server))
}
