/**
 * The books of a simulation: the owner of every coin in the blocks. Every coin belongs to a wallet,
 * is a payout to be swept, or is the funding output of a channel; together with the fees they sum
 * up to the initial money, after every block.
 */
import type { Txid } from '../../types/bytes.js'
import type { CoinListener, SimChain } from '../../testing/chain.js'
import type { SimTransaction } from '../../testing/mempool.js'
import type { SimNode } from '../node.js'

interface Owned {
  readonly node: SimNode
  readonly kind: 'coin' | 'payout'
}

export type TransactionKind = 'funding' | 'close' | 'settlement' | 'refund' | 'sweep' | 'other'

/** `0 <32 bytes>` in hex. */
const P2WSH = /^0020[0-9a-f]{64}$/

export class Books implements CoinListener {
  readonly #owners = new Map<string, Owned>()
  /** Satoshis of unspent payouts in blocks, by owner. */
  readonly #payouts = new Map<SimNode, number>()
  /** Values of unspent funding outputs in blocks. */
  readonly open = new Map<string, number>()
  readonly fundedAt = new Map<string, number>()
  /** The scenario's transactions in blocks. */
  readonly confirmed = new Set<SimTransaction>()
  #minted = 0
  #coins = 0
  #fees = 0
  #locked = 0
  /** Fees paid by wallets: fundings, children and sweeps, by node. */
  readonly walletFees = new Map<SimNode, number>()
  readonly #chain: SimChain

  constructor(chain: SimChain) {
    this.#chain = chain
  }

  get fees(): number {
    return this.#fees
  }
  get locked(): number {
    return this.#locked
  }

  own(node: SimNode, script: string, kind: Owned['kind']): void {
    this.#owners.set(script, { node, kind })
  }

  payoutsOf(node: SimNode): number {
    return this.#payouts.get(node) ?? 0
  }

  ownerOf(script: string): SimNode | undefined {
    return this.#owners.get(script)?.node
  }

  /** True when the transaction of an output is in a block. */
  isConfirmed(outPoint: string): boolean {
    return (
      this.#chain.transaction(outPoint.slice(0, outPoint.lastIndexOf(':')) as Txid)?.height !==
      undefined
    )
  }

  isFunding(script: string): boolean {
    return P2WSH.test(script) && !this.#owners.has(script)
  }

  connected = (transaction: SimTransaction, height: number): void => {
    for (const { outPoint } of transaction.inputs) {
      this.#move(outPoint, this.#chain.output(outPoint), -1, height)
    }
    transaction.outputs.forEach((output, vout) => {
      this.#move(`${transaction.txid}:${vout}`, output, 1, height)
    })
    this.#count(transaction, 1)
  }

  disconnected = (transaction: SimTransaction, height: number): void => {
    this.#count(transaction, -1)
    transaction.outputs.forEach((output, vout) => {
      this.#move(`${transaction.txid}:${vout}`, output, -1, height)
    })
    for (const { outPoint } of transaction.inputs) {
      this.#move(outPoint, this.#chain.output(outPoint), 1, height)
    }
  }

  /** An error in the sums, as a sentence; undefined when there is none. */
  fault(nodes: Iterable<SimNode>): string | undefined {
    if (this.#coins + this.#fees !== this.#minted) {
      return `${this.#coins} sat of coins and ${this.#fees} sat of fees are not the ${this.#minted} sat that were given out`
    }
    let owned = this.#locked
    for (const node of nodes) owned += node.wallet.balance + this.payoutsOf(node)
    return owned === this.#coins
      ? undefined
      : `${owned} sat are owned, and there are ${this.#coins} sat of coins`
  }

  #count(transaction: SimTransaction, sign: 1 | -1): void {
    if (transaction.inputs.length === 0) {
      this.#minted += sign * transaction.outputs.reduce((sum, { value }) => sum + value, 0)
      return
    }
    this.#fees += sign * transaction.fee
    if (sign === 1) this.confirmed.add(transaction)
    else this.confirmed.delete(transaction)
    const payer = this.walletPayer(transaction)
    if (payer !== undefined) {
      this.walletFees.set(payer, (this.walletFees.get(payer) ?? 0) + sign * transaction.fee)
    }
  }

  /**
   * The node whose wallet pays the fee: the owner of the first input that is a coin or a payout.
   */
  walletPayer({ inputs }: SimTransaction): SimNode | undefined {
    for (const { outPoint } of inputs) {
      const output = this.#chain.output(outPoint)
      const owner = output === undefined ? undefined : this.#owners.get(output.script)
      if (owner !== undefined) return owner.node
    }
    return undefined
  }

  #move(
    outPoint: string,
    output: { readonly script: string; readonly value: number } | undefined,
    sign: 1 | -1,
    height: number
  ): void {
    if (output === undefined) throw new Error(`the coin ${outPoint} was never there`)
    this.#coins += sign * output.value
    const owner = this.#owners.get(output.script)
    if (owner === undefined) this.#moveFunding(outPoint, output.value, sign, height)
    else if (owner.kind === 'payout') {
      this.#payouts.set(owner.node, this.payoutsOf(owner.node) + sign * output.value)
    } else if (sign === 1) owner.node.wallet.credit(outPoint, output.value)
    else owner.node.wallet.debit(outPoint)
  }

  #moveFunding(outPoint: string, value: number, sign: 1 | -1, height: number): void {
    this.#locked += sign * value
    if (sign === -1) {
      this.open.delete(outPoint)
      return
    }
    this.open.set(outPoint, value)
    this.fundedAt.set(
      outPoint,
      this.#chain.transaction(outPoint.slice(0, outPoint.lastIndexOf(':')) as Txid)?.height ??
        height
    )
  }
}
