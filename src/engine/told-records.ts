/** The records of channels that peers ask for after a loss of data (spec.md, "Restoring"). */
import type { ChannelRecord, Message, RestoreRequest } from '../../protocols/paychan/1.0/index.js'
import type { Env } from '../channel/env.js'
import { recordOf } from '../channel/restoring.js'
import type { Channel } from '../channel/state.js'
import { toHex } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import type { EngineContext } from './context.js'
import { inBackground, type Link, type LinkListener } from './ports.js'
import { refuse, Throttle } from './streams.js'

export class ToldRecords {
  /**
   * The records of states that peers have asked for: one with many turns takes milliseconds of
   * signing, and a question costs its peer nothing.
   */
  readonly #told = new WeakMap<
    Channel,
    { readonly height: Env['height']; readonly record: ChannelRecord | undefined }
  >()
  readonly #context: Pick<EngineContext, 'actors' | 'env' | 'clock' | 'alarm'>

  constructor(context: Pick<EngineContext, 'actors' | 'env' | 'clock' | 'alarm'>) {
    this.#context = context
  }

  /**
   * RESTORE-2, RESTORE-3: answers a peer that has lost its data. The peer judges the records
   * itself; the result shows when it comes back.
   */
  onRequest(link: Link, first: RestoreRequest): LinkListener {
    const throttle = new Throttle(this.#context.clock)
    const onMessage = (message: Message): void | Promise<void> => {
      if (message.type === 'Error') return
      if (message.type !== 'RestoreRequest') {
        refuse(
          link,
          'ERR_UNEXPECTED_MESSAGE',
          'ERR-2',
          `${message.type} has no place on a stream that asks for channels.`,
          false
        )
        return
      }
      const record = this.#recordAfter(link.peer, toHex(message.after))
      link.send(record ?? { type: 'RestoreDone' })
      return throttle.after(message)
    }
    inBackground(() => onMessage(first), this.#context.alarm)
    return { onMessage, onClosed: () => {} }
  }

  /** The record of the first channel after the given id that has one, in the order of the ids. */
  #recordAfter(peer: string, after: string): ChannelRecord | undefined {
    const later = this.#context.actors
      .channelsOf(peer)
      .filter(({ id }) => id > after)
      .sort((a, b) => (a.id < b.id ? -1 : 1))
    for (const channel of later) {
      const record = this.#recordOf(channel)
      if (record !== undefined) return record
    }
    return undefined
  }

  /** A state has one record at a height, however often its peer asks. */
  #recordOf(channel: Channel): ChannelRecord | undefined {
    const env = this.#context.env(channel)
    const known = this.#told.get(channel)
    if (known !== undefined && known.height === env.height) return known.record
    const record = recordOf(channel, env)
    this.#told.set(channel, { height: env.height, record })
    return record
  }
}

/* The answers to a question for channels (spec.md, "Restoring"). */

/**
 * Collects a peer's answers to questions on one stream, one at a time: the peer is held back until
 * its last answer was taken.
 */
export class RecordInbox implements LinkListener {
  readonly #waiting: Array<{ readonly message: Message; readonly taken: () => void }> = []
  #ended: Error | undefined
  #wake: () => void = () => {}

  readonly onMessage = (message: Message): void | Promise<void> => {
    if (this.#ended !== undefined) return
    const taken = new Promise<void>((resolve) => {
      this.#waiting.push({ message, taken: resolve })
    })
    this.#wake()
    return taken
  }

  readonly onClosed = (error: Error | undefined): void => {
    this.#ended ??=
      error ??
      new PaychanError(
        'ERR_PEER_UNREACHABLE',
        'The peer ended the stream before it had said which channels it has.'
      )
    this.#wake()
  }

  /** Takes no more answers, not even those that wait already. */
  end(error: Error): void {
    this.#ended = error
    for (const { taken } of this.#waiting.splice(0)) taken()
    this.#wake()
  }

  /** The next answer. Rejects when the stream is over. */
  async next(): Promise<Message> {
    for (;;) {
      const first = this.#waiting.shift()
      if (first !== undefined) {
        first.taken()
        return first.message
      }
      if (this.#ended !== undefined) throw this.#ended
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}
