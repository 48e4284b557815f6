/**
 * The bytes that arrive on a libp2p stream, as an iterable that holds the peer back. Iterating a
 * stream itself does not: it reads ahead without bound. This one pauses the stream while too much
 * is unread, and it listens from the start, so that no end of the stream is missed.
 */
import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import type { Uint8ArrayList } from 'uint8arraylist'
import { PaychanError } from '../types/errors.js'

/** Unread bytes above which the stream is paused: two of the longest messages. */
const PAUSE_ABOVE_BYTES = 524_288

/**
 * What libp2p may hold for us while paused; more, and it resets the stream. Above a window of our
 * host (1 MiB).
 */
const MAX_READ_BUFFER_BYTES = 2_097_152

/**
 * setTimeout's longest delay, 2^31 - 1 ms or 25 days: a channel may be idle for as long as it
 * likes.
 */
const NO_TIMEOUT = 2_147_483_647

export class StreamSource implements AsyncIterable<Uint8Array | Uint8ArrayList> {
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

  /** Whether the peer ended its side in order, rather than the connection breaking. */
  get endedInOrder(): boolean {
    return this.#ended && this.#error === undefined
  }

  /** Lets everything that still arrives fall on the floor, so that the peer can end its side. */
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
   * protocol, and what was read ahead then is put back only afterwards.
   */
  #endIfNothingFollows(): void {
    if (this.#stream.readableEnded && this.#stream.readBufferLength === 0) this.#onEnd()
  }

  /** Hands over at once what libp2p has kept: into the list of the unread, whose order it keeps. */
  #resume(): void {
    if (this.#stream.readStatus === 'paused') this.#stream.resume()
  }

  /**
   * No more data: either the peer has closed its side, and ours is still open, or everything is
   * gone.
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
