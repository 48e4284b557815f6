/** A peer without an engine: says what the test wants it to say, and keeps what it is told. */
import type {
  AcceptChannel,
  ErrorMessage,
  Message,
  OpenChannel
} from '../../protocols/paychan/1.0/index.js'
import { channelIdOf } from '../../src/bitcoin/scripts.js'
import type { Link, Peers, Signer } from '../../src/engine/ports.js'
import type { ChannelId } from '../../src/types/bytes.js'
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
    const path = { role: 'client', high: 1, low: this.#keys++ } as const
    return {
      type: 'OpenChannel',
      network: 'regtest',
      channelKey: this.signer.publicKey({ ...path, use: 'channel' }),
      payoutKey: this.signer.publicKey({ ...path, use: 'payout' }),
      closeScript: Uint8Array.from([0, 20, ...new Uint8Array(20).fill(7)]),
      capacity: CAPACITY,
      refundHeight: height + 60,
      mode: 'one-way',
      step: 0,
      txVersion: 3,
      derivation: Uint8Array.from([0, 0, 0, 1, 0, 0, 0, path.low]),
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
