/** Transactions that spend P2WPKH coins, signed by those who own them. */
import { SigHash, Transaction as Signing } from '@scure/btc-signer/transaction.js'
import type { OutPoint } from '../types/bytes.js'
import type { BlockHeight, Satoshi } from '../types/units.js'
import { parseTransaction, type Transaction, type TxOutput } from './transaction.js'

/** A coin that is spent. */
export interface SpentCoin {
  readonly outPoint: OutPoint
  readonly value: Satoshi
  readonly script: Uint8Array
  readonly sequence: number
  /** The 32 bytes that sign; undefined where others do, later. */
  readonly secret: Uint8Array | undefined
}

/**
 * Signs what it has the secrets of (`ALL`, low S).
 *
 * @throws Error when the finished transaction leaves another fee than `fee`: a last look at its
 *   bytes, for not a satoshi more goes to the miner than was meant to
 */
export function signSpend(plan: {
  readonly version: 2 | 3
  readonly lockTime: BlockHeight
  readonly coins: readonly SpentCoin[]
  readonly outputs: readonly TxOutput[]
  readonly fee: Satoshi
}): Transaction {
  const { version, lockTime, coins, outputs, fee } = plan
  const signing = new Signing({ version, lockTime, allowUnknownOutputs: true })
  for (const { outPoint, value, script, sequence } of coins) {
    signing.addInput({
      txid: outPoint.txid,
      index: outPoint.vout,
      sequence,
      witnessUtxo: { amount: value, script }
    })
  }
  for (const { script, value } of outputs) signing.addOutput({ script, amount: value })
  for (const [i, { secret }] of coins.entries()) {
    if (secret === undefined) continue
    signing.signIdx(secret, i, [SigHash.ALL])
    signing.finalizeIdx(i)
  }
  const transaction = parseTransaction(signing.toBytes(true, true))
  const spent = coins.reduce((sum, { value }) => sum + value, 0n)
  const paid = transaction.paidTo()
  if (spent - paid !== fee) {
    throw new Error(`the transaction spends ${spent}, pays ${paid}, and the fee should be ${fee}`)
  }
  return transaction
}
