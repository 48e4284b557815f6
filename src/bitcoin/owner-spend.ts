/**
 * Spends by the owners of coins: our wallet's signatures, and checks of the signatures of others.
 */
import { pubECDSA, signECDSA } from '@scure/btc-signer/utils.js'
import { type OutPoint, sameBytes } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { type BlockHeight, feeFor, type FeeRate, type Satoshi, satoshi } from '../types/units.js'
import { scriptOf, witnessProgram } from './address.js'
import { type EcdsaWithSecrets, fromBlock, fromDer, SIGHASH, toDer } from './ecdsa.js'
import { isSignedByBoth } from './funding-spend.js'
import { hash160, sha256 } from './hashes.js'
import type { Ecdsa } from './keys.js'
import { fundingWitnessScript, payoutWitnessScript } from './scripts.js'
import { dustLimit, MAX_SIGNATURE_BYTES, segwitVsize, witnessItemSize } from './sizes.js'
import {
  makeTransaction,
  parseTransaction,
  type Transaction,
  type TxOutput
} from './transaction.js'

/*
 * Checks that the owners of a coin have signed a transaction that spends it, as far as we know the
 * kind of its script (BIP141, BIP143).
 */

/**
 * True when a spend that no block vouches for is not signed. A txid does not cover the witnesses,
 * so that a real transaction may be shown with other ones: that counts as forged too.
 *
 * @param spent - the output that this input spends
 * @returns false also for scripts that are not ours: they cannot be judged
 */
export function isForgedSpend(
  tx: Transaction,
  index: number,
  spent: TxOutput,
  verify: Ecdsa['verify']
): boolean {
  const program = witnessProgram(spent.script)
  if (program?.version !== 0) return false
  if (program.program.length === 20) return !isSignedByKey(tx, index, spent, verify)
  if (program.program.length !== 32) return false
  const { outPoint, witness = [] } = tx.inputs[index] ?? {}
  const witnessScript = witness.at(-1)
  if (
    outPoint === undefined ||
    witnessScript === undefined ||
    !sameBytes(sha256(witnessScript), program.program)
  ) {
    return true
  }
  // The layouts are those of scripts.ts; a script that only looks like them is another one.
  const [clientKey, serverKey, payoutKey] = [
    witnessScript.slice(2, 35),
    witnessScript.slice(36, 69),
    witnessScript.slice(1, 34)
  ]
  if (isScript(witnessScript, () => fundingWitnessScript(clientKey, serverKey))) {
    return !isSignedByBoth(tx, { outPoint, value: spent.value, clientKey, serverKey }, verify)
  }
  if (!isScript(witnessScript, () => payoutWitnessScript(payoutKey))) return false
  const [der] = witness
  if (der === undefined || witness.length !== 2) return true
  try {
    const { signature, sighashType } = fromBlock(der)
    return !verify(payoutKey, tx.sighash(index, witnessScript, spent.value, sighashType), signature)
  } catch {
    return true
  }
}

/**
 * Judges each input of a transaction once: servers may show the same transactions as often as they
 * like.
 */
export class SpendJudge {
  readonly #judged = new WeakMap<Transaction, Map<number, boolean>>()
  readonly #verify: Ecdsa['verify']

  constructor(verify: Ecdsa['verify']) {
    this.#verify = verify
  }

