/**
 * One `/paychan/1.0` stream as a `Link`: frames in, frames out, and every way in which it can end.
 */
import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import * as lp from 'it-length-prefixed'
import type { LengthDecoderFunction } from 'it-length-prefixed'
import { pipe } from 'it-pipe'
import { Uint8ArrayList } from 'uint8arraylist'
import {
  decode,
  encode,
  MAX_MESSAGE_BYTES,
  type Message,
  ProtocolError
} from '../../protocols/paychan/1.0/index.js'
import { inBackground, type Link, type LinkListener, type OnError } from '../engine/ports.js'
import { PaychanError } from '../types/errors.js'
import { asError, GuardedListener, outgoing, streamError } from './guarded-listener.js'

/**
 * The end of a turn of the event loop. What is to be done there is done in one callback: what the
 * streams of a connection then send shares a frame.
 */
let due: Array<() => void> = []

/** Calls `act`, which does not throw, at the end of this turn. */
export function atEndOfTurn(act: () => void): void {
  if (due.push(act) === 1) setImmediate(run)
}

function run(): void {
  const acts = due
  due = []
  for (const act of acts) act()
}

export interface LinkOptions {
  /** Bytes that may wait for a peer that does not read; past it the link is closed. */
  readonly maxQueuedBytes: number
  /**
   * Milliseconds that the peer has to close its side after we have closed ours; then the stream is
   * reset.
   */
  readonly closeTimeout: number
  readonly onError: OnError
}

export class StreamLink implements Link {
  readonly peer: string
  readonly address: string | undefined
  /** Resolves once everything is flushed and the stream is gone. */
  readonly gone: Promise<void>
  readonly #stream: Stream
  readonly #options: LinkOptions
  readonly #source: StreamSource
  #listener: GuardedListener | undefined
  #outbox = new Uint8ArrayList()
  #flushing = false
  #open = true

  constructor(
    stream: Stream,
    remote: { readonly peer: string; readonly address: string | undefined },
    options: LinkOptions
  ) {
    this.peer = remote.peer
    this.address = remote.address
    this.#stream = stream
    this.#options = options
    this.#source = new StreamSource(stream)
    this.gone = new Promise((resolve) => {
      if (stream.status !== 'open') resolve()
      else {
        stream.addEventListener('close', () => {
          resolve()
        })
      }
    })
  }

