/**
 * What a mempool asks beyond the rules of blocks: standard forms, dust (`policy.cpp` of Bitcoin
 * Core).
 */
import type { Coin } from './coins.js'
import { Rejected } from './rejected.js'
import {
  MAX_DATA_CARRIER_SIZE,
  MAX_STANDARD_P2WSH_ITEM_SIZE,
  MAX_STANDARD_P2WSH_ITEMS,
  MAX_STANDARD_P2WSH_SCRIPT_SIZE,
  MAX_STANDARD_SCRIPTSIG_SIZE,
  MAX_STANDARD_WEIGHT,
  MIN_STANDARD_STRIPPED_SIZE,
  TRUC_VERSION
} from './rules.js'
import { dustThreshold, isPushOnly, scriptKind, witnessProgram } from './scripts.js'
import type { Tx, TxInput } from './transaction.js'

/** BIP341: the last item of a taproot witness is an annex when it starts with this byte. */
const ANNEX_TAG = 0x50

/** The form of the transaction itself (`IsStandardTx`). @throws Rejected */
export function checkStandard(tx: Tx): void {
  if (tx.version < 1 || tx.version > TRUC_VERSION) throw new Rejected('version')
  if (tx.weight > MAX_STANDARD_WEIGHT) throw new Rejected('tx-size')
  for (const { scriptSig } of tx.inputs) {
    if (scriptSig.length > MAX_STANDARD_SCRIPTSIG_SIZE) throw new Rejected('scriptsig-size')
    if (!isPushOnly(scriptSig)) throw new Rejected('scriptsig-not-pushonly')
  }
  let carriers = 0
  for (const { script } of tx.outputs) {
    const kind = scriptKind(script)
    if (kind === 'nonstandard') throw new Rejected('scriptpubkey')
    if (kind !== 'op-return') continue
    carriers += 1
    if (script.length > MAX_DATA_CARRIER_SIZE) throw new Rejected('scriptpubkey')
  }
  if (carriers > 1) throw new Rejected('multi-op-return')
  if (tx.outputs.some(({ value, script }) => value < dustThreshold(script))) {
    throw new Rejected('dust', 'tx with dust output must be 0-fee')
  }
  // CVE-2017-12842: 64 bytes can pass for an inner node of a merkle tree.
  if (tx.strippedSize < MIN_STANDARD_STRIPPED_SIZE) throw new Rejected('tx-size-small')
}

/**
 * The form of what it spends, and of its witnesses (`AreInputsStandard`, `IsWitnessStandard`).
 * @throws Rejected
 */
export function checkInputsStandard(tx: Tx, spent: readonly Coin[]): void {
  tx.inputs.forEach((input, i) => {
    const script = spent[i]?.script ?? new Uint8Array(0)
    const kind = scriptKind(script)
    if (kind === 'nonstandard' || kind === 'witness-unknown') {
      throw new Rejected('bad-txns-nonstandard-inputs')
    }
    if (!isWitnessStandard(input, kind === 'p2sh' ? redeemScript(input) : script)) {
      throw new Rejected('bad-witness-nonstandard')
    }
  })
}

/** The last push of a scriptSig that is short enough to be a witness program inside P2SH. */
function redeemScript({ scriptSig }: TxInput): Uint8Array {
  return scriptSig[0] === scriptSig.length - 1 ? scriptSig.subarray(1) : scriptSig
}

function isWitnessStandard({ witness }: TxInput, script: Uint8Array): boolean {
  if (witness.length === 0) return true
  const program = witnessProgram(script)
  // A witness for what needs none, BIP433's anchor included, only makes the transaction larger.
  if (program === undefined || scriptKind(script) === 'p2a') return false
  const last = witness.at(-1)
  if (program.version === 0 && program.program.length === 32) {
    return (
      (last?.length ?? 0) <= MAX_STANDARD_P2WSH_SCRIPT_SIZE &&
      witness.length - 1 <= MAX_STANDARD_P2WSH_ITEMS &&
      witness.slice(0, -1).every((item) => item.length <= MAX_STANDARD_P2WSH_ITEM_SIZE)
    )
  }
  if (program.version === 1 && witness.length >= 2) {
    if (last?.[0] === ANNEX_TAG) return false
    return witness.slice(0, -2).every((item) => item.length <= MAX_STANDARD_P2WSH_ITEM_SIZE)
  }
  return true
}
