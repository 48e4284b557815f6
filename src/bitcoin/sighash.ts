/**
 * The digests that signatures of SegWit inputs sign (BIP143). The three parts that the inputs of a
 * transaction have in common are hashed once: hashed for each input, they would make the work grow
 * with the square of their number.
 */
import { concat } from 'uint8arrays'
import { hashFromTxid, type OutPoint } from '../types/bytes.js'
import { SIGHASH } from './ecdsa.js'
import { hash256 } from './hashes.js'

/** The parts of a transaction that are signed. */
interface Signed {
  readonly version: number
  readonly lockTime: number
  readonly inputs: ReadonlyArray<{ readonly outPoint: OutPoint; readonly sequence: number }>
  readonly outputs: ReadonlyArray<{ readonly script: Uint8Array; readonly value: bigint }>
}

/** Stands where a signature leaves a part open. */
const OPEN = new Uint8Array(32)

/** The type without ANYONECANPAY and what nobody has given a meaning. */
const OUTPUT_MASK = 0x1f

export class Digests {
  #outPoints: Uint8Array | undefined
  #sequences: Uint8Array | undefined
  #outputs: Uint8Array | undefined
  readonly #signed: Signed

  constructor(signed: Signed) {
    this.#signed = signed
  }

  /**
   * The digest of one input.
   *
   * @param value - value of the spent output, in satoshis
   * @throws RangeError when there is no such input
   */
  of(index: number, scriptCode: Uint8Array, value: bigint, type: number): Uint8Array {
    const { version, lockTime, inputs, outputs } = this.#signed
    const input = inputs[index]
    if (input === undefined) throw new RangeError(`the transaction has no input ${index}`)
    const isOfAllInputs = (type & SIGHASH.ANYONECANPAY) === 0
    const part = type & OUTPUT_MASK
    const isOfAllOutputs = part !== SIGHASH.SINGLE && part !== SIGHASH.NONE
    const own = part === SIGHASH.SINGLE ? outputs[index] : undefined
    return hash256(
      concat([
        uint32(version),
        isOfAllInputs
          ? (this.#outPoints ??= hash256(concat(inputs.map(({ outPoint }) => spent(outPoint)))))
          : OPEN,
        isOfAllInputs && isOfAllOutputs
          ? (this.#sequences ??= hash256(concat(inputs.map(({ sequence }) => uint32(sequence)))))
          : OPEN,
        spent(input.outPoint),
        counted(scriptCode),
        uint64(value),
        uint32(input.sequence),
        isOfAllOutputs
          ? (this.#outputs ??= hash256(concat(outputs.map(paid))))
          : own === undefined
            ? OPEN
            : hash256(paid(own)),
        uint32(lockTime),
        uint32(type)
      ])
    )
  }
}

function spent({ txid, vout }: OutPoint): Uint8Array {
  return concat([hashFromTxid(txid), uint32(vout)])
}

function paid({ script, value }: Signed['outputs'][number]): Uint8Array {
  return concat([uint64(value), counted(script)])
}

/** Bytes behind their number, which takes 1, 3 or 5 bytes. */
function counted(bytes: Uint8Array): Uint8Array {
  const { length } = bytes
  const number = uint32(length)
  const prefix =
    length < 0xfd
      ? number.subarray(0, 1)
      : length <= 0xffff
        ? [0xfd, ...number.subarray(0, 2)]
        : [0xfe, ...number]
  return concat([Uint8Array.from(prefix), bytes])
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value, true)
  return bytes
}

function uint64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, value, true)
  return bytes
}
