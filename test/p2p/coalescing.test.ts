import assert from 'node:assert/strict'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { Logger, MessageStream, Stream, StreamMuxer } from '@libp2p/interface'
import { AbstractMessageStream } from '@libp2p/utils'
import { Uint8ArrayList } from 'uint8arraylist'
import { atEndOfTurn } from '../../src/p2p/stream-link.js'
import { coalescing, rarelyUpdating, sendTogether } from '../../src/p2p/coalescing.js'
import '../../src/p2p/polyfill.js'
import { until } from './hosts.js'

const log: Logger = Object.assign(() => {}, {
  error: () => {},
  trace: () => {},
  enabled: false,
  newScope: () => log
})

/** One end of a connection; the other one has what it sends with the next turn. */
class End extends AbstractMessageStream {
  other: End | undefined
  readonly sent: Uint8Array[] = []
  readonly parts: number[] = []

  override send(data: Uint8Array | Uint8ArrayList): boolean {
    const taken = super.send(data)
    this.sent.push(data.slice())
    return taken
  }

  sendData(data: Uint8ArrayList): { sentBytes: number; canSendMore: boolean } {
    this.parts.push([...data].length)
    const [copy, sentBytes] = [data.slice(), data.byteLength]
    setImmediate(() => this.other?.onData(copy))
    return { sentBytes, canSendMore: true }
  }

  sendReset(): void {
    setImmediate(() => this.other?.onRemoteReset())
  }

  async close(): Promise<void> {
    this.onTransportClosed()
  }

  sendPause(): void {}
  sendResume(): void {}
}

