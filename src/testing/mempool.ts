/**
 * Transactions of the virtual chain, and the checks of its mempool, as far as channels depend on
 * them: the rules of Bitcoin Core, in its words.
 */
import { isSignedByBoth } from '../bitcoin/funding-spend.js'
import { fundingScript } from '../bitcoin/funding.js'
import type { Ecdsa } from '../bitcoin/keys.js'
import { dustLimit, MAX_SIGNATURE_BYTES } from '../bitcoin/sizes.js'
import type { Transaction } from '../bitcoin/transaction.js'
import { outPointText, toHex, type Txid } from '../types/bytes.js'
import { LOCKTIME_THRESHOLD, satoshi } from '../types/units.js'

/* A transaction as the simulated chain keeps it: read once, amounts as numbers of satoshis. */

interface SimInput {
  readonly outPoint: string
  readonly parent: Txid
  readonly sequence: number
  readonly witness: readonly Uint8Array[]
}
interface SimOutput {
  readonly script: string
  readonly value: number
}

export interface SimTransaction {
  readonly txid: Txid
  /** Undefined for money that exists from the beginning. */
  readonly transaction: Transaction | undefined
  readonly version: number
  readonly lockTime: number
  readonly inputs: readonly SimInput[]
  readonly outputs: readonly SimOutput[]
  /**
   * Virtual bytes with the longest signatures, so that runs with and without real signatures are
   * the same.
   */
  readonly vsize: number
  /** The fee in satoshis; set when the transaction comes in. */
  fee: number
  /** The height of its block; undefined in the mempool. */
  height: number | undefined
  /** The position in the order in which transactions came. */
  order: number
  readonly hasDust: boolean
}

export function readSimTransaction(transaction: Transaction): SimTransaction {
  const { txid, version, lockTime, inputs, outputs, weight } = transaction
  const shortened = inputs.reduce(
    (sum, { witness }) => sum + witness.reduce((bytes, item) => bytes + missingBytes(item), 0),
    0
  )
  return {
    txid,
    transaction,
    version,
    lockTime,
    inputs: inputs.map(({ outPoint, sequence, witness }) => ({
      outPoint: outPointText(outPoint),
      parent: outPoint.txid,
      sequence,
      witness
    })),
    outputs: outputs.map(({ script, value }) => ({ script: toHex(script), value: Number(value) })),
    vsize: Math.ceil((weight + shortened) / 4),
    fee: 0,
    height: undefined,
    order: 0,
    hasDust: outputs.some(({ script, value }) => value < dustLimit(script))
  }
}

/**
 * A DER signature with its sighash byte has 72 bytes or some fewer; nothing else in our witnesses
 * has that length and the same first byte.
 */
function missingBytes(item: Uint8Array): number {
  return item[0] === 0x30 &&
    item.length >= MAX_SIGNATURE_BYTES - 4 &&
    item.length < MAX_SIGNATURE_BYTES
    ? MAX_SIGNATURE_BYTES - item.length
    : 0
}

/** Satoshis per virtual byte. */
export function rateOf(transactions: readonly SimTransaction[]): number {
  return (
    transactions.reduce((sum, { fee }) => sum + fee, 0) /
    Math.max(
      1,
      transactions.reduce((sum, { vsize }) => sum + vsize, 0)
    )
  )
}

/**
 * Checks that both sides have signed the spend of a funding output, as every mempool and miner
 * does. Other scripts are taken as signed.
 */

/** `2 <K1> <K2> 2 OP_CHECKMULTISIG`: 1 + 34 + 34 + 1 + 1 bytes. */
const FUNDING_WITNESS_SCRIPT_BYTES = 71

/** The two keys of a witness script; undefined when it is not a 2-of-2. */
export function keysOf(
  witnessScript: Uint8Array | undefined
): { readonly clientKey: Uint8Array; readonly serverKey: Uint8Array } | undefined {
  if (witnessScript?.length !== FUNDING_WITNESS_SCRIPT_BYTES) return undefined
  return { clientKey: witnessScript.slice(2, 35), serverKey: witnessScript.slice(36, 69) }
}

/**
 * Gives the fault of the first input that is not signed as its output asks for; undefined when all
 * inputs are.
 */
