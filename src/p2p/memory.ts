/** The port `Peers` without a network, for tests and for runs in virtual time. */
import type { Link, LinkListener, Peers, Unsubscribe } from '../engine/ports.js'
import { PaychanError } from '../types/errors.js'
import { asError, report } from './guarded-listener.js'
import type { OnError } from './guarded-listener.js'
import { MemoryLink } from './memory-link.js'
import { streamError } from './outgoing.js'

export interface MemoryNetworkOptions {
  /**
   * Arranges for `deliver` to be called once, later. By default `queueMicrotask`; a simulator
   * passes its own calendar, and a test that wants to deliver by hand passes a function that does
   * nothing.
   */
  readonly schedule?: (deliver: () => void) => void
  /** Bytes that may wait for an end that does not read. Default 4 MiB. */
  readonly maxQueuedBytes?: number
}

export interface MemoryPeersOptions {
  readonly onError?: OnError
  /** False for a peer that is there and does not speak /paychan/1.0. */
  readonly paychan?: boolean
}

export interface MemoryPeers extends Peers {
  open: (peer: string, listener: (link: Link) => LinkListener) => Promise<MemoryLink>
}

interface Member {
  readonly name: string
  readonly onError: OnError
  readonly paychan: boolean
  accept: ((link: Link) => LinkListener) | undefined
}

/**
 * A network of names. Everything happens later and in order; nothing is lost unless it is cut.
 *
 * @example
 * const network = new MemoryNetwork()
 * const alice = network.join('alice')
 * const bob = network.join('bob')
 */
export class MemoryNetwork {
  readonly #schedule: (deliver: () => void) => void
  readonly #maxQueuedBytes: number
  readonly #members = new Map<string, Member>()
  #links: Array<{ readonly between: string; readonly link: MemoryLink }> = []
  readonly #cuts = new Set<string>()
  readonly #pending: Array<() => void> = []

  constructor(options: MemoryNetworkOptions = {}) {
    this.#schedule = options.schedule ?? queueMicrotask
    this.#maxQueuedBytes = options.maxQueuedBytes ?? 4_194_304
  }

  /** What waits to be delivered. */
  get waiting(): number {
    return this.#pending.length
  }

  /** Delivers what has waited longest; false when nothing waits. */
  deliver(): boolean {
    const action = this.#pending.shift()
    action?.()
    return action !== undefined
  }

  /** A new peer of that name. */
  join(name: string, options: MemoryPeersOptions = {}): MemoryPeers {
    if (this.#members.has(name)) throw new Error(`There is a peer called ${name} already.`)
    const member: Member = {
      name,
      onError: options.onError ?? rethrow,
      paychan: options.paychan ?? true,
      accept: undefined
    }
    this.#members.set(name, member)
    return {
      self: name,
      open: async (peer, listener) => this.#open(member, peer, listener),
      onIncoming: (accept) => this.#onIncoming(member, accept)
    }
  }

  /** Breaks every link between two peers, and lets none be opened until `mend`. */
  cut(one: string, other: string): void {
    const between = pairOf(one, other)
    this.#cuts.add(between)
    for (const each of this.#links) {
      if (each.between === between) each.link.break()
    }
  }

  mend(one: string, other: string): void {
    this.#cuts.delete(pairOf(one, other))
  }

  readonly #later = (action: () => void): void => {
    this.#pending.push(action)
    this.#schedule(() => {
      this.deliver()
    })
  }

  async #open(
    opener: Member,
    name: string,
    listener: (link: Link) => LinkListener
  ): Promise<MemoryLink> {
    await new Promise<void>((resolve) => {
      this.#later(resolve)
    })
    const asked = this.#members.get(name)
    if (asked === undefined) {
      throw new PaychanError('ERR_PEER_UNKNOWN', `No address of ${name} is known.`, { peer: name })
    }
    const between = pairOf(opener.name, name)
    if (asked === opener || this.#cuts.has(between)) {
      throw new PaychanError('ERR_PEER_UNREACHABLE', `${name} could not be reached.`, {
        peer: name
      })
    }
    if (!asked.paychan) {
      throw new PaychanError(
        'ERR_NO_PAYCHAN',
        `${name} does not speak /paychan/1.0, so no channel can be opened to it.`,
        { peer: name }
      )
    }
    const [ours, theirs] = MemoryLink.pair(
      { later: this.#later, maxQueuedBytes: this.#maxQueuedBytes },
      opener,
      asked
    )
    this.#links = [...this.#links.filter(({ link }) => link.isOpen), { between, link: ours }]
    this.#later(() => {
      this.#accept(asked, theirs)
    })
    try {
      ours.start(listener(ours))
    } catch (error) {
      ours.close()
      throw error
    }
    return ours
  }

  #accept(asked: Member, link: MemoryLink): void {
    if (asked.accept === undefined) {
      link.send(streamError('ERR_NOT_READY', '', 'This node takes no channels at the moment.'))
      link.close()
      return
    }
    try {
      link.start(asked.accept(link))
    } catch (error) {
      report(asked.onError, asError(error))
      link.send(streamError('ERR_INTERNAL', '', 'The stream could not be accepted.'))
      link.close()
    }
  }

  #onIncoming(member: Member, accept: (link: Link) => LinkListener): Unsubscribe {
    if (member.accept !== undefined) throw new Error('There can be only one that accepts streams.')
    member.accept = accept
    return () => {
      if (member.accept === accept) member.accept = undefined
    }
  }
}

function pairOf(one: string, other: string): string {
  return one < other ? `${one}|${other}` : `${other}|${one}`
}

/** Without an `onError` of its own, a test fails by what a listener throws. */
function rethrow(error: Error): void {
  queueMicrotask(() => {
    throw error
  })
}
