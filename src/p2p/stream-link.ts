/**
 * One `/paychan/1.0` stream as a `Link`: frames in, frames out, and every way in which it can end.
 */
import type { Stream } from '@libp2p/interface'
import { pipe } from 'it-pipe'
import { Uint8ArrayList } from 'uint8arraylist'
import { ProtocolError, decode } from '../../protocols/paychan/1.0/index.js'
import type { Message } from '../../protocols/paychan/1.0/index.js'
import type { Link, LinkListener } from '../engine/ports.js'
import { PaychanError } from '../types/errors.js'
import { fromFrames, isCutShort, toFrame } from './frames.js'
import { asError, GuardedListener } from './guarded-listener.js'
import type { OnError } from './guarded-listener.js'
import { outgoing, streamError } from './outgoing.js'
import { StreamSource } from './stream-source.js'

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

  /** Starts to deliver. What `listener` sends at once goes out before anything is delivered. */
  start(listener: LinkListener): void {
    this.#listener = new GuardedListener(listener, this.#options.onError)
    void this.#read(this.#listener)
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
    setImmediate(() => {
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

  /** Ends the stream at once; what waits to be sent is dropped. */
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
