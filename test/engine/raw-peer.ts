/** A peer without an engine: says what the test wants it to say, and keeps what it is told. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type {
  AcceptChannel,
  ChannelRecord,
  ErrorMessage,
  Message,
  OpenChannel
} from '../../protocols/paychan/1.0/index.js'
import { channelIdOf } from '../../src/bitcoin/scripts.js'
import { termsOf } from '../../src/channel/opening-terms.js'
import type { Terms } from '../../src/channel/terms.js'
import type { Link, Peers, Signer } from '../../src/engine/ports.js'
import { type ChannelId, type OutPoint, toHex, txid } from '../../src/types/bytes.js'
import { madeUpT1, offerBy, refundRequest } from '../strangers.js'
import { CAPACITY, quiet, type World } from './world.js'

export class RawStream {
  readonly heard: Message[] = []
  closed = false
  #link: Link | undefined

  /** Waits until what it has said is answered. */
  async say(...messages: Message[]): Promise<Message | undefined> {
    for (const message of messages) this.#link?.send(message)
    await quiet()
    return this.heard.at(-1)
  }

  /** What it was refused with. */
  get refusal(): ErrorMessage | undefined {
    const last = this.heard.at(-1)
    return last?.type === 'Error' ? last : undefined
  }

  hangUp(): void {
    this.#link?.close()
  }

  listen(link: Link): { onMessage: (message: Message) => void; onClosed: () => void } {
    this.#link = link
    return {
      onMessage: (message) => {
        this.heard.push(message)
      },
      onClosed: () => {
        this.closed = true
      }
    }
  }
}

export class RawPeer {
  readonly signer: Signer
  /** Streams that others opened to it. */
  readonly incoming: RawStream[] = []
  readonly #peers: Peers
  #keys = 0

  constructor(
    world: World,
    readonly name: string
  ) {
    this.signer = world.signerOf(name)
    this.#peers = world.network.peer(name)
    this.#peers.onIncoming((link) => {
      const stream = new RawStream()
      this.incoming.push(stream)
      return stream.listen(link)
    })
  }

  async stream(to: string): Promise<RawStream> {
    const stream = new RawStream()
    await this.#peers.open(to, (link) => stream.listen(link))
    return stream
  }

  /** An offer with keys that it has not used before. */
  offer(height: number, changes: Partial<OpenChannel> = {}): OpenChannel {
    return {
      ...offerBy(this.signer, this.#keys++, {
        closeHash: new Uint8Array(20).fill(7),
        capacity: CAPACITY,
        refundHeight: height + 60
      }),
      ...changes
    }
  }

  /** An answer to an offer, in which nothing is wrong. */
  acceptance(offer: OpenChannel, changes: Partial<AcceptChannel> = {}): AcceptChannel {
    const path = { role: 'server', high: 2, low: this.#keys++ } as const
    return {
      type: 'AcceptChannel',
      channelKey: this.signer.publicKey({ ...path, use: 'channel' }),
      derivation: Uint8Array.from([0, 0, 0, 2, 0, 0, 0, path.low]),
      payoutKey: this.signer.publicKey({ ...path, use: 'payout' }),
      closeScript: Uint8Array.from([0, 20, ...new Uint8Array(20).fill(9)]),
      minDepth: 1,
      limits: {
        minFirstPayment: 500n,
        maxStake: CAPACITY,
        minTurnAmount: 0n,
        maxInFlightUpdates: 16,
        maxInFlightValue: CAPACITY,
        maxRisk: 100
      },
      lastPaymentHeight: offer.refundHeight - 48,
      settleHeight: offer.refundHeight - 36,
      ...changes
    }
  }
}

/** The id of the channel that an offer asks for. */
export function idOf(offer: OpenChannel): ChannelId {
  return channelIdOf(offer.channelKey)
}

/** Peers that nobody knows: each has a name of its own, promises one channel, and funds none. */
export class Stranger {
  private constructor(
    readonly peer: RawPeer,
    readonly stream: RawStream,
    readonly offer: OpenChannel
  ) {}

