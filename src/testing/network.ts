/**
 * Streams between the nodes of a world. Bytes cross them, in order, and everything is delivered
 * later, never while it is sent. With a latency a message takes its time; a lost message breaks its
 * stream, as a broken connection does. A node that dies breaks its streams.
 */
import { ProtocolError, decode, encode } from '../../protocols/paychan/1.0/index.js'
import type { Message } from '../../protocols/paychan/1.0/index.js'
import type { Link, LinkListener, OnError, Peers, Unsubscribe } from '../engine/ports.js'
import { asError, GuardedListener, outgoing, report, streamError } from '../p2p/guarded-listener.js'
import { PaychanError } from '../types/errors.js'
import { type Calendar, type Distribution, type Draws, Life, never, type Span } from './calendar.js'

/** Half of the time that it takes to notice that nobody answers, in milliseconds. */
const LOST_DIAL_MS = 1_000

/** A group that is cut off from another group for a while. */
export interface Partition {
  readonly between: readonly [string, string]
  readonly during: Span
}

export interface NetworkSetup {
  /** Travel time of a message, in milliseconds. */
  readonly latency: Distribution
  /**
   * The chance that a message is lost; its stream breaks with it, since a stream loses nothing
   * else.
   */
  readonly loss: number
  readonly partitions: readonly Partition[]
}

export interface NetworkOptions {
  /**
   * Time that messages take, by a calendar, and the failures. Left out, a message takes a
   * microtask, and nothing is lost.
   */
  readonly takes?: {
    readonly calendar: Calendar
    readonly draws: Draws
    readonly setup: NetworkSetup
  }
  /** Bytes that may wait for an end that does not read. Default 4 MiB. */
  readonly maxQueuedBytes?: number
  /**
   * Hands messages over as the same objects, unchecked and uncopied, instead of as bytes: for runs
   * with millions of messages. No queue is full then.
   */
  readonly sharesMessages?: boolean
}

interface MemberOptions {
  /** Its group in partitions; its name when left out. */
  readonly group?: string
  /** False for a peer that is there and does not speak /paychan/1.0. */
  readonly paychan?: boolean
  /**
   * Told of an error that a listener throws; left out, the error ends the process, and fails a
   * test.
   */
  readonly onError?: OnError
}

interface SimPeers extends Peers {
  open: (peer: string, listener: (link: Link) => LinkListener) => Promise<SimLink>
}

interface Member {
  readonly name: string
  readonly group: string
  readonly paychan: boolean
  readonly onError: OnError
  life: Life | undefined
  accept: ((link: Link) => LinkListener) | undefined
  readonly links: Set<SimLink>
}

/**
 * @example
 * const network = new SimNetwork()
 * const alice = network.peer('alice')
 * const bob = network.peer('bob')
 */
export class SimNetwork {
  readonly #members = new Map<string, Member>()
  readonly #cuts = new Set<string>()
  readonly #takes: NetworkOptions['takes']
  readonly maxQueuedBytes: number
  readonly sharesMessages: boolean

  constructor({ takes, maxQueuedBytes = 4_194_304, sharesMessages = false }: NetworkOptions = {}) {
    this.#takes = takes
    this.maxQueuedBytes = maxQueuedBytes
    this.sharesMessages = sharesMessages
    for (const { during } of takes?.setup.partitions ?? []) {
      takes?.calendar.at(during.from * 1_000, () => {
        this.#breakCut()
      })
    }
  }

