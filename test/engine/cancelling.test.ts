/** Ctrl-C during an opening: given up as long as T1 has not left, and too late afterwards. */
import assert from 'node:assert/strict'
import type { Message } from '../../protocols/paychan/1.0/index.js'
import { PaychanError } from '../../src/types/errors.js'
import {
  BLOCKS,
  CAPACITY,
  codeFrom,
  quiet,
  soon,
  twoNodes,
  type Node,
  type World
} from './world.js'

const REQUEST = { peer: 'bob', capacity: CAPACITY, blocks: BLOCKS, wait: 'ready' as const }

/** Cancels as soon as one side has said something. */
async function cancelAt(
  type: Message['type'],
  who: 'alice' | 'bob'
): Promise<{ world: World; alice: Node; bob: Node; code: string }> {
  const { world, alice, bob } = await twoNodes()
  const cancel = new AbortController()
  const opening = codeFrom(alice.engine.open({ ...REQUEST, signal: cancel.signal }))
  await soon(
    () => world.said(who === 'alice' ? alice : bob, type).length > 0,
    () => {
      cancel.abort()
    }
  )
  const code = await opening
  await quiet()
  return { world, alice, bob, code }
}

describe('engine / an opening that is cancelled', () => {
  for (const [type, who] of [
    ['OpenChannel', 'alice'],
    ['AcceptChannel', 'bob'],
    ['RefundRequest', 'alice']
  ] as const) {
    it(`after ${type}: nothing was funded, the coins are free, the peer knows`, async () => {
      const { world, alice, bob, code } = await cancelAt(type, who)
      assert.equal(code, 'ERR_CANCELLED')
      assert.deepEqual([alice.channel.status, bob.engine.channels()], ['abandoned', []])
      assert.deepEqual([alice.wallet.reservedFor, world.broadcasts(alice)], [[], []])
      assert.equal(alice.balance, 1_000_000n)
      await world.open(alice, bob)
    })
  }

  it('while the peer is dialled: it is not asked at all', async () => {
    let arrive = (): void => {}
    const dialled = new Promise<void>((resolve) => {
      arrive = resolve
    })
    const { world, alice, bob } = await twoNodes({
      peers: (peers) => ({
        ...peers,
        open: async (peer, listener) => {
          await dialled
          return await peers.open(peer, listener)
        }
      })
    })
    const cancel = new AbortController()
    const opening = codeFrom(alice.engine.open({ ...REQUEST, signal: cancel.signal }))
    await quiet()
    cancel.abort()
    assert.equal(await opening, 'ERR_CANCELLED')
    arrive()
    await quiet()
    assert.deepEqual(
      [world.said(alice), alice.engine.channels(), bob.engine.channels()],
      [[], [], []]
    )
  })

  it('before it has begun', async () => {
    const { world, alice } = await twoNodes()
    assert.equal(
      await codeFrom(alice.engine.open({ ...REQUEST, signal: AbortSignal.abort() })),
      'ERR_CANCELLED'
    )
    await quiet()
    assert.deepEqual([world.said(alice), alice.engine.channels()], [[], []])
  })

  it('too late once T1 has left: the channel opens, and its user is told', async () => {
    const { world, alice } = await twoNodes()
    const cancel = new AbortController()
    const opening = alice.engine.open({ ...REQUEST, signal: cancel.signal }).then(
      () => undefined,
      (error: unknown) => error
    )
    await soon(
      () => world.said(alice, 'Funding').length > 0,
      () => {
        cancel.abort()
      }
    )
    const error = await opening
    assert.ok(error instanceof PaychanError)
    const { id, funding } = alice.channel
    assert.deepEqual(
      [error.code, error.facts],
      ['ERR_CANCEL_TOO_LATE', { channel: id, txid: funding?.txid }]
    )
    await world.mine()
    assert.equal(alice.channel.status, 'open')
    await alice.pay(1_000n)
  })

  it('changes nothing after the opening', async () => {
    const { world, alice } = await twoNodes()
    const cancel = new AbortController()
    const opening = alice.engine.open({ ...REQUEST, signal: cancel.signal })
    await quiet()
    await world.mine()
    await opening
    cancel.abort()
    await quiet()
    assert.equal(alice.channel.status, 'open')
  })
})

describe('engine / an opening without the coins for it', () => {
  it('is refused before the peer is asked', async () => {
    const { world, alice, bob } = await twoNodes()
    alice.wallet.checkFunds = (amount) => {
      throw new PaychanError('ERR_INSUFFICIENT_FUNDS', 'Too little.', { asked: amount })
    }
    assert.equal(await codeFrom(alice.engine.open(REQUEST)), 'ERR_INSUFFICIENT_FUNDS')
    await quiet()
    assert.deepEqual([world.left, alice.engine.channels(), bob.engine.channels()], [[], [], []])
  })
})