  /** Starts to deliver. Messages sent at once by `listener` go out before anything is delivered. */
  start(listener: LinkListener): void {
    const guarded = new GuardedListener(listener, this.#options.onError)
    this.#listener = guarded
    inBackground(() => this.#read(guarded), this.#options.onError)
  }

  send(message: Message): void {
    if (!this.#open) return
    this.#outbox.append(toFrame(outgoing(message)))
    const queuedBytes = this.#outbox.byteLength + this.#stream.writeBufferLength
    if (queuedBytes > this.#options.maxQueuedBytes) {
      // WIRE-11
      this.#abort(
        new PaychanError(
          'ERR_PEER_TOO_SLOW',
          `The peer does not read: ${queuedBytes} bytes wait for it.`,
          { peer: this.peer, queuedBytes }
        )
      )
      return
    }
    if (this.#flushing) return
    this.#flushing = true
    // A libp2p frame costs 70 to 90 microseconds: everything of one turn of the event loop shares
    // one.
    atEndOfTurn(() => {
      this.#flushing = false
      if (this.#open) this.#flush()
    })
  }

  close(): void {
    if (!this.#open) return
    this.#finish()
    queueMicrotask(() => this.#listener?.closed(undefined))
  }

  /** Ends the stream with a word to the peer. */
  refuse(code: string, rule: string, text: string): void {
    if (!this.#open) return
    this.send(streamError(code, rule, text))
    this.close()
  }

  /** Ends the stream at once; unsent messages are dropped. */
  #abort(error: Error): void {
    if (!this.#open) return
    this.#open = false
    this.#source.discard()
    this.#outbox = new Uint8ArrayList()
    this.#stream.abort(error)
    queueMicrotask(() => this.#listener?.closed(error))
  }

  async #read(listener: GuardedListener): Promise<void> {
    try {
      await pipe(this.#source, fromFrames, async (frames) => {
        for await (const frame of frames) {
          if (!this.#open) return
          const busy = listener.message(decode(frame.subarray()))
          if (busy !== undefined) await busy
        }
      })
      this.#onEnded(listener, undefined)
    } catch (thrown) {
      this.#onEnded(listener, this.#readError(thrown))
    }
  }

  /** Bytes that stop inside a frame break a rule only if it was the peer who stopped. */
  #readError(thrown: unknown): Error {
    if (!isCutShort(thrown)) return asError(thrown)
    if (this.#source.endedInOrder) {
      return new ProtocolError('WIRE-1', 'The stream ended inside a message.', { cause: thrown })
    }
    return new PaychanError(
      'ERR_CONNECTION_LOST',
      'The connection to the peer broke inside a message.',
      { peer: this.peer },
      { cause: thrown }
    )
  }

  #onEnded(listener: GuardedListener, error: Error | undefined): void {
    if (!this.#open) return
    if (error instanceof ProtocolError) {
      this.send(streamError(error.code, error.rule, error.message))
    }
    // The text of a fault of ours stays here: it may name what a peer must not know.
    else if (error instanceof PaychanError && error.code === 'ERR_LISTENER_FAILED') {
      this.send(streamError('ERR_INTERNAL', '', 'The message could not be handled.'))
    }
    this.#finish()
    listener.closed(error)
  }

  #flush(): void {
    if (this.#outbox.byteLength === 0) return
    const frames = this.#outbox
    this.#outbox = new Uint8ArrayList()
    try {
      this.#stream.send(frames)
    } catch (cause) {
      this.#abort(
        new PaychanError(
          'ERR_CONNECTION_LOST',
          'The connection to the peer broke.',
          { peer: this.peer },
          { cause }
        )
      )
    }
  }

  /** Flushes, closes our side, and waits a while for the peer to close its own. */
  #finish(): void {
    this.#flush()
    if (!this.#open) return
    this.#open = false
    this.#source.discard()
    const stream = this.#stream
    if (stream.status !== 'open') return
    const timer = setTimeout(() => {
      stream.abort(
        new PaychanError('ERR_CLOSE_TIMEOUT', 'The peer did not close its side of the stream.', {
          peer: this.peer
        })
      )
    }, this.#options.closeTimeout)
    stream.addEventListener('close', () => {
      clearTimeout(timer)
    })
    // It fails only when the stream is reset while its last bytes wait: then it is as closed as can
    // be.
    stream.close().catch(() => {})
  }
}

/*
 * Messages to frames and back: an Envelope behind its length as an unsigned varint (WIRE-1,
 * WIRE-2).
 */

/** 7 bits a byte: lengths up to 262,144 = 2^18 take at most 3 bytes. */
const MAX_LENGTH_BYTES = 3

/** A message as a frame of the stream. @throws ProtocolError when a field is out of range. */
export function toFrame(message: Message): Uint8ArrayList {
  return lp.encode.single(encode(message))
}

/**
 * The Envelopes of a stream of bytes, whatever the chunks that they arrive in.
 *
 * @throws ProtocolError `WIRE-1` for a length that is 0 or encoded too long, `WIRE-2` for one that
 * is too large: at once, before any of its bytes is waited for.
 */
export function fromFrames(
  source: AsyncIterable<Uint8Array | Uint8ArrayList>
): AsyncIterable<Uint8ArrayList> {
  return lp.decode(source, { lengthDecoder: createLengthDecoder() })
}

/** True when an error says that the bytes ended inside a frame. */
export function isCutShort(error: unknown): boolean {
  return error instanceof Error && error.name === 'UnexpectedEOFError'
}

/** Each stream has its own decoder, since it stores the size of the last length prefix. */
function createLengthDecoder(): LengthDecoderFunction {
  const decoder: LengthDecoderFunction = Object.assign(
    (data: Uint8ArrayList): number => {
      let length = 0
      for (let index = 0; index < MAX_LENGTH_BYTES; index++) {
        // A RangeError is how it-length-prefixed is told that there is not yet enough to read.
        if (index >= data.byteLength) throw new RangeError('The length is not complete.')
        const byte = data.get(index)
        length |= (byte & 0x7f) << (7 * index)
        if (byte >= 0x80) continue
        if (byte === 0) {
          throw new ProtocolError(
            'WIRE-1',
            index === 0 ? 'A frame is empty.' : 'A length is longer than need be.'
          )
        }
        if (length > MAX_MESSAGE_BYTES) {
          throw new ProtocolError(
            'WIRE-2',
            `A message of ${length} bytes was announced; ${MAX_MESSAGE_BYTES} are allowed.`
          )
        }
        decoder.bytes = index + 1
        return length
      }
      throw new ProtocolError(
        'WIRE-2',
        `A message of more than ${MAX_MESSAGE_BYTES} bytes was announced.`
      )
    },
    { bytes: 0 }
  )
  return decoder
}

/*
 * The bytes that arrive on a libp2p stream, as an iterable that holds the peer back. Iterating a
 * stream itself does not: it reads ahead without bound. This one pauses the stream while too much
 * is unread, and it listens from the start, so that no end of the stream is missed.
 */

/** Unread bytes above which the stream is paused: two of the longest messages. */
const PAUSE_ABOVE_BYTES = 524_288

/**
 * Bytes that libp2p may hold for us while paused; past it the stream is reset. Above a window of
 * our host (1 MiB).
 */
const MAX_READ_BUFFER_BYTES = 2_097_152

/**
 * setTimeout's longest delay, 2^31 - 1 ms or 25 days: a channel may be idle for as long as it
 * likes.
 */
const NO_TIMEOUT = 2_147_483_647

class StreamSource implements AsyncIterable<Uint8Array | Uint8ArrayList> {
  readonly #stream: Stream
  #unread: Array<Uint8Array | Uint8ArrayList> = []
  #unreadBytes = 0
  #ended = false
  #error: Error | undefined
  #wake: (() => void) | undefined
  #discard = false

  constructor(stream: Stream) {
    this.#stream = stream
    stream.maxReadBufferLength = MAX_READ_BUFFER_BYTES
    stream.inactivityTimeout = NO_TIMEOUT
    stream.addEventListener('end', () => {
      this.#onEnd()
    })
    stream.addEventListener('close', (event) => {
      this.#onClose(event)
    })
    if (stream.status !== 'open') this.#end(lost())
    else this.#endIfNothingFollows()
    stream.addEventListener('message', (event) => {
      this.#onMessage(event)
    })
  }

  /** True when the peer ended its side in order, rather than the connection breaking. */
  get endedInOrder(): boolean {
    return this.#ended && this.#error === undefined
  }

  /** Drops everything that still arrives, so that the peer can end its side. */
  discard(): void {
    this.#discard = true
    this.#unread = []
    this.#unreadBytes = 0
    this.#resume()
    this.#wake?.()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array | Uint8ArrayList> {
    while (!this.#discard) {
      const chunk = this.#unread.shift()
      if (chunk !== undefined) {
        this.#unreadBytes -= chunk.byteLength
        if (this.#unread.length === 0) this.#resume()
        yield chunk
      } else if (this.#error !== undefined) {
        throw this.#error
      } else if (this.#ended) {
        return
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    }
  }

  #onMessage(event: StreamMessageEvent): void {
    if (this.#discard) return
    this.#unread.push(event.data)
    this.#unreadBytes += event.data.byteLength
    // A stream whose other side has ended cannot be paused, and brings nothing new either.
    if (this.#unreadBytes > PAUSE_ABOVE_BYTES && this.#stream.readStatus === 'readable') {
      this.#stream.pause()
    }
    this.#endIfNothingFollows()
    this.#wake?.()
  }

  /**
   * 'end' comes once. When the peer was quick, it came while libp2p was still agreeing on the
   * protocol, and the data read ahead then is put back only afterwards.
   */
  #endIfNothingFollows(): void {
    if (this.#stream.readableEnded && this.#stream.readBufferLength === 0) this.#onEnd()
  }

  /** Hands over at once what libp2p has kept: into the list of the unread, whose order it keeps. */
  #resume(): void {
    if (this.#stream.readStatus === 'paused') this.#stream.resume()
  }

  /**
   * Handles the end of data: either the peer has closed its side, and ours is still open, or
   * everything is gone.
   */
  #onEnd(): void {
    this.#end(this.#stream.status === 'open' ? undefined : lost())
  }

  #onClose(event: StreamCloseEvent): void {
    this.#end(lost(event.error))
  }

  #end(error: Error | undefined): void {
    if (this.#ended) return
    this.#ended = true
    this.#error = error
    this.#wake?.()
  }
}

function lost(cause?: Error): PaychanError {
  return new PaychanError('ERR_CONNECTION_LOST', 'The connection to the peer broke.', {}, { cause })
}
