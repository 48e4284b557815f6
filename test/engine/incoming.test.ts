import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import { unsignedRefund } from '../../src/bitcoin/refund.js'
import { refundTemplateOf } from '../../src/channel/opening-client.js'
import { termsOf } from '../../src/channel/opening-terms.js'
import { fromHex, txid, type OutPoint } from '../../src/types/bytes.js'
import { toHex } from '../../src/types/bytes.js'
import { satoshi } from '../../src/types/units.js'
import { idOf, RawPeer, type RawStream, Stranger } from './raw-peer.js'
import { reestablishOf } from '../protocols/reestablish.js'
import { CAPACITY, quiet, twoNodes } from './world.js'

describe('engine / streams that peers open', () => {
  it('are ended when the first message is neither OpenChannel nor Reestablish (WIRE-8)', async () => {
    const { world, bob } = await twoNodes()
    const stream = await new RawPeer(world, 'mallory').stream('bob')
    await stream.say({ type: 'ChannelReady' })
    assert.deepEqual(
      [stream.refusal?.code, stream.refusal?.rule, stream.closed],
      ['ERR_UNEXPECTED_MESSAGE', 'ERR-2', true]
    )
    assert.deepEqual(bob.engine.channels(), [])
  })

  it('are ended when nothing is said on them, and not before', async () => {
    const { world } = await twoNodes()
    const stream = await new RawPeer(world, 'mallory').stream('bob')
    await world.pass(29_999)
    assert.equal(stream.closed, false)
    await world.pass(1)
    assert.deepEqual([stream.refusal?.code, stream.closed], ['ERR_TIMEOUT', true])
  })

  it('stay, however long the peer is silent after its first message (WIRE-10)', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await world.pass(600_000)
    assert.deepEqual([alice.channel.status, bob.channel.status], ['open', 'open'])
  })

  it('are held back while what they sent waits for the disk: a peer cannot fill the memory', async () => {
    const { world, bob } = await twoNodes()
    const mallory = new RawPeer(world, 'mallory')
    const stream = await mallory.stream('bob')
    bob.life.holdDisk()
    await stream.say(
      mallory.offer(world.chain.height),
      ...Array.from({ length: 1_000 }, () => ({ type: 'ChannelReady' }) as const)
    )
    assert.ok(bob.life.heard < 50, `${bob.life.heard} messages were taken`)
    bob.life.releaseDisk()
    await quiet()
    assert.deepEqual([stream.refusal?.code, stream.closed], ['ERR_UNEXPECTED_MESSAGE', true])
  })

  describe('Reestablish', () => {
    const reestablish = (
      id: string,
      derivation: Uint8Array = new Uint8Array(8)
    ): Parameters<RawStream['say']>[0] => reestablishOf({ channelId: fromHex(id), derivation })

    it('of a channel that does not exist is refused', async () => {
      const { world } = await twoNodes()
      const stream = await new RawPeer(world, 'mallory').stream('bob')
      await stream.say(reestablish('ab'.repeat(32)))
      assert.deepEqual([stream.refusal?.code, stream.closed], ['ERR_UNKNOWN_CHANNEL', true])
    })

    it('by another PeerId is refused in the same words, and the channel goes on (ID-2)', async () => {
      const { world, alice, bob } = await twoNodes()
      const { id } = await world.open(alice, bob)
      const accept = world.said(bob, 'AcceptChannel')[0]
      assert.ok(accept?.type === 'AcceptChannel')
      const mallory = new RawPeer(world, 'mallory')
      const [known, unknown] = [await mallory.stream('bob'), await mallory.stream('bob')]
      await known.say(reestablish(id, accept.derivation))
      await unknown.say(reestablish('ab'.repeat(32)))
      assert.equal(known.refusal?.code, 'ERR_UNKNOWN_CHANNEL')
      assert.equal(known.refusal.text, unknown.refusal?.text)
      await alice.pay(1_000n)
      assert.equal(bob.channel.ourBalance, 1_000n)
    })

    it('of an opening that was given up is refused', async () => {
      const { world } = await twoNodes()
      const mallory = new RawPeer(world, 'mallory')
      const [first, second] = [await mallory.stream('bob'), await mallory.stream('bob')]
      const offer = mallory.offer(world.chain.height)
      await first.say(offer)
      first.hangUp()
      await quiet()
      await second.say(reestablish(idOf(offer)))
      assert.equal(second.refusal?.code, 'ERR_UNKNOWN_CHANNEL')
    })
  })

  describe('OpenChannel', () => {
    it('more than OPEN-7 allows, in one burst, are refused; the others go on', async () => {
      const { world, bob } = await twoNodes()
      const mallory = new RawPeer(world, 'mallory')
      const streams = await Promise.all(
        Array.from({ length: 7 }, async () => await mallory.stream('bob'))
      )
      // All in one turn, before bob has drawn a single key.
      for (const stream of streams) void stream.say(mallory.offer(world.chain.height))
      await quiet()
      assert.deepEqual(
        streams.map((stream) => stream.heard[0]?.type),
        [
          'AcceptChannel',
          'AcceptChannel',
          'AcceptChannel',
          'AcceptChannel',
          'Error',
          'Error',
          'Error'
        ]
      )
      assert.deepEqual(
        streams.slice(4).map((stream) => stream.refusal?.rule),
        ['OPEN-7', 'OPEN-7', 'OPEN-7']
      )
      assert.equal(bob.engine.channels().length, 4)
    })

    it('of one peer do not count against another, and ended ones do not count', async () => {
      const { world, alice, bob } = await twoNodes()
      const mallory = new RawPeer(world, 'mallory')
      const streams = await Promise.all(
        Array.from({ length: 4 }, async () => await mallory.stream('bob'))
      )
      for (const stream of streams) await stream.say(mallory.offer(world.chain.height))
      assert.equal((await world.open(alice, bob)).status, 'open')
      streams[0]?.hangUp()
      await quiet()
      const another = await mallory.stream('bob')
      assert.equal((await another.say(mallory.offer(world.chain.height)))?.type, 'AcceptChannel')
    })

    it('that comes to nothing uses up no address: its script is named to the next', async () => {
      const { world } = await twoNodes()
      const mallory = new RawPeer(world, 'mallory')
      const scripts = new Set<string>()
      for (let i = 0; i < 10; i++) {
        const stream = await mallory.stream('bob')
        const accept = await stream.say(mallory.offer(world.chain.height))
        assert.ok(accept?.type === 'AcceptChannel')
        scripts.add(toHex(accept.closeScript))
        stream.hangUp()
        await quiet()
      }
      assert.equal(scripts.size, 1)
    })

    it('with one K1 on two streams at once: one is refused', async () => {
      const { world, bob } = await twoNodes()
      const mallory = new RawPeer(world, 'mallory')
      const [one, other] = [await mallory.stream('bob'), await mallory.stream('bob')]
      const offer = mallory.offer(world.chain.height)
      void one.say(offer)
      await other.say(offer)
      assert.equal(one.heard[0]?.type, 'AcceptChannel')
      assert.deepEqual([other.refusal?.code, other.refusal?.rule], ['ERR_KEY_REUSED', 'KEY-3'])
      assert.equal(bob.engine.channels().length, 1)
    })

    it('with one K1 on two streams, again and again, uses up no addresses either', async () => {
      const { world, bob } = await twoNodes()
      const mallory = new RawPeer(world, 'mallory')
      const before = bob.wallet.scriptsDrawn
      for (let i = 0; i < 6; i++) {
        const [one, other] = [await mallory.stream('bob'), await mallory.stream('bob')]
        const offer = mallory.offer(world.chain.height)
        void one.say(offer)
        await other.say(offer)
        one.hangUp()
        await quiet()
      }
      assert.equal(bob.wallet.scriptsDrawn - before, 2, 'one for each of two streams at once')
    })

    it('with the K1 of a channel whose T2 was signed is refused, also when it was given up, and after a restart', async () => {
      const { world, bob } = await twoNodes()
      const { offer } = await Stranger.withRefund(world, 'mallory')
      await world.mine(200)
      assert.deepEqual(bob.engine.channels(), [])
      for (let starts = 0; starts < 2; starts++) {
        const again = await new RawPeer(world, `again ${starts}`).stream('bob')
        await again.say({ ...offer, refundHeight: world.chain.height + 60 })
        assert.equal(again.refusal?.rule, 'KEY-3')
        await bob.restart()
      }
    })

    it('that come to nothing before T2 leave nothing behind, neither on disk nor in memory', async () => {
      const { world, bob } = await twoNodes()
      const before = bob.store.snapshot().size
      const { offer, stream } = await Stranger.asks(world, 'mallory')
      assert.equal(bob.store.snapshot().size, before + 1)
      stream.hangUp()
      await quiet()
      assert.deepEqual([bob.store.snapshot().size, bob.engine.channels()], [before, []])
      const again = await new RawPeer(world, 'again').stream('bob')
      assert.equal((await again.say(offer))?.type, 'AcceptChannel')
    })

    it('that come to nothing after T2 leave about a hundred bytes', async () => {
      const { world, bob } = await twoNodes()
      const before = new Set(bob.store.snapshot().keys())
      for (let n = 0; n < 10; n++) await Stranger.withRefund(world, `stranger ${n}`)
      await world.mine(200)
      const left = [...bob.store.snapshot()].filter(
        ([key]) => !before.has(key) && !key.startsWith('fees/')
      )
      assert.equal(left.length, 10)
      for (const [key, value] of left) {
        assert.ok(
          key.startsWith('known/') && key.length + value.length <= 100,
          `${key}: ${key.length + value.length} bytes`
        )
      }
      assert.deepEqual(bob.engine.channels(), [])
    })

    it('with a key of the server itself is refused', async () => {
      const { world, alice, bob } = await twoNodes()
      await world.open(alice, bob)
      const accept = world.said(bob, 'AcceptChannel')[0]
      assert.ok(accept?.type === 'AcceptChannel')
      const mallory = new RawPeer(world, 'mallory')
      const stream = await mallory.stream('bob')
      await stream.say(mallory.offer(world.chain.height, { channelKey: accept.channelKey }))
      assert.equal(stream.refusal?.rule, 'KEY-3')
    })

    it('before the server has seen the chain is refused', async () => {
      const { world, bob } = await twoNodes()
      const mallory = new RawPeer(world, 'mallory')
      bob.view.setStatus('connecting')
      const stream = await mallory.stream('bob')
      await stream.say(mallory.offer(world.chain.height))
      assert.equal(stream.refusal?.code, 'ERR_CHAIN_UNAVAILABLE')
    })
  })

  describe('RefundRequest (REF-2)', () => {
    const outPoint: OutPoint = { txid: txid('12'.repeat(32)), vout: 0 }

    /** Gets a channel accepted, and returns the T2 to ask a signature for. */
    async function upToRefund(
      mallory: RawPeer,
      height: number,
      vout = outPoint.vout
    ): Promise<{ stream: RawStream; refundTx: Uint8Array }> {
      const stream = await mallory.stream('bob')
      const offer = mallory.offer(height)
      const accept = await stream.say(offer)
      assert.ok(accept?.type === 'AcceptChannel')
      const terms = termsOf(offer, accept)
      return {
        stream,
        refundTx: unsignedRefund(refundTemplateOf(terms, { ...outPoint, vout }), {
          script: offer.closeScript,
          value: satoshi(CAPACITY - 1_000n)
        })
      }
    }

    it('for one outpoint in two channels at once: one is refused', async () => {
      const { world } = await twoNodes()
      const mallory = new RawPeer(world, 'mallory')
      const one = await upToRefund(mallory, world.chain.height)
      const other = await upToRefund(mallory, world.chain.height)
      assert.equal(Transaction.fromBuffer(one.refundTx).ins.length, 1)
      void one.stream.say({ type: 'RefundRequest', refundTx: one.refundTx })
      await other.stream.say({ type: 'RefundRequest', refundTx: other.refundTx })
      assert.equal(one.stream.heard.at(-1)?.type, 'RefundSignature')
      assert.deepEqual(
        [other.stream.refusal?.code, other.stream.refusal?.rule],
        ['ERR_OUTPOINT_REUSED', 'REF-2']
      )
    })

    it('leaves a channel that waits for its funding; more of these than OPEN-7 allows are not opened', async () => {
      const { world } = await twoNodes({}, { policy: { maxUnfunded: 4 } })
      const mallory = new RawPeer(world, 'mallory')
      for (let vout = 0; vout < 4; vout++) {
        const { stream, refundTx } = await upToRefund(mallory, world.chain.height, vout)
        assert.equal(
          (await stream.say({ type: 'RefundRequest', refundTx }))?.type,
          'RefundSignature'
        )
      }
      const fifth = await mallory.stream('bob')
      await fifth.say(mallory.offer(world.chain.height))
      assert.deepEqual(
        [fifth.refusal?.code, fifth.refusal?.rule],
        ['ERR_TOO_MANY_OPENINGS', 'OPEN-7']
      )
    })

    it('for the outpoint of a channel that was given up is refused, also after a restart', async () => {
      const { world, bob } = await twoNodes()
      const mallory = new RawPeer(world, 'mallory')
      const one = await upToRefund(mallory, world.chain.height)
      await one.stream.say({ type: 'RefundRequest', refundTx: one.refundTx })
      await world.pass(60_000)
      assert.equal(one.stream.heard.at(-1)?.type, 'RefundSignature', 'T1 may still come')
      await world.mine(200)
      assert.equal(one.stream.refusal?.code, 'ERR_OPEN_TIMEOUT')
      await bob.restart()
      const other = await upToRefund(mallory, world.chain.height)
      await other.stream.say({ type: 'RefundRequest', refundTx: other.refundTx })
      assert.equal(other.stream.refusal?.rule, 'REF-2')
    })
  })
})
