/** Peers that nobody knows: each has a name of its own, promises one channel, and funds none. */
import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import { createHash } from 'node:crypto'
import type { OpenChannel } from '../../protocols/paychan/1.0/index.js'
import { unsignedRefund } from '../../src/bitcoin/refund.js'
import { refundTemplateOf } from '../../src/channel/opening-client.js'
import { termsOf } from '../../src/channel/opening-terms.js'
import { fundingScriptOf, type Terms } from '../../src/channel/terms.js'
import { toHex, txid, type OutPoint } from '../../src/types/bytes.js'
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

  /** Hands over a T1 whose inputs do not exist. */
  static async withT1(world: World, name: string): Promise<Stranger> {
    const stranger = await Stranger.asks(world, name)
    const tx = new Transaction()
    tx.version = 3
    tx.addInput(createHash('sha256').update(name).digest(), 0, 0xfffffffd)
    tx.addOutput(fundingScriptOf(stranger.terms), CAPACITY)
    tx.setWitness(0, [new Uint8Array(71).fill(1), new Uint8Array(33).fill(2)])
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
    const refundTx = unsignedRefund(refundTemplateOf(this.terms, outPoint), {
      script: this.offer.closeScript,
      value: satoshi(CAPACITY - 1_000n)
    })
    await this.stream.say({ type: 'RefundRequest', refundTx })
  }
}

/** Of a transaction that nobody has ever seen. */
export function outPointOf(name: string): OutPoint {
  return { txid: txid(createHash('sha256').update(name).digest('hex')), vout: 0 }
}
