/** The transactions of the nodes in the blocks of a devnet, and what they have paid. */
import { Transaction } from 'bitcoinjs-lib'
import type { Devnet } from '../../devnet/index.js'

export interface MinedTransaction { readonly txid: string, readonly fee: number }

export class RealChain {
  readonly transactions: MinedTransaction[] = []
  fees = 0
  #height: number

  constructor (private readonly devnet: Devnet, from: number) {
    this.#height = from
  }

  /** Up to the tip. Blocks hold nothing but a coinbase and what nodes have sent. */
  async read (): Promise<void> {
    while (this.#height < this.devnet.height) {
      const [, ...txids] = await this.devnet.backend.blockTxids(++this.#height) ?? []
      for (const txid of txids) {
        const fee = await this.#feeOf(await this.#transaction(txid))
        this.transactions.push({ txid, fee })
        this.fees += fee
      }
    }
  }

  async #feeOf ({ ins, outs }: Transaction): Promise<number> {
    let fee = -outs.reduce((sum, { value }) => sum + Number(value), 0)
    for (const { hash, index } of ins) {
      const parent = await this.#transaction(Buffer.from(hash).reverse().toString('hex'))
      fee += Number(parent.outs[index]?.value ?? 0)
    }
    return fee
  }

  async #transaction (txid: string): Promise<Transaction> {
    const found = await this.devnet.transaction(txid)
    if (found === undefined) throw new Error(`the devnet has no transaction ${txid}`)
    return Transaction.fromBuffer(Buffer.from(found.raw))
  }
}

/** From now on. */
export function chainOf (devnet: Devnet): RealChain {
  return new RealChain(devnet, devnet.height)
}
