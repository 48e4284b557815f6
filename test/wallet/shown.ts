/** Transactions as servers show them: real ones, signed ones, and what anybody can make up. */
import assert from 'node:assert/strict'
import * as bitcoin from 'bitcoinjs-lib'
import { signSpend } from '../../src/bitcoin/owner-spend.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import type { ChainTransaction } from '../../src/engine/ports.js'
import { hashFromTxid, type OutPoint, txid } from '../../src/types/bytes.js'
import { blockHeight, satoshi } from '../../src/types/units.js'
import { AddressBook } from '../../src/wallet/addresses.js'
import { testRoot } from './fixtures.js'

export const book = new AddressBook(testRoot('alice'), 'regtest')
export const OURS = {
  a: book.at('receive', 0).scriptPubKey,
  b: book.at('change', 0).scriptPubKey,
  c: book.at('receive', 1).scriptPubKey
} as const
export const FOREIGN = Uint8Array.from([0, 20, ...new Uint8Array(20)])
export const SOMEWHERE: OutPoint = { txid: txid('ee'.repeat(32)), vout: 0 }

export function transaction(
  inputs: readonly OutPoint[],
  outputs: ReadonlyArray<readonly [Uint8Array, number]>,
  height?: number
): ChainTransaction {
  const tx = new bitcoin.Transaction()
  for (const { txid, vout } of inputs) tx.addInput(hashFromTxid(txid), vout)
  for (const [script, value] of outputs) tx.addOutput(script, BigInt(value))
  const raw = tx.toBuffer()
  return {
    transaction: parseTransaction(raw),
    height: height === undefined ? undefined : blockHeight(height)
  }
}

/**
 * As `transaction`, spends one output of `source`, to a script of ours, and is signed; and perhaps
 * an output of others beside it, which they sign for.
 */
export function signed(
  source: ChainTransaction,
  outputs: ReadonlyArray<readonly [Uint8Array, number]>,
  beside?: OutPoint
): ChainTransaction {
  const { txid, outputs: there } = source.transaction
  const { script, value } = there[0] ?? assert.fail()
  const own = book.find(script) ?? assert.fail()
  return {
    transaction: signSpend({
      version: 2,
      lockTime: blockHeight(0),
      coins: [
        { outPoint: { txid, vout: 0 }, value, script, sequence: 1, secret: book.secret(own) },
        ...(beside === undefined
          ? []
          : [
              {
                outPoint: beside,
                value: satoshi(0n),
                script: FOREIGN,
                sequence: 1,
                secret: undefined
              }
            ])
      ],
      outputs: outputs.map(([to, sum]) => ({ script: to, value: satoshi(BigInt(sum)) })),
      fee: satoshi(value - outputs.reduce((sum, [, each]) => sum + BigInt(each), 0n))
    }),
    height: undefined
  }
}

/** The same transaction, with a witness that signs nothing. */
export function unsigned({ transaction: { raw } }: ChainTransaction): ChainTransaction {
  const tx = bitcoin.Transaction.fromBuffer(raw)
  tx.setWitness(0, [new Uint8Array(71).fill(1), new Uint8Array(33).fill(2)])
  return { transaction: parseTransaction(tx.toBuffer()), height: undefined }
}