/** A connection, and the pieces that are sent on it. */
function connection(): { sent: Uint8Array[]; ours: End; theirs: End } {
  const [ours, theirs] = [
    new End({ log, direction: 'outbound' }),
    new End({ log, direction: 'inbound' })
  ]
  ours.other = theirs
  theirs.other = ours
  return { sent: ours.sent, ours, theirs }
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

describe('p2p / what one connection sends', () => {
  it('in one turn goes out together, in its order, and what comes later by itself', async () => {
    const { sent, ours } = connection()
    sendTogether(ours)
    ours.send(bytes(1))
    ours.send(new Uint8ArrayList(bytes(2), bytes(3)))
    assert.deepEqual(sent, [])
    await Promise.resolve()
    ours.send(bytes(4))
    await Promise.resolve()
    assert.deepEqual(sent, [bytes(1, 2, 3), bytes(4)])
  })

  it('goes out at once when there is as much as a frame takes, and nothing twice', async () => {
    const { sent, ours } = connection()
    sendTogether(ours)
    const most = new Uint8Array(65_519)
    for (const data of [bytes(1), most, bytes(2)]) ours.send(data)
    assert.deepEqual(
      sent.map(({ length }) => length),
      [65_520]
    )
    await Promise.resolve()
    await Promise.resolve()
    assert.deepEqual(
      sent.map(({ length }) => length),
      [65_520, 1]
    )
  })

  it('goes out before the connection closes, or breaks off', async () => {
    for (const end of ['close', 'abort'] as const) {
      const { sent, ours } = connection()
      sendTogether(ours)
      ours.send(bytes(1))
      if (end === 'close') await ours.close()
      else ours.abort(new Error('broken off'))
      assert.deepEqual(sent, [bytes(1)])
      assert.throws(() => ours.send(bytes(2)))
    }
  })

  it('is dropped when the connection has ended by itself', async () => {
    const { sent, ours } = connection()
    sendTogether(ours)
    ours.send(bytes(1))
    ours.onRemoteReset()
    await Promise.resolve()
    assert.deepEqual([sent, ours.status], [[], 'reset'])
  })

  it('says whether the connection takes more, as it did before', () => {
    const { ours } = connection()
    sendTogether(ours)
    assert.equal(ours.send(bytes(1)), true)
    ours.writableNeedsDrain = true
    assert.equal(ours.send(bytes(2)), false)
  })

  it('that cannot be sent ends the connection, not the process', async () => {
    const { ours } = connection()
    ours.send = () => {
      throw new Error('no buffer')
    }
    sendTogether(ours)
    ours.send(bytes(1))
    await Promise.resolve()
    assert.equal(ours.status, 'aborted')
  })

  it('is one part for TCP, which writes each part by itself, and together once it is secured', async () => {
    const raw = connection()
    const secured = connection()
    const secure = async (stream: MessageStream): Promise<never> => {
      stream.send(new Uint8ArrayList(bytes(1), bytes(2)))
      return { connection: secured.ours } as never
    }
    const encryption = coalescing(() => ({
      protocol: '/any',
      secureInbound: secure,
      secureOutbound: secure
    }))(undefined)
    const { connection: made } = await encryption.secureOutbound(raw.ours)
    assert.deepEqual([raw.sent, raw.ours.parts], [[bytes(1, 2)], [1]])
    for (const n of [1, 2]) made.send(bytes(n))
    await Promise.resolve()
    assert.deepEqual(secured.sent, [bytes(1, 2)])
  })
})

describe('p2p / the end of a turn', () => {
  it('comes once for all who wait for it, and again for who asks there', async () => {
    const told: string[] = []
    const done = new Promise<void>((resolve) => {
      atEndOfTurn(() => {
        told.push('first')
        atEndOfTurn(() => {
          told.push('next turn')
          resolve()
        })
        queueMicrotask(() => told.push('after all of this turn'))
      })
      atEndOfTurn(() => told.push('second'))
    })
    await done
    assert.deepEqual(told, ['first', 'second', 'after all of this turn', 'next turn'])
  })
})

/** Type 1 of a frame of yamux, whose header is version, type, flags (2), stream (4), length (4). */
const WINDOW_UPDATE = 1
const WINDOW_BYTES = 262_144

describe('p2p / room that a stream is told of', () => {
  /** A stream between two muxers, what arrives on it, and the updates of its window. */
  async function stream(): Promise<{
    ours: Stream
    read: () => number
    updates: () => number
    muxers: StreamMuxer[]
  }> {
    const { sent, ours: theirs, theirs: ours } = connection()
    const factory = rarelyUpdating(yamux({ enableKeepAlive: false }))()
    const muxers = [factory.createStreamMuxer(ours), factory.createStreamMuxer(theirs)]
    let received = 0
    muxers[1]?.addEventListener('stream', ({ detail }) => {
      detail.addEventListener('message', ({ data }) => {
        received += data.byteLength
      })
    })
    const stream = await muxers[0]?.createStream()
    assert.ok(stream !== undefined)
    return {
      ours: stream,
      read: () => received,
      updates: () => sent.filter((frame) => frame[1] === WINDOW_UPDATE).length,
      muxers
    }
  }

  it('is not told behind every frame, but after half of a window', async () => {
    const { ours, read, updates } = await stream()
    // With the first one the stream is accepted.
    ours.send(new Uint8Array(1_000))
    await until(() => read() === 1_000)
    const before = updates()
    for (let sum = 1_000; sum < WINDOW_BYTES / 2 - 1_000; sum += 1_000) {
      ours.send(new Uint8Array(1_000))
      await until(() => read() === sum + 1_000)
    }
    assert.equal(updates(), before)
    ours.send(new Uint8Array(3_000))
    await until(() => read() > WINDOW_BYTES / 2)
    assert.equal(updates(), before + 1)
  })

  it('is enough for any amount', async () => {
    const { ours, read } = await stream()
    const all = 20 * WINDOW_BYTES
    ours.send(new Uint8Array(all))
    await until(() => read() === all)
  })

  it('is as it was in a muxer that is another', () => {
    const other = { protocol: '/other', createStreamMuxer: () => ({}) as StreamMuxer }
    const factory = rarelyUpdating(() => other)()
    assert.deepEqual(
      [factory.protocol, factory.createStreamMuxer(connection().ours)],
      ['/other', {}]
    )
  })
})
