/** Peers that take a stream, or a message, and then say nothing: every wait for them ends. */
import assert from 'node:assert/strict'
import type { Message } from '../../protocols/paychan/1.0/index.js'
import type { Peers } from '../../src/engine/ports.js'
import { BLOCKS, CAPACITY, codeFrom, quiet, twoNodes, type Node, type World } from './world.js'

/** Alice, who does not hear one kind of message while `deaf` holds. */
async function deafTo(
  type: Message['type']
): Promise<{ world: World; alice: Node; bob: Node; ear: { deaf: boolean } }> {
  const ear = { deaf: false }
  const peers = (all: Peers): Peers => ({
    ...all,
    open: async (peer, listener) =>
      await all.open(peer, (link) => {
        const inner = listener(link)
        return {
          ...inner,
          onMessage: (message) =>
            ear.deaf && message.type === type ? undefined : inner.onMessage(message),
          onClosed: (error) => {
            inner.onClosed(error)
          }
        }
      })
  })
  return { ...(await twoNodes({ peers })), ear }
}

describe('engine / a peer that says nothing (WIRE-12)', () => {
  it('to Reestablish: the stream is given up, payments are refused meanwhile, and it is dialled again', async () => {
    const { world, alice, bob, ear } = await deafTo('Reestablish')
    await world.open(alice, bob)
    await alice.pay(1_000n)
    ear.deaf = true
    await world.cut(alice, bob)
    world.mend(alice, bob)
    await world.pass(1_000)
    const paying = codeFrom(alice.pay(1_000n))
    await world.pass(5_000)
    assert.equal(await paying, 'ERR_PEER_UNREACHABLE')
    ear.deaf = false
    await world.pass(30_000)
    await world.pass(60_000)
    assert.equal(alice.channel.status, 'open')
    await alice.pay(1_000n)
    assert.equal(bob.channel.ourBalance, 2_000n)
  })

  it('to Funding: it goes out again on another stream', async () => {
    const { world, alice, ear } = await deafTo('FundingBroadcast')
    ear.deaf = true
    const opening = alice.engine.open({
      peer: 'bob',
      capacity: CAPACITY,
      blocks: BLOCKS,
      wait: 'ready'
    })
    await quiet()
    await world.mine()
    ear.deaf = false
    await world.pass(30_000)
    await world.pass(60_000)
    assert.equal((await opening).status, 'open')
    await alice.pay(1_000n)
    assert.equal(world.said(alice, 'Funding').length, 2)
  })
})
