/** The scriptPubKeys that have an address: their forms, and which of them Bitcoin Core relays. */
import { opcodes } from 'bitcoinjs-lib'

const {
  OP_0,
  OP_1,
  OP_16,
  OP_DUP,
  OP_HASH160,
  OP_EQUALVERIFY,
  OP_CHECKSIG,
  OP_EQUAL
}: Readonly<Record<keyof typeof opcodes, number>> = opcodes

/** What a scriptPubKey of a known form pays to. */
export type Destination =
  | { readonly kind: 'p2pkh' | 'p2sh'; readonly hash: Uint8Array }
  | { readonly kind: 'witness'; readonly version: number; readonly program: Uint8Array }

/** The scriptPubKey that pays to a destination. */
export function scriptOf(to: Destination): Uint8Array {
  switch (to.kind) {
    case 'p2pkh':
      return Uint8Array.from([OP_DUP, OP_HASH160, 20, ...to.hash, OP_EQUALVERIFY, OP_CHECKSIG])
    case 'p2sh':
      return Uint8Array.from([OP_HASH160, 20, ...to.hash, OP_EQUAL])
    case 'witness':
      return Uint8Array.from([
        to.version === 0 ? OP_0 : OP_1 - 1 + to.version,
        to.program.length,
        ...to.program
      ])
  }
}

/** What a scriptPubKey pays to; undefined when it has another form. */
export function destinationOf(script: Uint8Array): Destination | undefined {
  const witness = witnessProgram(script)
  if (witness !== undefined) return { kind: 'witness', ...witness }
  if (
    script.length === 25 &&
    starts(script, OP_DUP, OP_HASH160, 20) &&
    script[23] === OP_EQUALVERIFY &&
    script[24] === OP_CHECKSIG
  ) {
    return { kind: 'p2pkh', hash: script.slice(3, 23) }
  }
  if (script.length === 23 && starts(script, OP_HASH160, 20) && script[22] === OP_EQUAL) {
    return { kind: 'p2sh', hash: script.slice(2, 22) }
  }
  return undefined
}

/**
 * Version and program of a witness program, after `CScript::IsWitnessProgram` of Bitcoin Core:
 * OP_0 or OP_1 to OP_16, then one direct push of 2 to 40 bytes, and nothing else.
 */
export function witnessProgram(
  script: Uint8Array
): { version: number; program: Uint8Array } | undefined {
  const [opcode, length] = script
  if (opcode === undefined || length === undefined || script.length < 4 || script.length > 42) {
    return undefined
  }
  if (opcode !== OP_0 && (opcode < OP_1 || opcode > OP_16)) return undefined
  if (length + 2 !== script.length) return undefined
  return { version: opcode === OP_0 ? 0 : opcode - OP_1 + 1, program: script.slice(2) }
}

/**
 * Whether an output to this script is relayed by Bitcoin Core and has an address: P2PKH, P2SH, and
 * witness programs as `Solver` of script/solver.cpp sorts them, which are version 0 with 20 or 32
 * bytes, and every program of version 1 to 16 (`WITNESS_V1_TAPROOT`, `ANCHOR`, `WITNESS_UNKNOWN`).
 * A version 0 program of another length could never be spent. Bare keys, bare multisig and data
 * outputs are relayed too, but nobody has to accept them here.
 */
export function isStandardScript(script: Uint8Array): boolean {
  const to = destinationOf(script)
  if (to === undefined) return false
  return (
    to.kind !== 'witness' ||
    to.version !== 0 ||
    to.program.length === 20 ||
    to.program.length === 32
  )
}

function starts(script: Uint8Array, ...bytes: number[]): boolean {
  return bytes.every((byte, i) => script[i] === byte)
}
