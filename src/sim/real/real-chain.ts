/** The nodes' transactions in the blocks of a devnet, and their fees. */
import { parseTransaction, type Transaction } from '../../bitcoin/transaction.js'
import type { Devnet } from '../../devnet/index.js'
import { toHex } from '../../types/bytes.js'

interface MinedTransaction {
  readonly txid: string
  readonly fee: number
}

interface ReadBlock {
  readonly header: string
  readonly transactions: readonly MinedTransaction[]
}

export class RealChain {
  readonly #blocks: ReadBlock[] = []
  readonly #from: number
  readonly #devnet: Devnet

  constructor(devnet: Devnet, from: number) {
    this.#devnet = devnet
    this.#from = from
  }

  get transactions(): readonly MinedTransaction[] {
    return this.#blocks.flatMap(({ transactions }) => transactions)
  }

  get fees(): number {
    return this.transactions.reduce((sum, { fee }) => sum + fee, 0)
  }

  /** Reads up to the tip. Blocks hold only a coinbase and the nodes' transactions. */
  async read(): Promise<void> {
    await this.#dropTakenBack()
    while (this.#height < this.#devnet.height) {
      const height = this.#height + 1
      const [, ...txids] = (await this.#devnet.backend.blockTxids(height)) ?? []
      this.#blocks.push({
        header: await this.#header(height),
        transactions: await Promise.all(
          txids.map(async (txid) => ({
            txid,
            fee: await this.#feeOf(await this.#transaction(txid))
          }))
        )
      })
    }
  }

  get #height(): number {
    return this.#from + this.#blocks.length
  }

  async #dropTakenBack(): Promise<void> {
    for (
      let last = this.#blocks.at(-1);
      last !== undefined && last.header !== (await this.#header(this.#height));
      last = this.#blocks.at(-1)
    ) {
      this.#blocks.pop()
    }
  }

  async #header(height: number): Promise<string> {
    return toHex((await this.#devnet.backend.header(height)) ?? new Uint8Array(0))
  }

  async #feeOf(transaction: Transaction): Promise<number> {
    let fee = -Number(transaction.paidTo())
    for (const { outPoint } of transaction.inputs) {
      const parent = await this.#transaction(outPoint.txid)
      fee += Number(parent.outputs[outPoint.vout]?.value ?? 0)
    }
    return fee
  }

  async #transaction(txid: string): Promise<Transaction> {
    const found = await this.#devnet.transaction(txid)
    if (found === undefined) throw new Error(`the devnet has no transaction ${txid}`)
    return parseTransaction(found.raw)
  }
}

/** Starts at the present tip. */
export function chainOf(devnet: Devnet): RealChain {
  return new RealChain(devnet, devnet.height)
}
