import assert from 'node:assert/strict'
import type { Libp2p, Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import * as lp from 'it-length-prefixed'
import { MAX_MESSAGE_BYTES, PROTOCOL, encode } from '../../protocols/paychan/1.0/index.js'
import type { Message, Update } from '../../protocols/paychan/1.0/index.js'
import { codeOf } from '../../src/types/errors.js'
import {
  addressOf,
  listen,
  Recorder,
  startHost,
  startMute,
  type TestServices,
  until
} from './hosts.js'

const ack = (sequence: number): Message => ({ type: 'UpdateAck', turn: 0, sequence })

const READY = Uint8Array.of(2, 0x4a, 0)

describe('streams of peers over libp2p', () => {
  let mute: Libp2p
  let hosts: Array<Libp2p<TestServices>>

  before(async () => {
    mute = await startMute()
  })

  after(async () => {
    await mute.stop()
  })

  beforeEach(() => {
    hosts = []
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
        throw error
      }
    })
    hosts.push(host)
    return host
  }

  /** A raw stream to a host, of a peer that does as it likes. */
  async function intrude(host: Libp2p): Promise<{ stream: Stream; heard: Recorder }> {
    const stream = await mute.dialProtocol(multiaddr(addressOf(host)), PROTOCOL)
    const heard = new Recorder()
    listen(stream, heard)
    return { stream, heard }
  }

  describe('frames', () => {
    for (const [what, bytes, rule] of [
      ['an empty one', [0], 'WIRE-1'],
      ['a length spelled out too long', [0x82, 0x00, 0x4a, 0], 'WIRE-1'],
      ['a length of one byte too many', [...lengthOf(MAX_MESSAGE_BYTES + 1)], 'WIRE-2'],
      ['a length that does not end', [0xff, 0xff, 0xff], 'WIRE-2']
    ] as const) {
      it(`are refused at once: ${what} (${rule})`, async () => {
        const bob = await start()
        const bobs = new Recorder()
        bob.services.peers.onIncoming(() => bobs)
        const { stream, heard } = await intrude(bob)
        stream.send(Uint8Array.from([...READY, ...bytes]))
        const error = await bobs.closed()
        assert.equal(error instanceof Error && 'rule' in error && error.rule, rule)
        assert.deepEqual(bobs.messages, [{ type: 'ChannelReady' }])
        const [told] = await heard.received(1)
        assert.equal(told?.type === 'Error' && told.rule, rule)
      })
    }

    it('are refused when the peer ends its side inside one (WIRE-1)', async () => {
      const bob = await start()
      const bobs = new Recorder()
      bob.services.peers.onIncoming(() => bobs)
      const { stream, heard } = await intrude(bob)
      stream.send(Uint8Array.of(...READY, 9, 0x42))
      await stream.close()
      assert.equal(codeOf(await bobs.closed()), 'ERR_BAD_MESSAGE')
      const [told] = await heard.received(1)
      assert.equal(told?.type === 'Error' && told.rule, 'WIRE-1')
    })

    it('are no broken rule when the connection breaks inside one', async () => {
      const bob = await start()
      const bobs = new Recorder()
      bob.services.peers.onIncoming(() => bobs)
      const { stream } = await intrude(bob)
      stream.send(Uint8Array.of(...READY, 9, 0x42))
      await bobs.received(1)
      stream.abort(new Error('cut'))
      assert.equal(codeOf(await bobs.closed()), 'ERR_CONNECTION_LOST')
    })

    it('are read whatever the chunks they come in', async () => {
      const bob = await start()
      const bobs = new Recorder()
      bob.services.peers.onIncoming(() => bobs)
      const { stream } = await intrude(bob)
      const update: Update = {
        type: 'Update',
        turn: 0,
        sequence: 1,
        payerBalance: 5n,
        payments: [{ id: new Uint8Array(16), amount: 1n, memo: 'x' }],
        signature: new Uint8Array(64)
      }
      const bytes = lp.encode.single(encode(update)).subarray()
      for (const byte of bytes) {
        stream.send(Uint8Array.of(byte))
        await new Promise((resolve) => {
          setImmediate(resolve)
        })
      }
      assert.deepEqual(await bobs.received(1), [update])
    })

    it('of the longest Update pass', async () => {
      const [alice, bob] = [await start(), await start()]
      const bobs = new Recorder()
      bob.services.peers.onIncoming(() => bobs)
      const update: Update = {
        type: 'Update',
        turn: 0,
        sequence: 1,
        payerBalance: 5n,
        payments: Array.from({ length: 1_000 }, () => ({
          id: new Uint8Array(16),
          amount: 1n,
          memo: 'x'.repeat(128)
        })),
        signature: new Uint8Array(64)
      }
      const link = await alice.services.peers.open(addressOf(bob), () => new Recorder())
      for (let count = 0; count < 10; count++) link.send(update)
      assert.deepEqual(
        await bobs.received(10),
        Array.from({ length: 10 }, () => update)
      )
    })

    it('of one turn of the event loop share one write', async () => {
      const bob = await start()
      bob.services.peers.onIncoming((link) => {
        queueMicrotask(() => {
          for (const sequence of [1, 2, 3]) link.send(ack(sequence))
        })
        link.send(ack(0))
        return new Recorder()
      })
      const stream = await mute.dialProtocol(multiaddr(addressOf(bob)), PROTOCOL)
      const first = await new Promise<number>((resolve) => {
        stream.addEventListener('message', (event) => {
          resolve(event.data.byteLength)
        })
      })
      // 4 acks: 1 length + 2 header + 0 or 2 bytes of sequence = 3 + 5 + 5 + 5.
      assert.equal(first, 18)
      stream.abort(new Error('done'))
    })
  })

  describe('a hostile peer', () => {
    it('has only so many streams, and is told the rule for more', async () => {
      const bob = await start({ maxInboundStreams: 2 })
      const accepted: Recorder[] = []
      bob.services.peers.onIncoming(() => {
        const listener = new Recorder()
        accepted.push(listener)
        return listener
      })
      const first = await intrude(bob)
      await intrude(bob)
      const third = await intrude(bob)
      const [told] = await third.heard.received(1)
      assert.deepEqual(told?.type === 'Error' && [told.code, told.rule], [
        'ERR_TOO_MANY_STREAMS',
        'WIRE-9'
      ])
      assert.equal(accepted.length, 2)
      first.stream.abort(new Error('done'))
      await third.stream.close()
      const inbound = (): number =>
        bob
          .getConnections(mute.peerId)
          .flatMap(({ streams }) => streams)
          .filter(({ protocol }) => protocol === PROTOCOL).length
      await until(() => inbound() === 1)
      const { stream } = await intrude(bob)
      stream.send(READY)
      await until(() => accepted.length === 3)
      assert.deepEqual(await accepted[2]?.received(1), [{ type: 'ChannelReady' }])
    })

    it('that does not close its side is reset', async () => {
      const bob = await start({ closeTimeout: 20 })
      const accepted = new Promise<{ close: () => void }>((resolve) => {
        bob.services.peers.onIncoming((link) => {
          resolve(link)
          return new Recorder()
        })
      })
      const { stream, heard } = await intrude(bob)
      const link = await accepted
      const reset = new Promise<void>((resolve) => {
        stream.addEventListener('close', () => {
          resolve()
        })
      })
      link.close()
      await heard.closed()
      await reset
      assert.equal(stream.status, 'reset')
    })

    it('that pours data into a busy reader is held back, and loses nothing', async () => {
      const [alice, bob] = [await start({ maxQueuedBytes: 100_000_000 }), await start()]
      let release = (): void => {}
      const busy = new Promise<void>((resolve) => {
        release = resolve
      })
      const bobs = new Recorder()
      bob.services.peers.onIncoming(() => ({
        onMessage: (message) => {
          void bobs.onMessage(message)
          return bobs.messages.length === 1 ? busy : undefined
        },
        onClosed: bobs.onClosed
      }))
      const link = await alice.services.peers.open(addressOf(bob), () => new Recorder())
      const update: Update = {
        type: 'Update',
        turn: 0,
        sequence: 1,
        payerBalance: 5n,
        payments: Array.from({ length: 1_000 }, () => ({
          id: new Uint8Array(16),
          amount: 1n,
          memo: 'x'.repeat(128)
        })),
        signature: new Uint8Array(64)
      }
      for (let count = 0; count < 60; count++) link.send(update)
      await bobs.received(1)
      const [connection] = alice.getConnections(bob.peerId)
      const stream = connection?.streams.find(({ protocol }) => protocol === PROTOCOL)
      assert.ok(stream !== undefined)
      // 60 x 154 kB = 9 MB were sent: most of it waits on alice's side, however long bob is busy.
      await until(() => stream.writeBufferLength > 4_000_000)
      assert.equal(bobs.messages.length, 1)
      release()
      await bobs.received(60)
      assert.deepEqual(bobs.endings, [])
    })
  })
})

/** A length as an unsigned varint. */
function lengthOf(value: number): Uint8Array {
  return Uint8Array.of((value & 0x7f) | 0x80, ((value >> 7) & 0x7f) | 0x80, value >> 14)
}
