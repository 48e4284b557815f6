/** DESIGN.md section 5: what has been said is on disk. A held disk shows what waits for it. */
import assert from 'node:assert/strict'
import type { Message } from '../../protocols/paychan/1.0/index.js'
import { BLOCKS, CAPACITY, quiet, soon, twoNodes, type Node, type World } from './world.js'

/** While the disk is held nothing of this type leaves; once it is released it does. */
async function waitsForTheDisk(world: World, node: Node, type: Message['type']): Promise<void> {
  const before = world.said(node, type).length
  await quiet()
  assert.ok(node.life.waitingCommits > 0, `${node.name} wants to write nothing`)
  assert.equal(
    world.said(node, type).length,
    before,
    `${type} left ${node.name} before the disk had it`
  )
  node.life.releaseDisk()
  await quiet()
  assert.equal(world.said(node, type).length, before + 1)
}

describe('engine / commit before effects', () => {
  const offer = async (alice: Node): Promise<unknown> =>
    await alice.engine.open({ peer: 'bob', capacity: CAPACITY, blocks: BLOCKS, wait: 'broadcast' })

  it('OpenChannel: the bits of K1 are on disk before K1 is sent', async () => {
    const { world, alice } = await twoNodes()
    alice.life.holdDisk()
    const opening = offer(alice)
    await waitsForTheDisk(world, alice, 'OpenChannel')
    await opening
  })

  it('AcceptChannel: the bits of K2 are on disk before K2 is sent (KEY-2)', async () => {
    const { world, alice, bob } = await twoNodes()
    bob.life.holdDisk()
    const opening = offer(alice)
    await waitsForTheDisk(world, bob, 'AcceptChannel')
    await opening
  })

  it('RefundSignature: the outpoint is on disk before T2 is signed away (REF-2)', async () => {
    const { world, alice, bob } = await twoNodes()
    const opening = offer(alice)
    await soon(
      () => world.said(alice, 'RefundRequest').length !== 0,
      () => {
        bob.life.holdDisk()
      }
    )
    await waitsForTheDisk(world, bob, 'RefundSignature')
    await opening
  })

  it('T1: T2 is on disk before T1 leaves, to the peer or to the chain (REF-7)', async () => {
    const { world, alice, bob } = await twoNodes()
    const opening = offer(alice)
    await soon(
      () => world.said(bob, 'RefundSignature').length !== 0,
      () => {
        alice.life.holdDisk()
      }
    )
    await quiet()
    assert.deepEqual(world.broadcasts(alice), [])
    assert.deepEqual(world.chain.mempool, [])
    await waitsForTheDisk(world, alice, 'Funding')
    assert.equal(world.chain.mempool.length, 1)
    await opening
  })

  it("Update: what is signed is on the payer's disk before it is sent", async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    alice.life.holdDisk()
    const paying = alice.pay(1_000n)
    await waitsForTheDisk(world, alice, 'Update')
    await paying
  })

  it("UpdateAck: what is acknowledged is on the payee's disk", async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    bob.life.holdDisk()
    const paying = alice.pay(1_000n)
    await waitsForTheDisk(world, bob, 'UpdateAck')
    await paying
    await bob.restart()
    assert.equal(bob.channel.ourBalance, 1_000n)
  })

  it('pay: is told as soon as the payee has it; the payer writes the ack with what comes next, or soon after', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await alice.pay(1_000n)
    const { commits } = alice
    await alice.pay(500n)
    assert.equal(alice.commits, commits + 1)
    await world.pass(20)
    assert.equal(alice.commits, commits + 2)
    await world.pass(1_000)
    assert.equal(alice.commits, commits + 2, 'nothing is left to write')
  })

  it('pay: a payer that dies before the ack is written hears of it again', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await alice.pay(1_000n)
    await alice.restart()
    await world.pass(1_000)
    assert.deepEqual(
      (await alice.payments()).map(({ status }) => status),
      ['acknowledged']
    )
    assert.deepEqual(
      [alice.channel.ourBalance, alice.channel.inFlight, bob.channel.ourBalance],
      [CAPACITY - 1_000n, 0n, 1_000n]
    )
    assert.deepEqual((await bob.payments()).length, 1)
  })

  it('CloseRequest: the asker is frozen on disk before its signature is sent (CLOSE-6)', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    alice.life.holdDisk()
    const closing = alice.close()
    await waitsForTheDisk(world, alice, 'CloseRequest')
    await closing
  })

  it('close: the other side is frozen on disk before it broadcasts (CLOSE-6)', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    bob.life.holdDisk()
    const closing = alice.close()
    await quiet()
    const before = world.broadcasts(bob).length
    assert.ok(bob.life.waitingCommits > 0)
    assert.deepEqual(world.chain.mempool, [])
    bob.life.releaseDisk()
    await closing
    assert.equal(world.broadcasts(bob).length, before + 1)
    assert.equal(world.chain.mempool.length, 1)
  })

  it('T3: a publication is on disk before it is broadcast', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await alice.pay(10_000n)
    bob.life.holdDisk()
    const closing = bob.close(true)
    await quiet()
    assert.ok(bob.life.waitingCommits > 0)
    assert.deepEqual(world.chain.mempool, [])
    bob.life.releaseDisk()
    assert.equal((await closing).kind, 'settlement')
    assert.equal(world.chain.mempool.length, 1)
  })
})