export function fundingJudge(verify: Ecdsa['verify']) {
  return (
    transaction: SimTransaction,
    spent: (outPoint: string) => { readonly script: string; readonly value: number } | undefined
  ): string | undefined => {
    const { transaction: signed } = transaction
    for (const { outPoint, parent, witness } of transaction.inputs) {
      const keys = keysOf(witness.at(-1))
      if (keys === undefined) continue
      const output = spent(outPoint)
      const vout = Number(outPoint.slice(outPoint.lastIndexOf(':') + 1))
      if (output?.script !== toHex(fundingScript(keys.clientKey, keys.serverKey))) {
        return 'mandatory-script-verify-flag-failed (Witness program hash mismatch)'
      }
      if (
        signed === undefined ||
        !isSignedByBoth(
          signed,
          { outPoint: { txid: parent, vout }, value: satoshi(BigInt(output.value)), ...keys },
          verify
        )
      ) {
        return 'mandatory-script-verify-flag-failed (Signature must be zero for failed CHECK(MULTI)SIG operation)'
      }
    }
    return undefined
  }
}

export interface ChainFacts {
  /**
   * In sat/vB: the least rate of a transaction, and its least excess over the one that it replaces.
   */
  readonly relayRate: number
  /** True when a transaction is replaced that does not say that it can be. */
  readonly fullRbf: boolean
  readonly height: number
  readonly parent: (id: Txid) => SimTransaction | undefined
  /** The transaction that spends an output in a block. */
  readonly confirmedSpender: (outPoint: string) => SimTransaction | undefined
  /** The transactions that it would replace, descendants included. */
  readonly conflictsOf: (transaction: SimTransaction) => readonly SimTransaction[]
  readonly childOf: (parent: SimTransaction) => SimTransaction | undefined
}

/** BIP431. */
const MAX_TRUC_VSIZE = 10_000
const MAX_TRUC_CHILD_VSIZE = 1_000
/**
 * The parts of nSequence in BIP68: the disable flag, the type flag (set: time), the number of
 * blocks.
 */
const SEQUENCE_DISABLE = 0x80000000
const SEQUENCE_TYPE = 0x400000
const SEQUENCE_VALUE = 0xffff
const FINAL_SEQUENCE = 0xffffffff
/** BIP125: the highest nSequence that says of its transaction that it can be replaced. */
const REPLACEABLE_SEQUENCE = 0xfffffffd

/** The reason for a refusal; undefined when the transaction is taken. Its fee has to be set. */
export function faultOf(transaction: SimTransaction, facts: ChainFacts): string | undefined {
  return (
    lockFault(transaction, facts) ??
    inputFault(transaction, facts) ??
    feeFault(transaction, facts) ??
    trucFault(transaction, facts) ??
    replacementFault(transaction, facts.conflictsOf(transaction), facts)
  )
}

function lockFault(
  { lockTime, inputs }: SimTransaction,
  { height }: ChainFacts
): string | undefined {
  return lockTime > height &&
    lockTime < LOCKTIME_THRESHOLD &&
    inputs.some(({ sequence }) => sequence !== FINAL_SEQUENCE)
    ? 'non-final'
    : undefined
}

function inputFault(
  { inputs, version }: SimTransaction,
  { height, parent, confirmedSpender }: ChainFacts
): string | undefined {
  for (const { outPoint, parent: id, sequence } of inputs) {
    const from = parent(id)
    const vout = Number(outPoint.slice(outPoint.lastIndexOf(':') + 1))
    if (from?.outputs[vout] === undefined || confirmedSpender(outPoint) !== undefined) {
      return 'bad-txns-inputs-missingorspent'
    }
    const isRelative =
      version >= 2 && sequence < SEQUENCE_DISABLE && (sequence & SEQUENCE_TYPE) === 0
    // With n as the lock, the coin needs n confirmations in the block that would come next.
    if (isRelative && (from.height ?? height + 1) + (sequence & SEQUENCE_VALUE) > height + 1) {
      return 'non-BIP68-final'
    }
  }
  return undefined
}

function feeFault(
  { fee, vsize, hasDust }: SimTransaction,
  { relayRate }: ChainFacts
): string | undefined {
  if (fee < 0) return 'bad-txns-in-belowout'
  if (hasDust) return 'dust'
  const least = Math.ceil(vsize * relayRate)
  return fee < least ? `min relay fee not met, ${fee} < ${least}` : undefined
}

/** BIP431: version 3 is small, and has one unconfirmed parent or child of version 3 at most. */
function trucFault(
  transaction: SimTransaction,
  { parent, childOf, conflictsOf }: ChainFacts
): string | undefined {
  const { version, vsize, inputs } = transaction
  if (version === 3 && vsize > MAX_TRUC_VSIZE) return 'TRUC-violation, version=3 tx is too big'
  const parents = new Set(
    inputs.flatMap(({ parent: id }) => {
      const from = parent(id)
      return from === undefined || from.height !== undefined ? [] : [from]
    })
  )
  if (parents.size === 0) return undefined
  for (const each of parents) {
    if ((each.version === 3) !== (version === 3)) {
      return version === 3 ? 'truc-spends-nontruc' : 'nontruc-spends-truc'
    }
    if (version !== 3) continue
    const sibling = childOf(each)
    if (
      parents.size > 1 ||
      vsize > MAX_TRUC_CHILD_VSIZE ||
      (sibling !== undefined &&
        sibling !== transaction &&
        !conflictsOf(transaction).includes(sibling))
    ) {
      return 'TRUC-violation'
    }
  }
  return undefined
}

