import assert from 'node:assert/strict'
import type { Message } from '../../protocols/paychan/1.0/index.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import type { Chain, Peers, Verdict } from '../../src/engine/ports.js'
import { PaychanError } from '../../src/types/errors.js'
import { feeFor, feeRate, satoshi } from '../../src/types/units.js'
import { RawPeer } from './raw-peer.js'
import {
  beforeFunding,
  BLOCKS,
  CAPACITY,
  codeFrom,
  type Node,
  quiet,
  soon,
  twoNodes,
  type World
} from './world.js'

describe('engine / opening', () => {
  const REQUEST = { peer: 'bob', capacity: CAPACITY, blocks: BLOCKS, wait: 'ready' } as const

  it('takes both sides through the nine steps, in their order', async () => {
    const { world, alice, bob } = await twoNodes()
    const channel = await world.open(alice, bob)
    await alice.pay(1_000n)
    assert.deepEqual(
      [channel.status, channel.role, channel.capacity, channel.spendable],
      ['open', 'client', CAPACITY, CAPACITY]
    )
    const steps = (node: Node): unknown[] =>
      node.events.flatMap((event) =>
        event.type === 'channel' && event.step !== undefined ? [event.step] : []
      )
    assert.deepEqual(steps(alice), [1, 1, 2, 3, 5, 6, 7, 8])
    assert.deepEqual(steps(bob), [1, 4, 6, 8])
    assert.deepEqual(
      world.left
        .filter((left) => left.kind === 'message')
        .slice(0, 9)
        .map(({ node, message }) => `${node} ${message.type}`),
      [
        'alice OpenChannel',
        'bob AcceptChannel',
        'alice RefundRequest',
        'bob RefundSignature',
        'alice Funding',
        'bob FundingBroadcast',
        'alice Update',
        'bob UpdateAck',
        'bob ChannelReady'
      ]
    )
  })

  it('resolves once a server has taken T1, when that is what the caller waits for', async () => {
    const { world, alice } = await twoNodes()
    const channel = await alice.engine.open({ ...REQUEST, wait: 'broadcast' })
    assert.equal(channel.status, 'confirming')
    assert.equal(world.broadcasts(alice).length, 1)
  })

  it('says that T1 has left when the peer then stops the channel, whatever code the peer gives', async () => {
    const { world, alice } = await twoNodes({}, { peers: refusingFunded })
    const failed = alice.engine.open(REQUEST).then(
      () => assert.fail('it opens'),
      (error: unknown) => error
    )
    await quiet()
    await world.mine(1)
    const error = await failed
    assert.ok(error instanceof PaychanError)
    const { txid, code } = error.facts
    assert.deepEqual(
      [error.code, txid, code],
      ['ERR_FUNDED_NOT_OPEN', alice.channel.funding?.txid, 'ERR_PEER_STOPPED']
    )
  })

  describe('as long as no server has taken T1', () => {
    /** Broadcasts end in `outcome`, and the peer's in nothing. */
    async function unheard(
      outcome: (send: () => Promise<Verdict>) => Promise<Verdict>
    ): Promise<{ world: World; alice: Node }> {
      const between =
        (answer: (send: () => Promise<Verdict>) => Promise<Verdict>) =>
        (chain: Chain): Chain => ({
          ...chain,
          get status() {
            return chain.status
          },
          get tip() {
            return chain.tip
          },
          broadcast: async (raw) => await answer(async () => await chain.broadcast(raw))
        })
      return await twoNodes(
        { chain: between(outcome) },
        { chain: between(async () => await new Promise<Verdict>(() => {})) }
      )
    }

    it('waits for the answer', async () => {
      let answer = (): void => {}
      const answered = new Promise<void>((resolve) => {
        answer = resolve
      })
      const { world, alice } = await unheard(async (send) => {
        await answered
        return await send()
      })
      let isOpen = false
      const opening = alice.engine.open({ ...REQUEST, wait: 'broadcast' }).then(() => {
        isOpen = true
      })
      await quiet()
      assert.deepEqual(
        [isOpen, alice.channel.status, world.broadcasts(alice)],
        [false, 'confirming', []]
      )
      answer()
      await opening
      assert.equal(world.broadcasts(alice).length, 1)
    })

    for (const code of ['ERR_BROADCAST_REFUSED', 'ERR_CHAIN_UNAVAILABLE'] as const) {
      it(`says so when the answer is ${code}; the channel stays, and opens once T1 is taken`, async () => {
        let isUp = false
        const { world, alice } = await unheard(async (send) => {
          const facts = code === 'ERR_BROADCAST_REFUSED' ? { kind: 'other' } : {}
          if (!isUp) throw new PaychanError(code, 'Not now.', facts)
          return await send()
        })
        await assert.rejects(alice.engine.open({ ...REQUEST, wait: 'broadcast' }), (error) => {
          assert.ok(error instanceof PaychanError)
          assert.deepEqual(
            [error.code, error.facts['channel'], error.facts['txid']],
            ['ERR_FUNDING_NOT_TAKEN', alice.channel.id, alice.channel.funding?.txid]
          )
          return true
        })
        assert.equal(alice.channel.status, 'confirming')
        isUp = true
        await world.pass(30_000)
        // Where no server could be asked no block is needed; a refusal waits for the next one.
        const isSent = code === 'ERR_CHAIN_UNAVAILABLE'
        assert.equal(world.broadcasts(alice).length, isSent ? 1 : 0)
        await world.mine(2)
        assert.deepEqual(
          [world.broadcasts(alice).length, alice.channel.confirmations],
          [1, isSent ? 2 : 1]
        )
      })
    }
  })

  it('asks first when T1 would cost more than may be (ERR_FEE_TOO_HIGH), before the peer hears of it', async () => {
    const { world, alice } = await twoNodes()
    const mosts: unknown[] = []
    alice.wallet.checkFunds = (_amount, _rate, _named, mostFee) => {
      mosts.push(mostFee)
      return satoshi(CAPACITY + 1n)
    }
    const before = world.left.length
    assert.equal(
      await codeFrom(alice.engine.open({ ...REQUEST, wait: 'broadcast', mostFee: CAPACITY })),
      'ERR_FEE_TOO_HIGH'
    )
    assert.equal(world.left.length, before)
    await alice.engine.open({ ...REQUEST, wait: 'broadcast', mostFee: satoshi(CAPACITY + 1n) })
    assert.deepEqual(mosts, [CAPACITY, CAPACITY + 1n], 'other coins may cost less (FUND-6)')
  })

  it('asks the wallet for a T1 at the feerate and of the coins that were named, before the peer is asked and after', async () => {
    const { world, alice } = await twoNodes({ coin: 2_000_000n })
    const coins = alice.wallet.coins.slice(0, 1).map(({ outPoint }) => outPoint)
    const checked: unknown[] = []
    alice.wallet.checkFunds = (amount, rate, named) => {
      checked.push([amount, rate, named])
      return satoshi(0n)
    }
    await alice.engine.open({
      ...REQUEST,
      wait: 'broadcast',
      choice: { feeRate: feeRate(4_000n), coins }
    })
    assert.deepEqual(checked, [[CAPACITY, 4_000n, coins]])
    const { inputs, outputs, vsize } = parseTransaction(
      world.broadcasts(alice)[0] ?? assert.fail('T1 was not broadcast')
    )
    assert.deepEqual(
      inputs.map(({ outPoint }) => outPoint),
      coins
    )
    const fee = 2_000_000n - outputs.reduce((sum, { value }) => sum + value, 0n)
    assert.ok(
      fee >= feeFor(feeRate(4_000n), vsize - 2) && fee <= feeFor(feeRate(4_000n), vsize + 14),
      `${fee} sat for ${vsize} vB`
    )
  })

  it('opens two channels to one peer, with other keys and other coins', async () => {
    const { world, alice, bob } = await twoNodes({ coin: 2_000_000n })
    const first = await world.open(alice, bob)
    const second = await world.open(alice, bob)
    assert.notEqual(first.id, second.id)
    assert.deepEqual(
      bob.engine.channels().map(({ status }) => status),
      ['open', 'open']
    )
  })

  it('that its server refuses before it asks for the refund leaves nothing (OPEN-13)', async () => {
    const { world, alice, bob } = await twoNodes({}, { policy: { maxCapacity: satoshi(20_000n) } })
    const before = [...alice.store.snapshot().keys()]
    assert.equal(await codeFrom(alice.engine.open({ ...REQUEST, peer: 'bob' })), 'ERR_OPEN_REFUSED')
    const mallory = new RawPeer(world, 'mallory')
    const other = codeFrom(alice.engine.open({ ...REQUEST, peer: 'mallory' }))
    await quiet()
    const [stream] = mallory.incoming
    const [offer] = stream?.heard ?? []
    assert.ok(stream !== undefined && offer?.type === 'OpenChannel')
    await stream.say(mallory.acceptance(offer, { minDepth: 100 }))
    assert.equal(await other, 'ERR_TERMS_REFUSED')
    await quiet()
    assert.deepEqual(
      [[...alice.store.snapshot().keys()], alice.engine.channels(), alice.wallet.reservedFor],
      [before, [], []]
    )
    await bob.restart()
  })

  describe('is given up', () => {
    /** Nothing was spent, nothing stays reserved, nothing more is watched for. */
    async function nothingLost(world: World, alice: Node): Promise<void> {
      await quiet()
      await world.mine()
      assert.ok(alice.engine.channels().every(({ status }) => status === 'abandoned'))
      assert.deepEqual(alice.wallet.reservedFor, [])
      assert.equal(alice.life.watching, 0)
      assert.equal(alice.balance, 1_000_000n)
      assert.equal(alice.engine.inChannels(), 0n)
    }

    it('when the peer never answers the offer', async () => {
      const { world, alice } = await twoNodes()
      const mallory = new RawPeer(world, 'mallory')
      const opening = codeFrom(alice.engine.open({ ...REQUEST, peer: 'mallory' }))
      await quiet()
      await world.pass(60_000)
      assert.equal(await opening, 'ERR_OPEN_TIMEOUT')
      assert.equal(mallory.incoming[0]?.refusal?.code, 'ERR_OPEN_TIMEOUT')
      assert.equal(mallory.incoming[0].closed, true)
      await nothingLost(world, alice)
    })

    it('when the peer never signs T2: the reserved coins are free again', async () => {
      const { world, alice } = await twoNodes()
      const mallory = new RawPeer(world, 'mallory')
      const opening = codeFrom(alice.engine.open({ ...REQUEST, peer: 'mallory' }))
      await quiet()
      const [stream] = mallory.incoming
      const offer = stream?.heard[0]
      assert.ok(stream !== undefined && offer?.type === 'OpenChannel')
      const request = await stream.say(mallory.acceptance(offer))
      assert.equal(request?.type, 'RefundRequest')
      assert.equal(alice.wallet.reservedFor.length, 1)
      await world.pass(60_000)
      assert.equal(await opening, 'ERR_OPEN_TIMEOUT')
      await nothingLost(world, alice)
    })

    it('when the signature of T2 is wrong: T1 does not leave', async () => {
      const { world, alice } = await twoNodes()
      const mallory = new RawPeer(world, 'mallory')
      const opening = codeFrom(alice.engine.open({ ...REQUEST, peer: 'mallory' }))
      await quiet()
      const [stream] = mallory.incoming
      const offer = stream?.heard[0]
      assert.ok(stream !== undefined && offer?.type === 'OpenChannel')
      await stream.say(mallory.acceptance(offer))
      await stream.say({
        type: 'RefundSignature',
        signature: mallory.signer.sign(
          { role: 'server', high: 3, low: 3, use: 'channel' },
          new Uint8Array(32).fill(1)
        )
      })
      assert.equal(await opening, 'ERR_BAD_REFUND_SIGNATURE')
      assert.deepEqual(world.broadcasts(alice), [])
      assert.deepEqual(world.said(alice, 'Funding'), [])
      await nothingLost(world, alice)
    })

    for (const stage of [
      'OpenChannel',
      'AcceptChannel',
      'RefundRequest',
      'RefundSignature'
    ] as const) {
      it(`when the stream breaks as ${stage} is on its way`, async () => {
        const { world, alice, bob } = await twoNodes()
        world.cutAt(stage === 'OpenChannel' || stage === 'RefundRequest' ? alice : bob, stage)
        const opening = codeFrom(alice.engine.open(REQUEST))
        assert.equal(await opening, 'ERR_PEER_UNREACHABLE')
        await nothingLost(world, alice)
        await world.pass(60_000)
        // OPEN-9: who has signed T2 waits for T1, as long as it could still carry payments.
        if (stage === 'RefundSignature') await world.mine(REQUEST.blocks)
        assert.deepEqual(
          bob.engine.channels().filter(({ status }) => status !== 'abandoned'),
          []
        )
      })
    }

    it('when there are not enough coins: the peer hears of it, and no coin stays reserved', async () => {
      const { world, alice, bob } = await twoNodes()
      // They go between this and T1.
      alice.wallet.checkFunds = () => satoshi(0n)
      const opening = codeFrom(alice.engine.open({ ...REQUEST, capacity: satoshi(1_000_000n) }))
      assert.equal(await opening, 'ERR_INSUFFICIENT_FUNDS')
      await quiet()
      assert.deepEqual(bob.engine.channels(), [])
      await nothingLost(world, alice)
    })

    it('when the funding script cannot be watched: no coin is touched', async () => {
      const { world, alice } = await twoNodes({
        chain: (chain) => ({
          ...chain,
          get status() {
            return chain.status
          },
          get tip() {
            return chain.tip
          },
          watchScript: () => ({
            ready: Promise.reject(
              new PaychanError('ERR_ELECTRUM_REFUSED', 'too many subscriptions')
            ),
            isCurrent: false,
            stop: () => {}
          })
        })
      })
      let built = 0
      beforeFunding(alice, () => {
        built++
      })
      assert.equal(await codeFrom(alice.engine.open(REQUEST)), 'ERR_ELECTRUM_REFUSED')
      assert.equal(built, 0)
      assert.ok(alice.alarms.includes('ERR_WATCH_FAILED'))
      await nothingLost(world, alice)
    })

    it('when the watch does not stand in time', async () => {
      const { world, alice } = await twoNodes({
        chain: (chain) => ({
          ...chain,
          get status() {
            return chain.status
          },
          get tip() {
            return chain.tip
          },
          watchScript: () => ({
            ready: new Promise<void>(() => {}),
            isCurrent: false,
            stop: () => {}
          })
        })
      })
      const opening = codeFrom(alice.engine.open(REQUEST))
      await quiet()
      await world.pass(30_000)
      assert.equal(await opening, 'ERR_CHAIN_UNAVAILABLE')
      await nothingLost(world, alice)
    })

    it('when its user cancels it', async () => {
      const { world, alice } = await twoNodes()
      const mallory = new RawPeer(world, 'mallory')
      const opening = codeFrom(alice.engine.open({ ...REQUEST, peer: 'mallory' }))
      await quiet()
      assert.equal((await alice.close()).kind, 'abandoned')
      assert.equal(await opening, 'ERR_CANCELLED')
      assert.equal(mallory.incoming[0]?.refusal?.code, 'ERR_CANCELLED')
      await nothingLost(world, alice)
    })

    it('by a server whose client goes silent before it asks for the refund, after eleven minutes (OPEN-9)', async () => {
      const { world, bob } = await twoNodes()
      const mallory = new RawPeer(world, 'mallory')
      const stream = await mallory.stream('bob')
      const accept = await stream.say(mallory.offer(world.chain.height))
      assert.equal(accept?.type, 'AcceptChannel')
      // OPEN-9: a person may be paying for T1 with another wallet.
      await world.pass(659_000)
      assert.deepEqual([stream.refusal], [undefined])
      await world.pass(1_000)
      assert.equal(stream.refusal?.code, 'ERR_OPEN_TIMEOUT')
      assert.deepEqual(bob.engine.channels(), [])
    })
  })

  describe('does not begin', () => {
    it('while the chain cannot be seen', async () => {
      const { world, alice } = await twoNodes()
      alice.view.setStatus('down')
      assert.equal(await codeFrom(alice.engine.open(REQUEST)), 'ERR_CHAIN_UNAVAILABLE')
      assert.deepEqual(world.left, [])
    })

    it('to a peer that nobody knows, that is not there, or that is no peer of ours', async () => {
      const { world, alice, bob } = await twoNodes()
      world.network.peer('plain', { paychan: false })
      assert.equal(
        await codeFrom(alice.engine.open({ ...REQUEST, peer: 'nobody' })),
        'ERR_PEER_UNKNOWN'
      )
      assert.equal(
        await codeFrom(alice.engine.open({ ...REQUEST, peer: 'plain' })),
        'ERR_NO_PAYCHAN'
      )
      await world.cut(alice, bob)
      assert.equal(await codeFrom(alice.engine.open(REQUEST)), 'ERR_PEER_UNREACHABLE')
      assert.deepEqual(alice.engine.channels(), [])
    })

    it('with less than a channel holds', async () => {
      const { alice } = await twoNodes()
      assert.equal(
        await codeFrom(alice.engine.open({ ...REQUEST, capacity: satoshi(9_999n) })),
        'ERR_INVALID_AMOUNT'
      )
      assert.deepEqual(alice.engine.channels(), [])
    })

    it('on terms that the server refuses, and its caller hears why', async () => {
      const { alice, bob } = await twoNodes({}, { policy: { maxCapacity: satoshi(100_000n) } })
      await assert.rejects(alice.engine.open(REQUEST), (error: unknown) => {
        assert.ok(error instanceof PaychanError)
        assert.match(error.message, /takes channels of 10,000 sat to 100,000 sat/)
        assert.deepEqual(
          [error.code, error.facts.peerCode, error.facts.rule],
          ['ERR_OPEN_REFUSED', 'ERR_CAPACITY_REFUSED', 'OPEN-2']
        )
        return true
      })
      assert.deepEqual(bob.engine.channels(), [])
    })
  })
})

/* Ctrl-C during an opening: given up as long as T1 has not left, and too late afterwards. */

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
      assert.ok(alice.engine.channels().every(({ status }) => status === 'abandoned'))
      assert.deepEqual(bob.engine.channels(), [])
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

/** A server that stops each channel behind its T1, with a code that says that nothing was done. */
function refusingFunded(peers: Peers): Peers {
  const refusal = {
    type: 'Error',
    code: 'ERR_INSUFFICIENT_FUNDS',
    rule: '',
    text: 'no',
    fatal: true
  } as const
  return {
    self: peers.self,
    open: async (peer, listen) => await peers.open(peer, listen),
    onIncoming: (accept) =>
      peers.onIncoming((link) =>
        accept({
          peer: link.peer,
          address: link.address,
          close: () => {
            link.close()
          },
          send: (message) => {
            link.send(message)
            if (message.type === 'FundingBroadcast') link.send(refusal)
          }
        })
      )
  }
}