  /** Offers a channel; whether it was taken shows in `stream.refusal`. */
  static async asks(world: World, name: string): Promise<Stranger> {
    return await Stranger.#as(new RawPeer(world, name), world)
  }

  static async #as(peer: RawPeer, world: World): Promise<Stranger> {
    const stream = await peer.stream('bob')
    const stranger = new Stranger(peer, stream, peer.offer(world.chain.height))
    await stream.say(stranger.offer)
    return stranger
  }

  /** Has T2 signed too, for an outpoint that nobody has ever seen. */
  static async withRefund(world: World, name: string): Promise<Stranger> {
    const stranger = await Stranger.asks(world, name)
    await stranger.askForRefund()
    assert.equal(stranger.stream.heard.at(-1)?.type, 'RefundSignature')
    return stranger
  }

  /**
   * Has T2 of a T1 signed whose inputs do not exist. The record is all that a peer needs to hand
   * the channel back to a server that has lost its data.
   */
  static async withRecord(world: World, peer: RawPeer): Promise<ChannelRecord> {
    const stranger = await Stranger.#as(peer, world)
    const { offer, stream, terms } = stranger
    const tx = madeUpT1(terms, createHash('sha256').update(idOf(offer)).digest())
    await stranger.askForRefund({ txid: txid(tx.getId()), vout: 0 })
    const accept = stream.heard.find((message) => message.type === 'AcceptChannel')
    const refund = stream.heard.at(-1)
    assert.ok(accept !== undefined && refund?.type === 'RefundSignature', stream.refusal?.text)
    return {
      type: 'ChannelRecord',
      open: offer,
      accept,
      fundingTx: Uint8Array.from(tx.toBuffer()),
      fundingOutput: 0,
      refundSignature: refund.signature,
      states: []
    }
  }

  /** Hands over a T1 whose inputs do not exist. */
  static async withT1(world: World, name: string): Promise<Stranger> {
    const stranger = await Stranger.asks(world, name)
    const tx = madeUpT1(stranger.terms, createHash('sha256').update(name).digest())
    await stranger.askForRefund({ txid: txid(tx.getId()), vout: 0 })
    stranger.#fundingTx = Uint8Array.from(tx.toBuffer())
    await stranger.handOver()
    return stranger
  }

  #fundingTx = new Uint8Array(0)

  /** T1, also again. */
  async handOver(): Promise<void> {
    await this.stream.say({ type: 'Funding', fundingTx: this.#fundingTx })
  }

  get terms(): Terms {
    const accept = this.stream.heard.find((message) => message.type === 'AcceptChannel')
    assert.ok(accept !== undefined, this.stream.refusal?.text)
    return termsOf(this.offer, accept)
  }

  get id(): string {
    return idOf(this.offer)
  }

  /** The server's close script. */
  get closeScript(): string {
    const accept = this.stream.heard.find((message) => message.type === 'AcceptChannel')
    return accept === undefined ? 'none' : toHex(accept.closeScript)
  }

  async askForRefund(outPoint: OutPoint = outPointOf(this.peer.name)): Promise<void> {
    await this.stream.say(refundRequest(this.terms, this.offer, outPoint))
  }
}

/** Of a transaction that nobody has ever seen. */
export function outPointOf(name: string): OutPoint {
  return { txid: txid(createHash('sha256').update(name).digest('hex')), vout: 0 }
}

/** The peers of a node whose messages go out as `send` says. */
export function tampering(peers: Peers, send: (link: Link, message: Message) => void): Peers {
  const wrap = (link: Link): Link => ({
    peer: link.peer,
    address: link.address,
    close: () => {
      link.close()
    },
    send: (message) => {
      send(link, message)
    }
  })
  return {
    self: peers.self,
    open: async (peer, listen) => wrap(await peers.open(peer, (link) => listen(wrap(link)))),
    onIncoming: (accept) => peers.onIncoming((link) => accept(wrap(link)))
  }
}
