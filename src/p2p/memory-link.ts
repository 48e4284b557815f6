/**
 * A `Link` without a wire: the two ends of it are objects in one process. Bytes cross it all the
 * same.
 */
import { ProtocolError, decode, encode } from '../../protocols/paychan/1.0/index.js'
import type { Message } from '../../protocols/paychan/1.0/index.js'
import type { Link, LinkListener } from '../engine/ports.js'
import { PaychanError } from '../types/errors.js'
import { asError, GuardedListener } from './guarded-listener.js'
import type { OnError } from './guarded-listener.js'
import { outgoing, streamError } from './outgoing.js'

/** What a link needs of the network that it belongs to. */
export interface Wire {
  readonly maxQueuedBytes: number
  /** Runs an action later, after all that were asked for before. */
  later: (action: () => void) => void
}

export class MemoryLink implements Link {
  readonly peer: string
  readonly #wire: Wire
  readonly #onError: OnError
  #other: MemoryLink | undefined
  #listener: GuardedListener | undefined
  /** What has arrived and waits, since the listener is busy with what came before. */
  #arrived: Array<Uint8Array | 'end'> = []
  #busy = false
  #open = true
  /** Bytes on their way to the other end. */
  #queuedBytes = 0

  private constructor(peer: string, wire: Wire, onError: OnError) {
    this.peer = peer
    this.#wire = wire
    this.#onError = onError
  }

  /** The two ends of a link: of who opens it, and of who is asked. */
  static pair(
    wire: Wire,
    opener: { name: string; onError: OnError },
    asked: { name: string; onError: OnError }
  ): [MemoryLink, MemoryLink] {
    const one = new MemoryLink(asked.name, wire, opener.onError)
    const other = new MemoryLink(opener.name, wire, asked.onError)
    one.#other = other
    other.#other = one
    return [one, other]
  }

  get isOpen(): boolean {
    return this.#open
  }

  start(listener: LinkListener): void {
    this.#listener = new GuardedListener(listener, this.#onError)
    this.#work()
  }

  send(message: Message): void {
    if (this.#open) this.sendBytes(encode(outgoing(message)))
  }

  /** Sends an Envelope that need not be one: for tests of what a hostile peer can do. */
  sendBytes(bytes: Uint8Array): void {
    if (!this.#open) return
    this.#queuedBytes += bytes.length
    if (this.#queuedBytes > this.#wire.maxQueuedBytes) {
      this.break(
        new PaychanError(
          'ERR_PEER_TOO_SLOW',
          `The peer does not read: ${this.#queuedBytes} bytes wait for it.`,
          { peer: this.peer, queuedBytes: this.#queuedBytes }
        )
      )
      return
    }
    this.#transmit(new Uint8Array(bytes))
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    this.#transmit('end')
    this.#wire.later(() => this.#listener?.closed(undefined))
  }

  /** Ends both ends at once; what was on its way is lost. */
  break(error: PaychanError = lost()): void {
    this.#breakEnd(error)
    const other = this.#other
    if (other !== undefined) other.#breakEnd(lost())
  }

  #breakEnd(error: PaychanError): void {
    if (!this.#open) return
    this.#open = false
    this.#arrived = []
    this.#wire.later(() => this.#listener?.closed(error))
  }

  #transmit(what: Uint8Array | 'end'): void {
    this.#wire.later(() => {
      const other = this.#other
      if (other === undefined || !other.#open) return
      other.#arrived.push(what)
      other.#work()
    })
  }

  #work(): void {
    while (!this.#busy && this.#open && this.#listener !== undefined) {
      const next = this.#arrived.shift()
      if (next === undefined) return
      if (next === 'end') this.#end(undefined)
      else this.#receive(this.#listener, next)
    }
  }

  #receive(listener: GuardedListener, bytes: Uint8Array): void {
    if (this.#other !== undefined) this.#other.#queuedBytes -= bytes.length
    try {
      const busy = listener.message(decode(bytes))
      if (busy === undefined) return
      this.#busy = true
      busy.then(
        () => {
          this.#busy = false
          this.#work()
        },
        (error: unknown) => {
          this.#end(asError(error))
        }
      )
    } catch (error) {
      this.#end(asError(error))
    }
  }

  #end(error: Error | undefined): void {
    if (!this.#open) return
    if (error instanceof ProtocolError) {
      this.send(streamError(error.code, error.rule, error.message))
    } else if (error !== undefined) {
      this.send(streamError('ERR_INTERNAL', '', 'The message could not be handled.'))
    }
    this.#open = false
    this.#transmit('end')
    this.#listener?.closed(error)
  }
}

function lost(): PaychanError {
  return new PaychanError('ERR_CONNECTION_LOST', 'The connection to the peer broke.')
}
