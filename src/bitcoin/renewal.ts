/**
 * The renewal of a channel: a T1 that spends the funding output of an older channel of the same two.
 * It closes the one and funds the other.
 *
 *   version 3
 *   input     the old funding output, nSequence 0xfffffffd   witness <empty> <K1> <K2> <script>, both `ALL`
 *   input ..  coins of the client's wallet, when it tops the channel up
 *   output    the new funding output
 *   output    change of the client, when there is any
 */
import { Transaction } from 'bitcoinjs-lib'
import { sameOutPoint, txidFromHash, type OutPoint } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { subSat, type BlockHeight, type Satoshi } from '../types/units.js'
import { witnessProgram } from './destination.js'
import { SIGHASH, toDer } from './ecdsa.js'
import { fundingSpend, type FundingOutput } from './funding-spend.js'
import { fundingWitnessScript } from './scripts.js'
import { parseTransaction } from './transaction.js'

/** T1 of a renewal without coins of the wallet, as yet unsigned: what the new funding output is worth less is the fee. */
export function buildRenewal (old: FundingOutput, script: Uint8Array, capacity: Satoshi, lockTime: BlockHeight): { raw: Uint8Array, outPoint: OutPoint, fee: Satoshi } {
  const tx = fundingSpend(old, RENEWAL_VERSION, lockTime, [{ script, value: capacity }])
  return { raw: tx.toBuffer(), outPoint: { txid: txidFromHash(tx.getHash()), vout: 0 }, fee: subSat(old.value, capacity) }
}

/** TRUC (BIP431): at most 10,000 vB can be put in the way of the states of the old channel. */
const RENEWAL_VERSION = 3

/**
 * The digest of the old funding output's input (BIP143, `ALL`), which both sides sign.
 *
 * @throws PaychanError `ERR_RENEWAL_INPUT` when `raw` does not spend the output, spends it in a way that
 * cannot be replaced, or is of another version; `ERR_INVALID_TRANSACTION` when it is no transaction
 */
export function renewalSighash (raw: Uint8Array, old: FundingOutput): Uint8Array {
  const { tx, index } = parse(raw, old)
  return tx.hashForWitnessV0(index, fundingWitnessScript(old.clientKey, old.serverKey), old.value, SIGHASH.ALL)
}

/** The same transaction with both signatures, compact, which are taken as verified. @throws as `renewalSighash` */
export function completeRenewal (raw: Uint8Array, old: FundingOutput, clientSignature: Uint8Array, serverSignature: Uint8Array): Uint8Array {
  const { tx, index } = parse(raw, old)
  tx.setWitness(index, [new Uint8Array(0), toDer(clientSignature, SIGHASH.ALL), toDer(serverSignature, SIGHASH.ALL), fundingWitnessScript(old.clientKey, old.serverKey)])
  return tx.toBuffer()
}

/**
 * FUND-2: in a renewal money of the server is in T1 from the start. An input that is not SegWit would let
 * the client change the txid, and hold that money to ransom: no state of the new channel would fit. So
 * the client shows the transactions that it spends from; their txids are hashes, which cannot be made up.
 *
 * @throws PaychanError `ERR_FUNDING_NOT_SEGWIT`, `ERR_INVALID_TRANSACTION`
 */
export function requireSegwit (raw: Uint8Array, old: FundingOutput, previous: readonly Uint8Array[]): void {
  const outputs = new Map(previous.map((each) => parseTransaction(each)).map(({ txid, outputs }) => [txid, outputs]))
  const isSegwit = parseTransaction(raw).inputs.every(({ outPoint, scriptSigLength }) => {
    const script = outputs.get(outPoint.txid)?.[outPoint.vout]?.script
    return scriptSigLength === 0 && (sameOutPoint(outPoint, old.outPoint) || (script !== undefined && witnessProgram(script) !== undefined))
  })
  if (!isSegwit) throw new PaychanError('ERR_FUNDING_NOT_SEGWIT', 'Every input of the funding transaction has to spend a native SegWit output, and the client has to show those of its wallet.')
}

function parse (raw: Uint8Array, { outPoint }: FundingOutput): { tx: Transaction, index: number } {
  const { inputs, version } = parseTransaction(raw)
  const index = inputs.findIndex((input) => sameOutPoint(input.outPoint, outPoint))
  if (index === -1 || version !== RENEWAL_VERSION) {
    throw new PaychanError('ERR_RENEWAL_INPUT', `A renewal spends the funding output of the old channel in a transaction of version ${RENEWAL_VERSION}; this one is of version ${version} and ${index === -1 ? 'does not' : 'does'}.`, { version })
  }
  return { tx: Transaction.fromBuffer(raw), index }
}