  /**
   * As `isForgedSpend`.
   *
   * @param spent - the output that the input names: the txid in its outpoint leaves no other one
   */
  isForged(tx: Transaction, index: number, spent: TxOutput): boolean {
    const judged = this.#judged.get(tx) ?? new Map<number, boolean>()
    const isForged = judged.get(index) ?? isForgedSpend(tx, index, spent, this.#verify)
    this.#judged.set(tx, judged.set(index, isForged))
    return isForged
  }
}

/**
 * True when the owner of a P2WPKH output has signed the input that spends it.
 *
 * @param decode - the strictness of reading the signature: as blocks have it, or as mempools take
 *   it
 */
export function isSignedByKey(
  tx: Transaction,
  index: number,
  spent: TxOutput,
  verify: Ecdsa['verify'],
  decode = fromBlock
): boolean {
  const hash = spent.script.subarray(2)
  const [der, key, ...more] = tx.inputs[index]?.witness ?? []
  if (der === undefined || key === undefined || more.length > 0 || !sameBytes(hash160(key), hash)) {
    return false
  }
  try {
    const { signature, sighashType } = decode(der)
    // BIP143: the script code of P2WPKH is that of P2PKH.
    const code = scriptOf({ kind: 'p2pkh', hash })
    return verify(key, tx.sighash(index, code, spent.value, sighashType), signature)
  } catch {
    return false
  }
}

function isScript(script: Uint8Array, make: () => Uint8Array): boolean {
  try {
    return sameBytes(script, make())
  } catch {
    return false
  }
}

/* Transactions that spend P2WPKH coins, signed by the owners of the coins. */

/** A coin that is spent. */
interface SpentCoin {
  readonly outPoint: OutPoint
  readonly value: Satoshi
  readonly script: Uint8Array
  readonly sequence: number
  /** The 32 bytes that sign; undefined when others sign, later. */
  readonly secret: Uint8Array | undefined
}

/** The part of ECDSA that signs for coins. */
export type CoinEcdsa = Pick<EcdsaWithSecrets, 'publicKeyOf' | 'sign'>

/** Takes 2 ms for what libsecp256k1 does in 0.1 ms, and the same bytes come out. */
const PORTABLE: CoinEcdsa = {
  publicKeyOf: (secret) => pubECDSA(secret, true),
  sign: (secret, digest) =>
    fromDer(Uint8Array.from([...signECDSA(digest, secret), SIGHASH.ALL])).signature
}

/**
 * Signs the inputs that it has the secrets of (`ALL`, low S).
 *
 * @throws Error when the finished transaction leaves another fee than `fee`: a last look at its
 *   bytes, so that not a satoshi more than intended goes to the miner
 */
export function signSpend(plan: {
  readonly version: 2 | 3
  readonly lockTime: BlockHeight
  readonly coins: readonly SpentCoin[]
  readonly outputs: readonly TxOutput[]
  readonly fee: Satoshi
  /** One in JavaScript when left out. */
  readonly ecdsa?: CoinEcdsa | undefined
}): Transaction {
  const { version, lockTime, coins, outputs, fee, ecdsa = PORTABLE } = plan
  const unsigned = makeTransaction({ version, lockTime, inputs: coins, outputs })
  const witnesses = coins.map((coin, i) =>
    coin.secret === undefined ? [] : signed(unsigned, i, coin, coin.secret, ecdsa)
  )
  const transaction = parseTransaction(unsigned.withWitnesses(witnesses).raw)
  const spent = coins.reduce((sum, { value }) => sum + value, 0n)
  const paid = transaction.paidTo()
  if (spent - paid !== fee) {
    throw new Error(`the transaction spends ${spent}, pays ${paid}, and the fee should be ${fee}`)
  }
  return transaction
}

/** The witness of one input. */
function signed(
  tx: Transaction,
  index: number,
  { script, value }: SpentCoin,
  secret: Uint8Array,
  ecdsa: CoinEcdsa
): readonly Uint8Array[] {
  const key = ecdsa.publicKeyOf(secret)
  const hash = hash160(key)
  if (!sameBytes(script, scriptOf({ kind: 'witness', version: 0, program: hash }))) {
    throw new Error('a coin is to be signed for by a key that does not own it')
  }
  // BIP143: the script code of P2WPKH is that of P2PKH.
  const digest = tx.sighash(index, scriptOf({ kind: 'p2pkh', hash }), value, SIGHASH.ALL)
  return [toDer(ecdsa.sign(secret, digest), SIGHASH.ALL), key]
}

/* Spends of payout outputs, `P2WSH(<key> OP_CHECKSIGVERIFY 1 OP_CHECKSEQUENCEVERIFY)`. */

/** One payout output and the key that spends it. */
export interface SweepInput {
  readonly outPoint: OutPoint
  readonly value: Satoshi
  /** 33 bytes. */
  readonly key: Uint8Array
  /** Signs a 32-byte digest. Returns 64 bytes, compact, low S. */
  readonly sign: (digest: Uint8Array) => Uint8Array
}

/** BIP68: bit 31 clear, type bit 22 clear, value 1 = the output is at least one block old. */
const ONE_BLOCK = 1

/** BIP68 counts from version 2 on. */
const SWEEP_VERSION = 2

// 2 items: 1 for their number, the signature, and the 37 bytes of the script: 1 + (1 + 72) + (1 +
// 37) = 112
const PAYOUT_WITNESS_BYTES = 1 + witnessItemSize(MAX_SIGNATURE_BYTES) + witnessItemSize(37)

/** The virtual size of a sweep with the longest signatures: 111 for one input to P2WPKH. */
export function sweepVsize(inputs: number, to: Uint8Array): number {
  return segwitVsize(
    Array.from({ length: inputs }, () => PAYOUT_WITNESS_BYTES),
    [to]
  )
}

/**
 * Collects payout outputs into one output. The sweep can be mined in the block after the outputs'
 * own.
 *
 * @param to - the scriptPubKey to collect them at
 * @throws PaychanError `ERR_SWEEP_NOT_WORTH_IT` when what the fee leaves would be dust: wait for a
 * lower feerate or for more outputs.
 */
export function buildSweep(
  inputs: readonly SweepInput[],
  to: Uint8Array,
  rate: FeeRate
): { transaction: Transaction; fee: Satoshi; value: Satoshi } {
  const total = inputs.reduce((sum, { value }) => sum + value, 0n)
  const fee = feeFor(rate, sweepVsize(inputs.length, to))
  const dust = dustLimit(to)
  if (inputs.length === 0 || total < fee + dust) {
    throw new PaychanError(
      'ERR_SWEEP_NOT_WORTH_IT',
      `A sweep of ${total} sat would cost ${fee} sat and has to leave ${dust} sat: wait for a lower feerate.`,
      { total, fee, dustLimit: dust }
    )
  }
  const value = satoshi(total - fee)
  const unsigned = makeTransaction({
    version: SWEEP_VERSION,
    inputs: inputs.map(({ outPoint }) => ({ outPoint, sequence: ONE_BLOCK })),
    outputs: [{ script: to, value }]
  })
  const transaction = unsigned.withWitnesses(
    inputs.map((input, i) => {
      const script = payoutWitnessScript(input.key)
      const digest = unsigned.sighash(i, script, input.value, SIGHASH.ALL)
      return [toDer(input.sign(digest), SIGHASH.ALL), script]
    })
  )
  return { transaction, fee, value }
}
