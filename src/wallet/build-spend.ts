/** Builds and signs a transaction that spends the wallet's P2WPKH coins. */
import { SigHash, Transaction } from '@scure/btc-signer/transaction.js'
import { parseTransaction } from '../bitcoin/transaction.js'
import type { BlockHeight, Satoshi } from '../types/units.js'
import type { OwnInput } from './outgoing.js'

/**
 * Signals BIP125, so that old servers too let it be replaced; `nLockTime` counts, relative locks
 * are off.
 */
const SEQUENCE = 0xfffffffd

export interface SpendPlan {
  readonly version: 2 | 3
  readonly inputs: readonly OwnInput[]
  readonly outputs: ReadonlyArray<{ readonly script: Uint8Array; readonly amount: Satoshi }>
  readonly fee: Satoshi
  /**
   * The height of the tip: a miner gains nothing by mining the block that is there once more (fee
   * sniping).
   */
  readonly lockTime: BlockHeight
  readonly secretOf: (script: Uint8Array) => Uint8Array
}

/** The signed transaction (`ALL`, low S). */
export function buildSpend({
  version,
  inputs,
  outputs,
  fee,
  lockTime,
  secretOf
}: SpendPlan): Uint8Array {
  const transaction = new Transaction({ version, lockTime, allowUnknownOutputs: true })
  for (const { outPoint, value, script } of inputs) {
    transaction.addInput({
      txid: outPoint.txid,
      index: outPoint.vout,
      sequence: SEQUENCE,
      witnessUtxo: { amount: value, script }
    })
  }
  for (const output of outputs) transaction.addOutput(output)
  inputs.forEach(({ script }, i) => transaction.signIdx(secretOf(script), i, [SigHash.ALL]))
  transaction.finalize()
  const raw = transaction.extract()
  // A last look at the finished bytes: not a satoshi more goes to the fee than was meant to.
  const spent = inputs.reduce((sum, { value }) => sum + value, 0n)
  const paid = parseTransaction(raw).outputs.reduce((sum, { value }) => sum + value, 0n)
  if (spent - paid !== fee) {
    throw new Error(`the transaction spends ${spent}, pays ${paid}, and the fee should be ${fee}`)
  }
  return raw
}
