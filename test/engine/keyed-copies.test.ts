/**
 * Payments with a name, and a node on an old copy of its data: what was paid on a channel that it
 * has forgotten.
 */
import assert from 'node:assert/strict'
import { restoredChange } from '../../src/engine/restores.js'
import { openSimStore, type Snapshot } from '../../src/testing/disk.js'
import { satoshi } from '../../src/types/units.js'
import type { Link, Peers } from '../../src/engine/ports.js'
import { codeFrom, quiet, World, type Node } from './world.js'

const COIN = 3_000_000n

function received(node: Node): bigint {
  return node.engine.channels().reduce((sum, { ourBalance }) => sum + ourBalance, 0n)
}

const payOnce = async (alice: Node, id: string, channel: string, amount: bigint) =>
  await alice.engine.payOnce({
    id,
    peer: 'mallory',
    amount: satoshi(amount),
    memo: '',
    plan: (rest) => [{ channel: channel as never, amount: rest }]
  })

describe('engine / payments with an id, on an old copy of the data (RESTORE-9)', () => {
  it('are not made twice when they were made on a channel that was opened since, by an honest payee', async () => {
    const world = new World()
    const mallory = await world.node('mallory', { coin: 0n })
    const alice = await world.node('alice', { coin: COIN })
    const first = await world.open(alice, mallory)
    alice.wallet.receive(COIN)
    await world.mine()
    const copy = alice.store.snapshot()
    const second = await world.open(alice, mallory)
    await payOnce(alice, 'rent', second.id, 20_000n)
    assert.equal(received(mallory), 20_000n)
    await alice.restart(copy)
    for (let n = 0; n < 60; n++) await world.pass(1_000)
    await quiet()
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

  it('are not made twice when the payee says that it cannot list them', async () => {
    const world = new World()
    let isMute = false
    const mute = (peers: Peers): Peers => {
      const wrap = (link: Link): Link => ({
        peer: link.peer,
        address: link.address,
        close: () => {
          link.close()
        },
        send: (message) => {
          link.send(
            isMute && message.type === 'Reestablish'
              ? { ...message, payments: [], paymentsAfter: message.sequence }
              : message
          )
        }
      })
      return {
        self: peers.self,
        open: async (peer, listen) => wrap(await peers.open(peer, (link) => listen(wrap(link)))),
        onIncoming: (accept) => peers.onIncoming((link) => accept(wrap(link)))
      }
    }
    const mallory = await world.node('mallory', { coin: 0n, peers: mute })
    const alice = await world.node('alice', { coin: COIN })
    const first = await world.open(alice, mallory)
    alice.wallet.receive(COIN)
    await world.mine()
    const second = await world.open(alice, mallory)
    const copy = alice.store.snapshot()
    await payOnce(alice, 'rent', second.id, 20_000n)
    isMute = true
    await alice.restart(copy)
    for (let n = 0; n < 10; n++) await world.pass(1_000)
    assert.equal(alice.engine.describe(second.id as never).status, 'stopped')
    const code = await payOnce(alice, 'rent', first.id, 20_000n).then(
      () => 'paid',
      ({ code }) => code as string
    )
    assert.deepEqual([received(mallory), code], [20_000n, 'ERR_PAYMENTS_FORGOTTEN'])
  })

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
    const world = new World()
    const mallory = await world.node('mallory', { coin: 0n })
    const alice = await world.node('alice', { coin: COIN })
    const first = await world.open(alice, mallory)
    alice.wallet.receive(COIN)
    await world.mine()
    const copy = alice.store.snapshot()
    await payOnce(alice, 'rent', first.id, 20_000n)
    await end(world, alice, mallory)
    await world.mine(7)
    await alice.restart(copy)
    for (let n = 0; n < 60; n++) await world.pass(1_000)
    await quiet()
    const second = await world.open(alice, mallory)
    const code = await payOnce(alice, 'rent', second.id, 20_000n).then(
      () => 'paid',
      ({ code }) => code as string
    )
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
    const world = new World()
    const mallory = await world.node('mallory', { coin: 0n })
    const alice = await world.node('alice', { coin: COIN })
    const first = await world.open(alice, mallory)
    alice.wallet.receive(COIN)
    await world.mine()
    const copy = alice.store.snapshot()
    const second = await world.open(alice, mallory)
    await payOnce(alice, 'rent', second.id, 20_000n)
    await alice.engine.close(second.id, false)
    await world.mine(7)
    await alice.restart(copy)
    for (let n = 0; n < 60; n++) await world.pass(1_000)
    await quiet()
    const code = await payOnce(alice, 'rent', first.id, 20_000n).then(
      () => 'paid',
      ({ code }) => code as string
    )
    assert.deepEqual(
      [mallory.engine.channels().find(({ id }) => id === first.id)?.ourBalance, code],
      [0n, 'ERR_PAYMENTS_FORGOTTEN']
    )
  })
})
