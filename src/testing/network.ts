/**
 * Streams between simulated nodes. A message takes its latency; what is lost takes its stream with
 * it, as a connection that breaks; order is kept. Whoever dies breaks its streams.
 */
import type { Message } from '../../protocols/paychan/1.0/index.js'
import type { Link, LinkListener, Peers, Unsubscribe } from '../engine/ports.js'
import { PaychanError } from '../types/errors.js'
import type { Calendar } from './calendar.js'
import type { Distribution, Draws, Span } from './random.js'
import { never, type Life } from './life.js'

/** A group that is cut off from another one for a while. */
export interface Partition {
  readonly between: readonly [string, string]
  readonly during: Span
}

export interface NetworkSetup {
  /** Milliseconds that a message is on its way. */
  readonly latency: Distribution
  /**
   * The chance that a message is lost; its stream breaks with it, since a stream loses nothing
   * else.
   */
  readonly loss: number
  readonly partitions: readonly Partition[]
}

interface Member {
  readonly name: string
  readonly group: string
  life: Life | undefined
  accept: ((link: Link) => LinkListener) | undefined
  readonly links: Set<SimLink>
}

export class SimNetwork {
  readonly #members = new Map<string, Member>()

  constructor(
    private readonly setup: NetworkSetup,
    private readonly calendar: Calendar,
    private readonly draws: Draws
  ) {
    for (const { during } of setup.partitions) {
      calendar.at(during.from * 1_000, () => {
        this.#cut()
      })
    }
  }

  join(name: string, group: string): void {
    this.#members.set(name, { name, group, life: undefined, accept: undefined, links: new Set() })
  }

  /** The port of a node, in one of its lives. */
  peersFor(name: string, life: Life): Peers {
    const member = this.#member(name)
    member.life = life
    life.onEnd(() => {
      member.accept = undefined
      for (const link of [...member.links]) link.break()
    })
    return {
      self: name,
      open: async (peer, listener) => await this.#open(member, life, peer, listener),
      onIncoming: (accept) => this.#onIncoming(member, accept)
    }
  }

  /** Milliseconds until a message is there; undefined when it is lost. */
  travel(): number | undefined {
    const ms = this.draws.of(this.setup.latency)
    return this.setup.loss > 0 && this.draws.unit() < this.setup.loss ? undefined : ms
  }

  after(ms: number, action: () => void): void {
    this.calendar.after(ms, action)
  }

  get now(): number {
    return this.calendar.now
  }

  async #open(
    opener: Member,
    life: Life,
    name: string,
    listener: (link: Link) => LinkListener
  ): Promise<Link> {
    if (!life.alive) return await never()
    const ms = this.travel()
    await new Promise<void>((resolve) => {
      this.calendar.after(2 * (ms ?? 1_000), resolve)
    })
    if (life.isOver()) return await never()
    const asked = this.#members.get(name)
    if (asked === undefined) {
      throw new PaychanError('ERR_PEER_UNKNOWN', `No address of ${name} is known.`, { peer: name })
    }
    if (ms === undefined || asked.accept === undefined || this.#isCut(opener, asked)) {
      throw new PaychanError('ERR_PEER_UNREACHABLE', `${name} could not be reached.`, {
        peer: name
      })
    }
    const [ours, theirs] = SimLink.pair(this, opener, asked)
    ours.start(listener(ours))
    theirs.start(asked.accept(theirs))
    return ours
  }

  #onIncoming(member: Member, accept: (link: Link) => LinkListener): Unsubscribe {
    member.accept = accept
    return () => {
      if (member.accept === accept) member.accept = undefined
    }
  }

  #isCut(one: Member, other: Member): boolean {
    const now = this.calendar.now / 1_000
    return this.setup.partitions.some(
      ({ between: [a, b], during }) =>
        now >= during.from &&
        now < during.until &&
        ((one.group === a && other.group === b) || (one.group === b && other.group === a))
    )
  }

  #cut(): void {
    for (const member of this.#members.values()) {
      for (const link of [...member.links]) {
        if (this.#isCut(member, this.#member(link.peer))) link.break()
      }
    }
  }

  #member(name: string): Member {
    const member = this.#members.get(name)
    if (member === undefined) throw new Error(`there is no node ${name}`)
    return member
  }
}

/** One end of a stream. Messages are never changed, so both ends share them. */
class SimLink implements Link {
  readonly peer: string
  #other: SimLink | undefined
  #listener: LinkListener | undefined
  #open = true
  /** When the newest of what was sent from here arrives. */
  #arrival = 0
  #arrived: Array<Message | 'end'> = []
  #busy = false

  private constructor(
    private readonly network: SimNetwork,
    private readonly owner: Member,
    peer: string
  ) {
    this.peer = peer
    owner.links.add(this)
  }

  static pair(network: SimNetwork, opener: Member, asked: Member): [SimLink, SimLink] {
    const [ours, theirs] = [
      new SimLink(network, opener, asked.name),
      new SimLink(network, asked, opener.name)
    ]
    ours.#other = theirs
    theirs.#other = ours
    return [ours, theirs]
  }

  start(listener: LinkListener): void {
    this.#listener = listener
    this.#work()
  }

  send(message: Message): void {
    if (this.#open) this.#transmit(message)
  }

  close(): void {
    if (!this.#open) return
    this.#transmit('end')
    this.#end(undefined)
  }

  /** Both ends are gone at once, with what was on its way. */
  break(): void {
    const lost = new PaychanError('ERR_CONNECTION_LOST', 'The connection to the peer broke.')
    const other = this.#other
    if (other !== undefined) other.#end(lost)
    this.#end(lost)
  }

  #transmit(what: Message | 'end'): void {
    const ms = this.network.travel()
    if (ms === undefined) {
      this.network.after(0, () => {
        this.break()
      })
      return
    }
    this.#arrival = Math.max(this.#arrival, this.network.now + ms)
    this.network.after(this.#arrival - this.network.now, () => {
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
      if (next === 'end') {
        this.#end(undefined)
        return
      }
      const busy = this.#listener.onMessage(next)
      if (busy === undefined) continue
      this.#busy = true
      void busy.then(() => {
        this.#busy = false
        this.#work()
      })
    }
  }

  #end(error: Error | undefined): void {
    if (!this.#open) return
    this.#open = false
    this.#arrived = []
    this.owner.links.delete(this)
    const listener = this.#listener
    this.network.after(0, () => {
      if (this.owner.life?.alive === true) listener?.onClosed(error)
    })
  }
}
