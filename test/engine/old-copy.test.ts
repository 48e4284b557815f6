/**
 * Nodes on an old copy of their data, and channels that were opened or renewed since: RESTORE-8
 * through engines.
 */
import assert from 'node:assert/strict'
import type { Message } from '../../protocols/paychan/1.0/index.js'
import { SIGHASH, toDer } from '../../src/bitcoin/ecdsa.js'
import { digestOfAll, fundingSpend, withSignatures } from '../../src/bitcoin/funding-spend.js'
import type { Transaction } from '../../src/bitcoin/transaction.js'
import type { Channel } from '../../src/channel/state.js'
import type { ChannelInfo } from '../../src/channel/summary.js'
import type { Link, LinkListener, Peers } from '../../src/engine/ports.js'
import { copiedChanges, restoredChange } from '../../src/engine/restores.js'
import { copiedRecord } from '../../src/engine/stored-channel.js'
import { planPayment } from '../../src/node/plan-payment.js'
import { openSimStore, type Snapshot } from '../../src/testing/disk.js'
import type { ChannelId } from '../../src/types/bytes.js'
import { codeOf, PaychanError } from '../../src/types/errors.js'
import { blockDelta, satoshi } from '../../src/types/units.js'
import { RawPeer, tampering } from './raw-peer.js'
import { BLOCKS, CAPACITY, codeFrom, type Node, quiet, twoNodes, World } from './world.js'

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

  for (const what of ['the opening', 'a renewal'] as const) {
    it(`the middle of ${what}: the channel comes back, and no payment with an id is made twice (RESTORE-4)`, async () => {
      for (let at = 1; at < 30; at++) {
        const story = await nodes()
        const { world, alice, bob } = story
        const old = what === 'the opening' ? undefined : await open(story)
        const first = alice.commits
        let copy: Snapshot | undefined
        alice.crashAt = (moment, commits) => {
          const isNow = moment === 'after' && commits - first === at
          if (isNow && alice.engine.channels().at(-1)?.status === 'opening') {
            copy = alice.store.snapshot()
          }
          return false
        }
        const fresh = old === undefined ? await open(story) : await renew(story, old)
        const pay = async (): Promise<unknown> =>
          await alice.engine.payOnce({
            ...{ id: 'invoice', peer: 'bob', amount: satoshi(60_000n), memo: 'invoice' },
            plan: (rest) => planPayment(alice.engine.payable(), 'bob', rest)
          })
        await pay()
        if (copy === undefined) {
          assert.ok(at > 3, `${at} writes`)
          return
        }
        await goBack(world, alice, copy)
        const { status, ourBalance } = alice.engine.describe(fresh)
        assert.ok(ourBalance > CAPACITY - 61_000n && ourBalance <= CAPACITY - 60_000n)
        // A renewal whose T1 may be signed goes on, and its payments are told by the peer.
        const outcome = await pay().catch(codeOf)
        if (status === 'stopped') assert.equal(outcome, 'ERR_PAYMENTS_FORGOTTEN')
        else assert.equal(what, 'a renewal')
        assert.equal((await bob.payments()).length, 1)
      }
    })
  }

  for (const who of ['alice', 'bob'] as const) {
    it(`turns of a two-way channel (${who}): it is given them by itself, and gets all that it had acknowledged (RESTORE-4)`, async () => {
      const story = await nodes()
      const { world, alice, bob } = story
      alice.wallet.receive(COIN / 2n)
      await world.mine()
      const step = blockDelta(12)
      const terms = { peer: 'bob', capacity: CAPACITY, blocks: blockDelta(200), step }
      const opening = alice.engine.open({ ...terms, wait: 'ready' })
      await quiet()
      await world.mine()
      await opening
      await alice.pay(100_000n, 'tea')
      const copy = story[who].store.snapshot()
      await bob.pay(60_000n, 'change')
      if (who === 'bob') await alice.pay(200_000n, 'house')
      const due = story[who].channel.ourBalance
      await goBack(world, story[who], copy)
      assert.deepEqual([story[who].channel.ourBalance, story[who].channel.status], [due, 'stopped'])
      assert.ok(alarmText(story[who], 'ERR_STATE_FORGOTTEN') !== '')
      assert.equal((await story[who].close()).kind, 'close')
      await world.mine(2)
      assert.equal(alice.channel.spend?.kind, 'close')
      const before = who === 'alice' ? COIN - CAPACITY : 0n
      assert.ok(story[who].balance > before + due - 1_000n, `${story[who].balance} sat`)
    })
  }

  it('a renewal whose T1 is in no block yet: the server leaves T1 alone, and gets what is in the new channel (TIME-10)', async () => {
    const story = await nodes()
    const { world, alice, bob } = story
    const old = await open(story)
    await alice.engine.pay(old, satoshi(20_000n), '')
    const copy = bob.store.snapshot()
    await alice.engine.pay(old, satoshi(100_000n), '')
    const terms = { amount: NOTHING, blocks: RENEWED_FOR, wait: 'broadcast' } as const
    const { id: fresh } = await alice.engine.renew(old, terms)
    await world.pass(1_000)
    await goBack(world, bob, copy)
    assert.match(alarmText(bob, 'ERR_UNKNOWN_SPEND'), /paychan recover alice/)
    assert.equal(await codeFrom(bob.engine.close(old, true)), 'ERR_CHANNEL_CLOSED')
    await world.mine(3)
    for (let second = 0; second < 60; second++) await world.pass(1_000)
    assert.deepEqual(
      [alice.engine.describe(old).spend?.kind, bob.engine.describe(fresh).ourBalance],
      ['close', 120_000n]
    )
    await world.mineTo(alice.engine.describe(fresh).refundHeight + 2)
    assert.ok(bob.balance > 118_000n, `bob has ${bob.balance} sat`)
  })

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

