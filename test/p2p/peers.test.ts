import assert from 'node:assert/strict'
import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import * as lp from 'it-length-prefixed'
import { type Message, PROTOCOL } from '../../protocols/paychan/1.0/index.js'
import '../../src/p2p/polyfill.js'
import { openStream } from '../../src/p2p/index.js'
import { codeOf } from '../../src/types/errors.js'
import { peersContract } from '../contracts/peers.js'
import {
  addressOf,
  listen,
  Recorder,
  somePeerId,
  startHost,
  startMute,
  type TestServices,
  until
} from './hosts.js'

const ack = (sequence: number): Message => ({ type: 'UpdateAck', turn: 0, sequence })

describe('peers over libp2p', () => {
  let mute: Libp2p
  let hosts: Array<Libp2p<TestServices>>
  let reported: Error[]

  before(async () => {
    mute = await startMute()
  })

  after(async () => {
    await mute.stop()
  })

  beforeEach(() => {
    hosts = []
    reported = []
  })

  afterEach(async () => {
    await Promise.all(hosts.map(async (host) => host.stop()))
  })

  async function start(
    options: { maxQueuedBytes?: number; maxInboundStreams?: number; closeTimeout?: number } = {}
  ): Promise<Libp2p<TestServices>> {
    const host = await startHost({
      closeTimeout: 500,
      dialTimeout: 5_000,
      ...options,
      onError: (error) => {
        reported.push(error)
      }
    })
    hosts.push(host)
    return host
  }

  describe('contract', () => {
    peersContract(async (options) => {
      const [alice, bob] = [await start(options), await start(options)]
      await alice.dial(multiaddr(addressOf(mute)))
      return {
        alice: alice.services.peers,
        bob: bob.services.peers,
        bobAddress: addressOf(bob),
        mute: mute.peerId.toString(),
        gone: `/ip4/127.0.0.1/tcp/1/p2p/${await somePeerId()}`,
        unknown: await somePeerId(),
        reported,
        cut: () => {
          for (const connection of alice.getConnections(bob.peerId)) {
            connection.abort(new Error('cut'))
          }
        },
        intrude: async (listener) => {
          const stream = await mute.dialProtocol(multiaddr(addressOf(bob)), PROTOCOL)
          const heard = new Recorder()
          listen(
            stream,
            Object.assign(heard, { onMessage: listener.onMessage, onClosed: listener.onClosed })
          )
          return {
            sendBytes: (bytes) => {
              stream.send(lp.encode.single(bytes))
            }
          }
        },
        stop: async () => {}
      }
    })
  })

  describe('open', () => {
    for (const [what, text, code] of [
      ['a word', 'bob', 'ERR_INVALID_PEER'],
      ['nothing', '', 'ERR_INVALID_PEER'],
      ['a path that is no multiaddr', '/ip4/300.0.0.1/tcp/1', 'ERR_INVALID_MULTIADDR'],
      ['a multiaddr that does not say who', '/ip4/127.0.0.1/tcp/1', 'ERR_INVALID_MULTIADDR'],
      [
        'a multiaddr of a PeerId that is none',
        '/ip4/127.0.0.1/tcp/1/p2p/bob',
        'ERR_INVALID_MULTIADDR'
      ]
    ] as const) {
      it(`rejects ${what}`, async () => {
        const alice = await start()
        await assert.rejects(
          alice.services.peers.open(text, () => new Recorder()),
          { code }
        )
      })
    }

    it('rejects an address where somebody else answers', async () => {
      const [alice, bob] = [await start(), await start()]
      const [address] = addressOf(bob).split('/p2p/')
      await assert.rejects(
        alice.services.peers.open(`${address}/p2p/${await somePeerId()}`, () => new Recorder()),
        { code: 'ERR_PEER_UNREACHABLE' }
      )
    })

    it('reaches back by PeerId a peer that has connected to us, also after the connection broke', async () => {
      const [alice, bob] = [await start(), await start()]
      await alice.services.peers.connect(addressOf(bob))
      const alices = new Recorder()
      alice.services.peers.onIncoming(() => alices)
      await until(() => bob.getConnections(alice.peerId).length > 0)
      const link = await bob.services.peers.open(alice.peerId.toString(), () => new Recorder())
      link.send(ack(1))
      await alices.received(1)
      const again = new Recorder()
      bob.services.peers.onIncoming(() => again)
      // Identify may still be under way; its outcome is an address in the peer store.
      await until(async () => (await alice.peerStore.get(bob.peerId)).addresses.length > 0)
      await alice.hangUp(bob.peerId)
      const second = await alice.services.peers.open(bob.peerId.toString(), () => new Recorder())
      second.send(ack(2))
      assert.deepEqual(await again.received(1), [ack(2)])
    })
  })

  describe('connect', () => {
    it('says whom it has reached, and later what that peer speaks', async () => {
      const [alice, bob] = [await start(), await start()]
      const known = await alice.services.peers.connect(addressOf(bob))
      assert.equal(known.peerId, bob.peerId.toString())
      assert.equal(known.connected, true)
      await until(async () => (await alice.services.peers.peers())[0]?.paychan !== undefined)
      const [listed] = await alice.services.peers.peers()
      assert.deepEqual(
        [listed?.paychan, listed?.connected, listed?.peerId],
        [true, true, bob.peerId.toString()]
      )
      assert.ok(listed?.multiaddrs.some((address) => addressOf(bob).startsWith(address)))
    })

    it('rejects a PeerId, which does not say where', async () => {
      const alice = await start()
      await assert.rejects(alice.services.peers.connect(await somePeerId()), {
        code: 'ERR_INVALID_MULTIADDR'
      })
    })
  })

  describe('stopping', () => {
    it('ends every link in order, and the protocol is gone', async () => {
      const [alice, bob] = [await start(), await start()]
      const bobs = new Recorder()
      bob.services.peers.onIncoming(() => bobs)
      const alices = new Recorder()
      const link = await alice.services.peers.open(addressOf(bob), () => alices)
      link.send(ack(1))
      await alice.services.peers.stop()
      await alice.services.peers.stop()
      assert.deepEqual([await alices.closed(), await bobs.closed()], [undefined, undefined])
      assert.deepEqual(bobs.messages, [ack(1)])
      await assert.rejects(
        bob.services.peers.open(addressOf(alice), () => new Recorder()),
        { code: 'ERR_NO_PAYCHAN' }
      )
      await alice.services.peers.start()
      alice.services.peers.onIncoming(() => new Recorder())
      await bob.services.peers.open(addressOf(alice), () => new Recorder())
    })
  })
})

