/**
 * What the connections of our own host save, around the packages that make them. A libp2p frame and
 * a write to a socket cost 20 to 90 microseconds each, whatever they carry, and a payment takes as
 * many of them as these packages make:
 *
 * - what is sent within one turn goes out in one frame of Noise, over all streams of a connection;
 * - a frame and the length in front of it are one write to the socket, not two;
 * - a stream tells the other side of new room once half of its window is used, not after each frame.
 *
 * Peers notice nothing, and a host without this module does the same with more frames.
 */
import {
  type ConnectionEncrypter,
  type MessageStream,
  type SecureConnectionOptions,
  type SecuredConnection,
  serviceCapabilities,
  type Stream,
  type StreamMuxer,
  type StreamMuxerFactory
} from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'
import { asError } from './guarded-listener.js'

/** Noise takes 65,519 bytes at once: there is nothing to be saved beyond that. */
const MOST_TOGETHER_BYTES = 65_519

/**
 * The same encryption, with fewer frames and writes.
 *
 * @example
 * const connectionEncrypters = [coalescing(noise())]
 */
export function coalescing<Components, Extension>(
  encryption: (components: Components) => ConnectionEncrypter<Extension>
): (components: Components) => ConnectionEncrypter<Extension> {
  return (components) => new Coalescing(encryption(components))
}

class Coalescing<Extension> implements ConnectionEncrypter<Extension> {
  readonly [serviceCapabilities] = ['@libp2p/connection-encryption']
  readonly protocol: string
  readonly #inner: ConnectionEncrypter<Extension>

  constructor(inner: ConnectionEncrypter<Extension>) {
    this.#inner = inner
    this.protocol = inner.protocol
  }

  async secureInbound(
    connection: MessageStream,
    options?: SecureConnectionOptions
  ): Promise<SecuredConnection<Extension>> {
    sendInOneWrite(connection)
    return together(await this.#inner.secureInbound(connection, options))
  }

  async secureOutbound(
    connection: MessageStream,
    options?: SecureConnectionOptions
  ): Promise<SecuredConnection<Extension>> {
    sendInOneWrite(connection)
    return together(await this.#inner.secureOutbound(connection, options))
  }
}

/** TCP writes each part of a list by itself: here a list arrives as one part. */
function sendInOneWrite(connection: MessageStream): void {
  const send = connection.send.bind(connection)
  connection.send = (data) => send(data.subarray())
}

function together<Extension>(secured: SecuredConnection<Extension>): SecuredConnection<Extension> {
  sendTogether(secured.connection)
  return secured
}

/**
 * Sends what comes within one turn of the microtask queue in one go. Whoever sends hears as before
 * whether the connection takes more, and nothing is left behind when it ends.
 */
export function sendTogether(connection: MessageStream): void {
  const send = connection.send.bind(connection)
  const close = connection.close.bind(connection)
  const abort = connection.abort.bind(connection)
  let waiting = new Uint8ArrayList()
  const flush = (): void => {
    if (waiting.byteLength === 0) return
    const bytes = waiting
    waiting = new Uint8ArrayList()
    // One that has ended meanwhile has told so by its event.
    if (connection.status !== 'open') return
    try {
      send(bytes)
    } catch (error) {
      abort(asError(error))
    }
  }
  connection.send = (data) => {
    // It throws what it always throws.
    if (connection.status !== 'open') return send(data)
    const isFirst = waiting.byteLength === 0
    waiting.append(data)
    if (waiting.byteLength >= MOST_TOGETHER_BYTES) flush()
    else if (isFirst) queueMicrotask(flush)
    return !connection.writableNeedsDrain
  }
  connection.close = async (options) => {
    flush()
    await close(options)
  }
  connection.abort = (error) => {
    flush()
    abort(error)
  }
}

/** A stream of yamux 8, as far as it says what the other side may still send. */
interface YamuxStream extends Stream {
  /** 3 while it is established: it has no flag to send, and is not paused. */
  readonly state: number
  /** Bytes that the other side may send at once, and those of them that it has left. */
  readonly recvWindow: number
  readonly recvWindowCapacity: number
  sendWindowUpdate: () => void
}

const ESTABLISHED = 3

function isYamuxStream(stream: object): stream is YamuxStream {
  return (
    'sendWindowUpdate' in stream &&
    typeof stream.sendWindowUpdate === 'function' &&
    ['state', 'recvWindow', 'recvWindowCapacity'].every(
      (name) => typeof Reflect.get(stream, name) === 'number'
    )
  )
}

/** A muxer of @libp2p/utils, which calls these for each of its streams. */
interface Hooks {
  onCreateStream: (...args: unknown[]) => Stream | Promise<Stream>
  onRemoteStream: (stream: Stream) => void
}

function hasHooks(muxer: object): muxer is Hooks {
  return ['onCreateStream', 'onRemoteStream'].every(
    (name) => typeof Reflect.get(muxer, name) === 'function'
  )
}

/**
 * The same multiplexing, with a window update after half of a window. What is not yamux 8 is left
 * as it is.
 *
 * @example
 * const streamMuxers = [rarelyUpdating(yamux())]
 */
export function rarelyUpdating(
  multiplexing: () => StreamMuxerFactory
): () => StreamMuxerFactory & { readonly [serviceCapabilities]: string[] } {
  return () => {
    const inner = multiplexing()
    return {
      [serviceCapabilities]: ['@libp2p/stream-multiplexing'],
      protocol: inner.protocol,
      createStreamMuxer: (connection: MessageStream): StreamMuxer => {
        const muxer = inner.createStreamMuxer(connection)
        if (hasHooks(muxer)) updateRarely(muxer)
        return muxer
      }
    }
  }
}

function updateRarely(muxer: Hooks): void {
  const onCreateStream = muxer.onCreateStream.bind(muxer)
  const onRemoteStream = muxer.onRemoteStream.bind(muxer)
  muxer.onCreateStream = (...args) => {
    const stream = onCreateStream(...args)
    if (isYamuxStream(stream)) updateAtHalf(stream)
    return stream
  }
  muxer.onRemoteStream = (stream) => {
    if (isYamuxStream(stream)) updateAtHalf(stream)
    onRemoteStream(stream)
  }
}

/**
 * The other side never waits for it: what is left of the window is more than half of it, and at
 * half it hears of the rest.
 */
function updateAtHalf(stream: YamuxStream): void {
  const update = stream.sendWindowUpdate.bind(stream)
  stream.sendWindowUpdate = () => {
    if (stream.state === ESTABLISHED && stream.recvWindowCapacity * 2 > stream.recvWindow) return
    update()
  }
}
