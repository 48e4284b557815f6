/**
 * The port `Wallet` for as many channels as a bench opens: each T1 spends a coin of its own that is
 * made up, and nobody asks for its signature.
 */
import { makeTransaction } from '../src/bitcoin/transaction.js'
import type { BuiltFunding, FundingRequest, Wallet } from '../src/engine/ports.js'
import { txid } from '../src/types/bytes.js'
import { satoshi, type Satoshi } from '../src/types/units.js'

/** Of a P2WPKH input: the longest signature, and a key. */
const WITNESS = [new Uint8Array(72).fill(0x30), new Uint8Array(33).fill(0x02)]
const FEE = satoshi(200n)
const CHANGE = satoshi(50_000n)

export class BenchWallet implements Wallet {
  #scripts = 0

  async newScript(): Promise<Uint8Array> {
    const script = new Uint8Array(22)
    script[1] = 20
    new DataView(script.buffer).setUint32(2, ++this.#scripts)
    return script
  }

  closeScript(index: number): Uint8Array {
    const script = new Uint8Array(22)
    script[1] = 20
    script[21] = 1
    new DataView(script.buffer).setUint32(2, index)
    return script
  }

  async recognise(): Promise<boolean> {
    return true
  }

  checkFunds(): Satoshi {
    return satoshi(0n)
  }

  /** A coin, the channel, change. */
  async buildFunding({ channel, scriptPubKey, amount }: FundingRequest): Promise<BuiltFunding> {
    const { raw, txid: id } = makeTransaction({
      version: 3,
      // The id of a channel is a hash, and so is that of a transaction: no two coins are the same.
      inputs: [
        { outPoint: { txid: txid(channel), vout: 0 }, sequence: 0xfffffffe, witness: WITNESS }
      ],
      outputs: [
        { script: scriptPubKey, value: amount },
        { script: await this.newScript(), value: CHANGE }
      ]
    })
    return { raw, outPoint: { txid: id, vout: 0 }, fee: FEE }
  }

  async releaseFunding(): Promise<void> {}
  async bumpFunding(): Promise<void> {}
  async claim(): Promise<void> {}
}