  /** Adds a new peer of a name; it is there once it has a life. */
  join(
    name: string,
    { group = name, paychan = true, onError = rethrow }: MemberOptions = {}
  ): void {
    if (this.#members.has(name)) throw new Error(`There is a peer called ${name} already.`)
    this.#members.set(name, {
      name,
      group,
      paychan,
      onError,
      life: undefined,
      accept: undefined,
      links: new Set()
    })
  }

  /** Adds a new peer that is there from now on. Returns its port. */
  peer(name: string, options?: MemberOptions): SimPeers {
    this.join(name, options)
    return this.peersFor(name, new Life())
  }

  /** The port of a node, in one of its lives. */
  peersFor(name: string, life: Life): SimPeers {
    const member = this.#member(name)
    member.life = life
    life.onEnd(() => {
      member.accept = undefined
      for (const link of [...member.links]) link.break()
    })
    return {
      self: name,
      open: async (peer, listener) => await this.#open(member, life, peer, listener),
      onIncoming: (accept) => onIncoming(member, accept)
    }
  }

  /** Breaks every link between two peers, and lets none be opened until `mend`. */
  cut(one: string, other: string): void {
    this.#cuts.add(pairOf(one, other))
    this.#breakCut()
  }

  mend(one: string, other: string): void {
    this.#cuts.delete(pairOf(one, other))
  }

  /** Draws the milliseconds that a message travels; undefined when it is lost. */
  travel(): number | undefined {
    if (this.#takes === undefined) return 0
    const {
      draws,
      setup: { latency, loss }
    } = this.#takes
    const ms = draws.of(latency)
    return loss > 0 && draws.unit() < loss ? undefined : ms
  }

  /** Runs an action later; without latencies, when everything asked for before is done. */
  after(ms: number, action: () => void): void {
    if (this.#takes === undefined) queueMicrotask(action)
    else this.#takes.calendar.after(ms, action)
  }

  /** Milliseconds of virtual time; without latencies it stands still. */
  get now(): number {
    return this.#takes?.calendar.now ?? 0
  }

  async #open(
    opener: Member,
    life: Life,
    name: string,
    listener: (link: Link) => LinkListener
  ): Promise<SimLink> {
    if (!life.alive) return await never()
    const ms = this.travel()
    await new Promise<void>((resolve) => {
      this.after(2 * (ms ?? LOST_DIAL_MS), resolve)
    })
    if (life.isOver()) return await never()
    const asked = this.#members.get(name)
    if (asked === undefined) {
      throw new PaychanError('ERR_PEER_UNKNOWN', `No address of ${name} is known.`, { peer: name })
    }
    if (
      ms === undefined ||
      asked === opener ||
      asked.life?.alive !== true ||
      this.#isCut(opener, asked)
    ) {
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
    const [ours, theirs] = SimLink.pair(this, opener, asked)
    try {
      ours.start(listener(ours))
    } finally {
      if (!ours.isStarted) ours.close()
      accept(asked, theirs)
    }
    return ours
  }

  #isCut(one: Member, other: Member): boolean {
    if (this.#cuts.has(pairOf(one.name, other.name))) return true
    const now = this.now / 1_000
    return (this.#takes?.setup.partitions ?? []).some(
      ({ between: [a, b], during }) =>
        now >= during.from &&
        now < during.until &&
        ((one.group === a && other.group === b) || (one.group === b && other.group === a))
    )
  }

  #breakCut(): void {
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

function onIncoming(member: Member, acceptor: (link: Link) => LinkListener): Unsubscribe {
  member.accept = acceptor
  return () => {
    if (member.accept === acceptor) member.accept = undefined
  }
}

function accept(asked: Member, link: SimLink): void {
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

function pairOf(one: string, other: string): string {
  return one < other ? `${one}|${other}` : `${other}|${one}`
}

function rethrow(error: Error): void {
  queueMicrotask(() => {
    throw error
  })
}

function lost(): PaychanError {
  return new PaychanError('ERR_CONNECTION_LOST', 'The connection to the peer broke.')
}

/** A parcel on its way: an Envelope, a message that both ends share, or the end. */
type Parcel = Uint8Array | Message | 'end'

/** One end of a stream. */
class SimLink implements Link {
  readonly peer: string
  #other: SimLink | undefined
  #listener: GuardedListener | undefined
  #open = true
  /** The arrival time of the newest parcel sent from here. */
  #arrival = 0
  /** Parcels that have arrived and wait, since the listener is busy with earlier ones. */
  #arrived: Parcel[] = []
  #busy = false
  /** Bytes on their way to the other end. */
  #queuedBytes = 0
  readonly #network: SimNetwork
  readonly #owner: Member

  private constructor(network: SimNetwork, owner: Member, peer: string) {
    this.#network = network
    this.#owner = owner
    this.peer = peer
    owner.links.add(this)
  }

  /** Makes the two ends of a link: the opener's, and the asked peer's. */
  static pair(network: SimNetwork, opener: Member, asked: Member): [SimLink, SimLink] {
    const [ours, theirs] = [
      new SimLink(network, opener, asked.name),
      new SimLink(network, asked, opener.name)
    ]
    ours.#other = theirs
    theirs.#other = ours
    return [ours, theirs]
  }

  get isStarted(): boolean {
    return this.#listener !== undefined
  }

  start(listener: LinkListener): void {
    this.#listener = new GuardedListener(listener, this.#owner.onError)
    this.#work()
  }

  send(message: Message): void {
    if (!this.#open) return
    if (this.#network.sharesMessages) this.#transmit(message)
    else this.sendBytes(encode(outgoing(message)))
  }

  /** Sends bytes that need not be an Envelope: for tests of what a hostile peer can do. */
  sendBytes(bytes: Uint8Array): void {
    if (!this.#open) return
    this.#queuedBytes += bytes.length
    if (this.#queuedBytes > this.#network.maxQueuedBytes) {
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
    this.#transmit('end')
    this.#end(undefined)
  }

  /** Breaks both ends at once, and drops what was on its way. */
  break(error: PaychanError = lost()): void {
    const other = this.#other
    if (other !== undefined) other.#end(lost())
    this.#end(error)
  }

  #transmit(what: Parcel): void {
    const ms = this.#network.travel()
    if (ms === undefined) {
      this.#network.after(0, () => {
        this.break()
      })
      return
    }
    this.#arrival = Math.max(this.#arrival, this.#network.now + ms)
    this.#network.after(this.#arrival - this.#network.now, () => {
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

  #receive(listener: GuardedListener, what: Uint8Array | Message): void {
    try {
      const busy = listener.message(this.#unpack(what))
      if (busy === undefined) return
      this.#busy = true
      busy.then(
        () => {
          this.#busy = false
          this.#work()
        },
        (error: unknown) => {
          this.#fail(error)
        }
      )
    } catch (error) {
      this.#fail(error)
    }
  }

  #unpack(what: Uint8Array | Message): Message {
    if (!(what instanceof Uint8Array)) return what
    if (this.#other !== undefined) this.#other.#queuedBytes -= what.length
    return decode(what)
  }

  #fail(cause: unknown): void {
    if (!this.#open) return
    const error = asError(cause)
    this.send(
      error instanceof ProtocolError
        ? streamError(error.code, error.rule, error.message)
        : streamError('ERR_INTERNAL', '', 'The message could not be handled.')
    )
    this.#transmit('end')
    this.#end(error)
  }

  #end(error: Error | undefined): void {
    if (!this.#open) return
    this.#open = false
    this.#arrived = []
    this.#owner.links.delete(this)
    this.#network.after(0, () => {
      if (this.#owner.life?.alive === true) this.#listener?.closed(error)
    })
  }
}