interface WithResolvers {
  withResolvers: <T>() => {
    promise: Promise<T>
    resolve: (value: T) => void
    reject: (reason: unknown) => void
  }
}

const hasIt = (value: unknown): value is WithResolvers =>
  typeof value === 'function' && 'withResolvers' in value

describe('the streams of a new connection', () => {
  it('begin with one: a host in the middle of the handshake hangs up on more than ten', async () => {
    let shakeHands: (stream: Stream) => void = () => {}
    const handshake = new Promise<Stream>((resolve) => {
      shakeHands = resolve
    })
    let begun = 0
    const connection = {
      remotePeer: { toString: () => 'peer' },
      newStream: async () => {
        begun++
        return await handshake
      }
    } as unknown as Connection
    const options = { signal: AbortSignal.timeout(5_000), runOnLimitedConnection: false }
    const open = async (): Promise<Stream> =>
      await openStream(connection, PROTOCOL, options, ['ERR_NO_PAYCHAN', 'It does not.'])
    const streams = Array.from({ length: 20 }, open)
    await new Promise(setImmediate)
    assert.equal(begun, 1)
    const stream = {} as unknown as Stream
    shakeHands(stream)
    assert.deepEqual(new Set(await Promise.all(streams)), new Set([stream]))
    assert.equal(begun, 20)
  })

  it('go on when the first one fails', async () => {
    let begun = 0
    const stream = {} as unknown as Stream
    const connection = {
      remotePeer: { toString: () => 'peer' },
      newStream: async () => {
        if (begun++ === 0) throw new Error('It is gone.')
        return await Promise.resolve(stream)
      }
    } as unknown as Connection
    const options = { signal: AbortSignal.timeout(5_000), runOnLimitedConnection: false }
    const [first, second] = await Promise.allSettled(
      [0, 1].map(
        async () =>
          await openStream(connection, PROTOCOL, options, ['ERR_NO_PAYCHAN', 'It does not.'])
      )
    )
    assert.equal(first?.status === 'rejected' && codeOf(first.reason), 'ERR_PEER_UNREACHABLE')
    assert.deepEqual(second, { status: 'fulfilled', value: stream })
  })
})

describe('Promise.withResolvers', () => {
  it('is there, on every Node that is supported', async () => {
    assert.ok(hasIt(Promise))
    const good = Promise.withResolvers<number>()
    good.resolve(7)
    assert.equal(await good.promise, 7)
    const bad = Promise.withResolvers<number>()
    bad.reject(new Error('no'))
    await assert.rejects(bad.promise, /^Error: no$/)
  })
})
