/** Peers that nobody knows: each has a name of its own, promises one channel, and funds none. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { OpenChannel } from '../../protocols/paychan/1.0/index.js'
import { unsignedRefund } from '../../src/bitcoin/refund.js'
import { refundTemplateOf } from '../../src/channel/opening-client.js'
import { termsOf } from '../../src/channel/opening-terms.js'
import { toHex, txid } from '../../src/types/bytes.js'
import { satoshi } from '../../src/types/units.js'
import { idOf, RawPeer, type RawStream } from './raw-peer.js'
import { CAPACITY, type World } from './world.js'

export class Stranger {
  private constructor(
    readonly peer: RawPeer,
    readonly stream: RawStream,
    readonly offer: OpenChannel
  ) {}

  /** Offers a channel; whether it was taken shows in `stream.refusal`. */
  static async asks(world: World, name: string): Promise<Stranger> {
    const peer = new RawPeer(world, name)
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

  get id(): string {
    return idOf(this.offer)
  }

  /** The server's close script. */
  get closeScript(): string {
    const accept = this.stream.heard.find((message) => message.type === 'AcceptChannel')
    return accept === undefined ? 'none' : toHex(accept.closeScript)
  }

  async askForRefund(funding = this.peer.name): Promise<void> {
    const accept = this.stream.heard.find((message) => message.type === 'AcceptChannel')
    assert.ok(accept !== undefined, this.stream.refusal?.text)
    const outPoint = { txid: txid(createHash('sha256').update(funding).digest('hex')), vout: 0 }
    const refundTx = unsignedRefund(refundTemplateOf(termsOf(this.offer, accept), outPoint), {
      script: this.offer.closeScript,
      value: satoshi(CAPACITY - 1_000n)
    })
    await this.stream.say({ type: 'RefundRequest', refundTx })
  }
}