/**
 * BIP125, rule 1 where mempools hold to it, rules 3 and 4, and Bitcoin Core's addition: a higher
 * rate than each replaced transaction.
 */
function replacementFault(
  transaction: SimTransaction,
  replaced: readonly SimTransaction[],
  { relayRate, fullRbf }: ChainFacts
): string | undefined {
  if (replaced.length === 0) return undefined
  const rivals = replaced.filter((other) =>
    transaction.inputs.some(({ outPoint }) =>
      other.inputs.some((input) => input.outPoint === outPoint)
    )
  )
  if (!fullRbf && !rivals.every(isReplaceable)) return 'txn-mempool-conflict'
  const least =
    replaced.reduce((sum, { fee }) => sum + fee, 0) + Math.ceil(transaction.vsize * relayRate)
  const isCheaper = rivals.some((other) => rateOf([transaction]) <= rateOf([other]))
  return transaction.fee < least || isCheaper
    ? `insufficient fee, rejecting replacement ${transaction.txid}`
    : undefined
}

/** What says that it can be replaced, and all of version 3 (BIP431, rule 1). */
function isReplaceable({ version, inputs }: SimTransaction): boolean {
  return version === 3 || inputs.some(({ sequence }) => sequence <= REPLACEABLE_SEQUENCE)
}

/**
 * Selects the transactions of the next block. The rest of the world fills it: at the rate R of the
 * fee source it is just full. A transaction of ours takes the place of the cheapest of the others;
 * half as many of the others pay twice the rate. So with n vB of ours in a block of B vB the
 * threshold is R x B / (B - n): R when ours are few, twice R when ours take half of the block. The
 * first fiftieth of the block does not count: such amounts come and go by chance.
 */

/** A transaction, or one with the child that pays for it (CPFP). */
interface Package {
  readonly transactions: readonly SimTransaction[]
  readonly rate: number
  readonly vsize: number
  readonly order: number
}

const BY_CHANCE = 1 / 50

/** `threshold`: the rate that got into the block, in sat/vB. */
interface BlockTemplate {
  readonly transactions: readonly SimTransaction[]
  readonly threshold: number
}

/**
 * @param rate - the rate for the next block, in sat/vB
 * @param childOf - the one child in the mempool that spends from a transaction (version 3 allows no
 *   more)
 */
export function blockTemplate(
  mempool: Iterable<SimTransaction>,
  rate: number,
  blockVsize: number,
  childOf: (parent: SimTransaction) => SimTransaction | undefined,
  hasParent: (child: SimTransaction) => boolean
): BlockTemplate {
  const packages: Package[] = []
  for (const transaction of mempool) {
    if (!hasParent(transaction)) packages.push(...packagesOf(transaction, childOf(transaction)))
  }
  packages.sort((a, b) => (a.rate === b.rate ? a.order - b.order : b.rate - a.rate))
  const taken = new Set<SimTransaction>()
  let used = 0
  for (const { transactions, rate: offered, vsize } of packages) {
    if (used + vsize >= blockVsize || offered < thresholdWith(rate, used + vsize, blockVsize)) {
      continue
    }
    used += vsize
    for (const transaction of transactions) taken.add(transaction)
  }
  return { transactions: [...taken], threshold: thresholdWith(rate, used, blockVsize) }
}

function thresholdWith(rate: number, ours: number, blockVsize: number): number {
  return (rate * blockVsize) / (blockVsize - Math.max(0, ours - blockVsize * BY_CHANCE))
}

/**
 * Groups a parent and its child. A child counts for its parent when it pays a higher rate;
 * otherwise it comes after the parent, if at all.
 */
function packagesOf(parent: SimTransaction, child: SimTransaction | undefined): Package[] {
  const alone = {
    transactions: [parent],
    rate: rateOf([parent]),
    vsize: parent.vsize,
    order: parent.order
  }
  if (child === undefined) return [alone]
  const both = {
    transactions: [parent, child],
    rate: rateOf([parent, child]),
    vsize: parent.vsize + child.vsize,
    order: parent.order
  }
  if (both.rate > alone.rate) return [both]
  return [
    alone,
    {
      transactions: [child],
      rate: Math.min(rateOf([child]), alone.rate),
      vsize: child.vsize,
      order: child.order
    }
  ]
}