/*
 * Payments with a name, and a node on an old copy of its data: what was paid on a channel that it
 * has forgotten.
 */

describe('engine / payments with an id, on an old copy of the data (RESTORE-9)', () => {
  const COIN = 3_000_000n

  function received(node: Node): bigint {
    return node.engine.channels().reduce((sum, { ourBalance }) => sum + ourBalance, 0n)
  }

  /** One channel with an honest payee, coins for another one, and a copy of the data. */
  async function copied(): Promise<{
    world: World
    mallory: Node
    alice: Node
    first: ChannelInfo
    copy: Snapshot
  }> {
    const world = new World()
    const mallory = await world.node('mallory', { coin: 0n })
    const alice = await world.node('alice', { coin: COIN })
    const first = await world.open(alice, mallory)
    alice.wallet.receive(COIN)
    await world.mine()
    const copy = alice.store.snapshot()
    return { world, mallory, alice, first, copy }
  }

  /** A minute on the copy. */
  async function goBack(world: World, alice: Node, copy: Snapshot): Promise<void> {
    await alice.restart(copy)
    for (let n = 0; n < 60; n++) await world.pass(1_000)
    await quiet()
  }

  const payOnce = async (alice: Node, id: string, channel: string, amount: bigint) =>
    await alice.engine.payOnce({
      id,
      peer: 'mallory',
      amount: satoshi(amount),
      memo: '',
      plan: (rest) => [{ channel: channel as never, amount: rest }]
    })

  it('are not made twice when they were made on a channel that was opened since, by an honest payee', async () => {
    const { world, mallory, alice, first, copy } = await copied()
    const second = await world.open(alice, mallory)
    await payOnce(alice, 'rent', second.id, 20_000n)
    assert.equal(received(mallory), 20_000n)
    await goBack(world, alice, copy)
    assert.equal(
      await codeFrom(payOnce(alice, 'rent', first.id, 20_000n)),
      'ERR_PAYMENTS_FORGOTTEN'
    )
    assert.equal(received(mallory), 20_000n)
    await alice.engine.pay(first.id, satoshi(1_000n), 'without an id')
    const drawn = await alice.engine.payOnce({
      id: 'drawn just now',
      isDrawn: true,
      peer: 'mallory',
      amount: satoshi(2_000n),
      memo: '',
      plan: (rest) => [{ channel: first.id, amount: rest }]
    })
    assert.deepEqual(
      drawn.map(({ amount, status }) => [amount, status]),
      [[2_000n, 'acknowledged']],
      'nobody can have paid under it before'
    )
  })

  it('are not made twice when the payee answers on one channel and is silent on the other', async () => {
    const world = new World()
    let silentOn: string | undefined
    const silent = (peers: Peers): Peers => {
      const wrap = (link: Link, on: { id: string | undefined }): Link => ({
        peer: link.peer,
        address: link.address,
        close: () => {
          link.close()
        },
        send: (message) => {
          if (on.id === undefined || on.id !== silentOn) link.send(message)
        }
      })
      return {
        self: peers.self,
        open: async (peer, listen) => await peers.open(peer, listen),
        onIncoming: (accept) =>
          peers.onIncoming((link) => {
            const on: { id: string | undefined } = { id: undefined }
            const inner = accept(wrap(link, on))
            return {
              ...inner,
              onMessage: (message) => {
                if (message.type === 'Reestablish') {
                  on.id = Buffer.from(message.channelId).toString('hex')
                }
                return inner.onMessage(message)
              },
              onClosed: (...a) => {
                inner.onClosed(...a)
              }
            }
          })
      }
    }
    const mallory = await world.node('mallory', { coin: 0n, peers: silent })
    const alice = await world.node('alice', { coin: COIN })
    const first = await world.open(alice, mallory)
    alice.wallet.receive(COIN)
    await world.mine()
    const second = await world.open(alice, mallory)
    const copy = alice.store.snapshot()
    await payOnce(alice, 'rent', second.id, 20_000n)
    silentOn = second.id
    await alice.restart(copy)
    for (let n = 0; n < 10; n++) await world.pass(1_000)
    await quiet()
    const refused = codeFrom(payOnce(alice, 'rent', first.id, 20_000n))
    for (let n = 0; n < 60; n++) await world.pass(1_000)
    assert.equal(await refused, 'ERR_PEER_UNREACHABLE')
    assert.equal(received(mallory), 20_000n)
    silentOn = undefined
    for (let n = 0; n < 60; n++) await world.pass(1_000)
    await payOnce(alice, 'rent', first.id, 20_000n)
    assert.equal(received(mallory), 20_000n, 'it is found in the list')
    await payOnce(alice, 'rent 2', first.id, 20_000n)
    assert.equal(received(mallory), 40_000n)
  })

  for (const isError of [false, true]) {
    for (const isBackup of [false, true]) {
      it(`are not made twice when the payee says that it cannot list them${isError ? ', and has stopped the channel first' : ''}${isBackup ? '; on a backup that was put back' : ''} (REEST-4, REEST-8)`, async () => {
        const world = new World()
        let isMute = false
        const say = (link: Link, message: Message): void => {
          if (!isMute || message.type !== 'Reestablish') {
            link.send(message)
            return
          }
          const text = 'something is wrong here'
          if (isError) {
            link.send({ type: 'Error', code: 'ERR_INTERNAL', rule: '', text, fatal: true })
          }
          link.send({ ...message, payments: [], paymentsAfter: message.sequence })
        }
        const mute = (peers: Peers): Peers => tampering(peers, say)
        const mallory = await world.node('mallory', { coin: 0n, peers: mute })
        const alice = await world.node('alice', { coin: COIN })
        const first = await world.open(alice, mallory)
        alice.wallet.receive(COIN)
        await world.mine()
        const second = await world.open(alice, mallory)
        const copy = alice.store.snapshot()
        await payOnce(alice, 'rent', second.id, 20_000n)
        isMute = true
        await alice.restart(isBackup ? await backupOf(copy) : copy)
        for (let n = 0; n < 10; n++) await world.pass(1_000)
        assert.equal(alice.engine.describe(second.id as never).status, 'stopped')
        const code = await codeFrom(payOnce(alice, 'rent', first.id, 20_000n))
        assert.deepEqual([received(mallory), code], [20_000n, 'ERR_PAYMENTS_FORGOTTEN'])
      })
    }
  }

  /** As `paychan restore` puts it back. */
  async function backupOf(copy: Snapshot): Promise<Snapshot> {
    const store = openSimStore()
    await store.commit([
      ...[...copy].map(([key, value]) => ({ key, value: copiedRecord(key, value) })),
      ...copiedChanges('a backup', 0)
    ])
    return store.snapshot()
  }

  /** A copy that knows nothing of the payee, and a node made from the words. */
  async function forgottenPayee(copyOf: (alice: Node) => Promise<Snapshot>): Promise<{
    readonly world: World
    readonly alice: Node
    readonly mallory: Node
    readonly answering: { is: boolean }
  }> {
    const world = new World()
    const answering = { is: true }
    const busy = (peers: Peers): Peers => ({
      self: peers.self,
      onIncoming: (accept) =>
        peers.onIncoming((link) => {
          const inner = accept(link)
          return {
            ...inner,
            onMessage: (message) => {
              if (answering.is || message.type !== 'RestoreRequest') return inner.onMessage(message)
              const text = 'This node has not read its records yet.'
              link.send({ type: 'Error', code: 'ERR_NOT_READY', rule: '', text, fatal: false })
            }
          }
        }),
      open: async (peer, listen) => await peers.open(peer, listen)
    })
    const mallory = await world.node('mallory', { coin: 0n, peers: busy })
    const alice = await world.node('alice', { coin: COIN })
    const copy = await copyOf(alice)
    const first = await world.open(alice, mallory)
    await payOnce(alice, 'rent', first.id, 20_000n)
    await alice.restart(copy)
    alice.wallet.receive(COIN)
    await world.mine()
    return { world, alice, mallory, answering }
  }

  it('are not made twice on a copy from before the first channel with the payee', async () => {
    const { world, alice, mallory } = await forgottenPayee(async (node) => node.store.snapshot())
    for (let n = 0; n < 60; n++) await world.pass(1_000)
    const second = await world.open(alice, mallory)
    assert.equal(
      await codeFrom(payOnce(alice, 'rent', second.id, 20_000n)),
      'ERR_PAYMENTS_FORGOTTEN'
    )
    assert.equal(received(mallory), 20_000n)
    assert.ok(alice.alarms.includes('ERR_CHANNELS_FORGOTTEN'), 'people hear of it')
  })

  it('nor on a node made from the words whose payee cannot answer yet', async () => {
    const made = openSimStore()
    await made.commit([restoredChange()])
    const { world, alice, mallory, answering } = await forgottenPayee(async () => made.snapshot())
    answering.is = false
    alice.engine.peerConnected('mallory')
    await quiet()
    const second = await world.open(alice, mallory)
    assert.equal(await codeFrom(payOnce(alice, 'rent', second.id, 20_000n)), 'ERR_PEER_UNREACHABLE')
    answering.is = true
    assert.equal(
      await codeFrom(payOnce(alice, 'rent', second.id, 20_000n)),
      'ERR_PAYMENTS_FORGOTTEN'
    )
    assert.equal(received(mallory), 20_000n)
  })

  it('are made at once to a peer that is new, which is asked once a start', async () => {
    const world = new World()
    const mallory = await world.node('mallory', { coin: 0n })
    const alice = await world.node('alice', { coin: COIN })
    const first = await world.open(alice, mallory)
    const asked = (): number => world.said(alice, 'RestoreRequest').length
    assert.equal(asked(), 0)
    await payOnce(alice, 'rent', first.id, 20_000n)
    const once = asked()
    assert.ok(once > 0)
    await payOnce(alice, 'tea', first.id, 1_000n)
    assert.deepEqual([received(mallory), asked()], [21_000n, once])
  })

  /**
   * 'rent' is paid on the only channel after the copy was made; the channel ends, the payer goes
   * back to the copy and opens another one.
   */
  async function ended(
    end: (world: World, alice: Node, mallory: Node) => Promise<void>
  ): Promise<[bigint, string]> {
    const { world, mallory, alice, first, copy } = await copied()
    await payOnce(alice, 'rent', first.id, 20_000n)
    await end(world, alice, mallory)
    await world.mine(7)
    await goBack(world, alice, copy)
    const second = await world.open(alice, mallory)
    const code = await codeFrom(payOnce(alice, 'rent', second.id, 20_000n))
    return [mallory.engine.channels().find(({ id }) => id === second.id)?.ourBalance ?? -1n, code]
  }

  it('are not made twice when the chain shows that the channel they were made on was settled by a state that is forgotten', async () => {
    assert.deepEqual(
      await ended(async (_, __, mallory) => {
        await mallory.engine.close(mallory.channel.id, true)
      }),
      [0n, 'ERR_PAYMENTS_FORGOTTEN']
    )
  })

  it('nor when it was closed in peace', async () => {
    assert.deepEqual(
      await ended(async (_, alice) => {
        await alice.close()
      }),
      [0n, 'ERR_PAYMENTS_FORGOTTEN']
    )
  })

  it('nor when it was opened and closed since', async () => {
    const { world, mallory, alice, first, copy } = await copied()
    const second = await world.open(alice, mallory)
    await payOnce(alice, 'rent', second.id, 20_000n)
    await alice.engine.close(second.id, false)
    await world.mine(7)
    await goBack(world, alice, copy)
    const code = await codeFrom(payOnce(alice, 'rent', first.id, 20_000n))
    assert.deepEqual(
      [mallory.engine.channels().find(({ id }) => id === first.id)?.ourBalance, code],
      [0n, 'ERR_PAYMENTS_FORGOTTEN']
    )
  })
})
