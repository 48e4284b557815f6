/** A wallet that is not ours: one P2WPKH key, and PSBTs as other wallets write them. */
import { createHash } from 'node:crypto'
import { p2wpkh } from '@scure/btc-signer'
import { SigHash, Transaction } from '@scure/btc-signer/transaction.js'
import { psbtText } from '../src/bitcoin/psbt.js'
import { ecdsa } from './channel/side.js'

export interface OutsideCoin {
  readonly txid: string
  readonly vout: number
  readonly value: bigint
  readonly script?: Uint8Array
}

export interface FundingOptions {
  readonly version?: number
  readonly lockTime?: number
  readonly sequence?: number
  readonly fee?: bigint
  /** The whole transaction that each coin is of, instead of the bare output. */
  readonly previous?: Uint8Array
  readonly coinType?: number
}

export class OutsideWallet {
  readonly secret: Uint8Array
  readonly publicKey: Uint8Array
  readonly script: Uint8Array

  constructor(name = 'outside') {
    this.secret = Uint8Array.from(createHash('sha256').update(`wallet ${name}`).digest())
    this.publicKey = ecdsa.publicKeyOf(this.secret)
    this.script = p2wpkh(this.publicKey).script
  }

  /** Pays `outputs` out of coins; the change comes back. Not signed. */
  fund(
    coins: readonly OutsideCoin[],
    outputs: ReadonlyArray<{ readonly script: Uint8Array; readonly amount: bigint }>,
    options: FundingOptions = {}
  ): Transaction {
    const {
      version = 3,
      lockTime = 0,
      sequence = 0xfffffffd,
      fee = 1_000n,
      previous,
      coinType
    } = options
    const transaction = new Transaction({
      version,
      lockTime,
      allowUnknownOutputs: true,
      allowUnknownVersion: true,
      allowLegacyWitnessUtxo: true
    })
    for (const { txid, vout, value, script = this.script } of coins) {
      transaction.addInput({
        txid,
        index: vout,
        sequence,
        ...(previous === undefined
          ? { witnessUtxo: { amount: value, script } }
          : { nonWitnessUtxo: previous }),
        ...(coinType === undefined
          ? {}
          : {
              bip32Derivation: [
                [
                  this.publicKey,
                  {
                    fingerprint: 1,
                    path: [84 + 0x80000000, coinType + 0x80000000, 0x80000000, 0, 0]
                  }
                ]
              ]
            })
      })
    }
    for (const output of outputs) transaction.addOutput(output)
    const change =
      coins.reduce((sum, { value }) => sum + value, 0n) -
      outputs.reduce((sum, { amount }) => sum + amount, 0n) -
      fee
    if (change > 0n) transaction.addOutput({ script: this.script, amount: change })
    return transaction
  }

  /** Signs every input; as a PSBT, final or not. */
  sign(
    psbt: Uint8Array,
    { finalize = true, sighash = SigHash.ALL }: { finalize?: boolean; sighash?: SigHash } = {}
  ): Transaction {
    const transaction = Transaction.fromPSBT(psbt)
    for (let i = 0; i < transaction.inputsLength; i++) {
      transaction.signIdx(this.secret, i, [sighash])
    }
    if (finalize) transaction.finalize()
    return transaction
  }
}

/** As it is pasted. */
export function base64(transaction: Transaction): string {
  return psbtText(transaction.toPSBT(0))
}
