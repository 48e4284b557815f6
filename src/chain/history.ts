/**
 * Fetches the history of one script from a server and believes none of it: every transaction must
 * hash to its id and concern the script, every confirmation must be proved against our headers.
 * (Omissions of a server cannot be found this way, except of what it has proved before.)
 */
import type { SpendJudge } from '../bitcoin/owner-spend.js'
import {
  parseTransaction,
  readableTransaction,
  type Transaction,
  type TxOutput
} from '../bitcoin/transaction.js'
import type { ChainTransaction, ScriptWatcher } from '../engine/ports.js'
import {
  fromHex,
  outPointText,
  sameBytes,
  toHex,
  type OutPoint,
  type Txid
} from '../types/bytes.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import { blockHeight } from '../types/units.js'
import { checkMerkleProof, INNER_NODE_SIZE, type MerkleProof, merkleRoot } from './header.js'
import { extendDown, type HeaderSource } from './header-sync.js'
import type { HeaderChain } from './headers.js'
import { type SharedFetches, type UnprovedBudget, UnprovedShare } from './shared-costs.js'
import type { HistoryEntry } from './electrum/session.js'

/**
 * The most bytes of proved transactions that do not concern a script, before the server has lied:
 * as many as a block has, since a server may mix up the order within one.
 */
const MAX_FOREIGN_BYTES = 4_000_000

/** Number of transactions of one script that are fetched at once. */
const FETCHED_AT_ONCE = 16

/** The calls to a server. */
export interface HistorySource extends HeaderSource {
  /** `script`: in hex. */
  history: (script: string) => Promise<HistoryEntry[]>
  /**
   * The transaction that makes one output of the script, and the one that spends it; undefined
   * where the server cannot tell that alone.
   */
  readonly outPointHistory?:
    ((outPoint: OutPoint, script: string) => Promise<HistoryEntry[]>) | undefined
  transaction: (id: Txid) => Promise<Uint8Array>
  merkleProof: (id: Txid, height: number) => Promise<MerkleProof>
}

interface HistoryContext {
  readonly source: HistorySource
  readonly headers: HeaderChain
  /** The transactions that the scripts of this server have fetched. */
  readonly shared: SharedFetches
  /**
   * Checks that the owner of the coins has signed transactions that no block vouches for; left out:
   * no check.
   */
  readonly judge?: SpendJudge | undefined
  /** Asks the server for its tip once more and brings `headers` there. */
  readonly catchUp: () => Promise<void>
  /** Transactions that are kept elsewhere anyway: bytes that are the same are not kept twice. */
  readonly kept?: ScriptWatcher['kept']
  readonly known?: ScriptWatcher['known']
  readonly outPoint?: ScriptWatcher['outPoint']
}

/**
 * Like `ChainTransaction`, with the hash of the block that it is proved to be in; without a hash
 * while in the mempool.
 */
export interface ProvedTransaction extends ChainTransaction {
  readonly block?: string
}

/**
 * The verified history of one script, and the parts that need not be fetched and proved again.
 * There is one for every watched script, so it keeps little.
 */
export class VerifiedHistory {
  #history: readonly ProvedTransaction[] = []
  /**
   * Transactions fetched, and proved, by loads that failed: a server that loses answers gives the
   * whole bit by bit.
   */
  #partial: Map<Txid, ProvedTransaction> | undefined
  /** The part that no block vouches for; proved transactions have paid for their space. */
  readonly #share: UnprovedShare
  /** True when the last load has left out some of the waiting transactions. */
  isCut = false
  /**
   * True when the server would not tell the history of the script, and has told that of the one
   * output that matters.
   */
  isPart = false

  /** The script in hex, which takes a third of the memory of an array. */
  readonly script: string

  /** @param budget - shared by all scripts of a server */
  constructor(scriptPubKey: Uint8Array, budget: UnprovedBudget) {
    this.script = toHex(scriptPubKey)
    this.#share = new UnprovedShare(budget)
  }

  /** Called when nobody watches the script any more. */
  end(): void {
    this.#share.end()
  }

  /**
   * The whole history, in the server's order (by height, the mempool last); waiting transactions no
   * more than are kept.
   *
   * @throws PaychanError `ERR_CHAIN_LIED` (or the server is on a newer block than we are: ask for
   *   its tip, then try again), and what the source rejects with
   */
  async load(context: HistoryContext): Promise<readonly ProvedTransaction[]> {
    const { entries, isPart } = await this.#entries(context)
    if (new Set(entries.map((entry) => entry.txid)).size !== entries.length) {
      throw lied('lists a transaction twice in one history', entries[0]?.txid)
    }
    // One after the other: a line has room for more entries than a call takes arguments.
    const highest = entries.reduce((most, { height = 0 }) => Math.max(most, height), 0)
    // Servers may tell of a script's history before they tell of the block's header.
    if (highest > context.headers.height) await context.catchUp()
    const lowest = entries.reduce(
      (least, { height = Infinity }) => Math.min(least, height),
      Infinity
    )
    await extendDown(context.headers, context.source, lowest)
    const withdrawn = withdrawnFrom(
      this.#history.filter((each) => isProvedIn(each, context.headers)),
      entries
    )
    if (withdrawn !== undefined) {
      throw lied(
        'takes back a confirmation that it has proved, without a reorganisation',
        withdrawn
      )
    }
    const { history, isCut } = await this.#fetchAll(context, entries)
    const touching = this.#checkScript(history, isCut, context.judge)
    this.isCut = isCut
    for (const { transaction, block } of touching) {
      if (block !== undefined) this.#share.giveBack(transaction.txid)
    }
    this.isPart = isPart
    // At the end: other servers, asked at the same time, may have shown it meanwhile.
    this.#history = touching.map((each) => keptOnce(each, context.kept?.(each.transaction.txid)))
    this.#partial = undefined
    return this.#history
  }

  /**
   * The entries of the history. Strangers may pay to a script so often that a server no longer
   * tells its history: then the entries of the one output that matters.
   */
  async #entries({
    source,
    headers,
    outPoint
  }: HistoryContext): Promise<{ entries: readonly HistoryEntry[]; isPart: boolean }> {
    try {
      return { entries: withoutEchoes(await source.history(this.script)), isPart: false }
    } catch (error) {
      const [which, ask] = [outPoint?.(), source.outPointHistory]
      if (which === undefined || ask === undefined || !isTooLong(error)) throw error
      const told = withoutEchoes(await ask(which, this.script))
      const listed = new Set(told.map(({ txid }) => txid))
      // What was proved before is as true as it was.
      const proved = this.#history.filter(
        (each) => isProvedIn(each, headers) && !listed.has(each.transaction.txid)
      )
      return {
        entries: [...proved.map(entryOf), ...told].sort(
          (a, b) => (a.height ?? Infinity) - (b.height ?? Infinity)
        ),
        isPart: true
      }
    }
  }

  /** True when every confirmation of the last loaded history is still in our best chain. */
  holds(headers: HeaderChain): boolean {
    return this.#history.every((each) => each.block === undefined || isProvedIn(each, headers))
  }

  /**
   * Fetches all transactions that blocks vouch for first; then as many of the rest as are kept,
   * known ones before new ones.
   */
  async #fetchAll(
    context: HistoryContext,
    entries: readonly HistoryEntry[]
  ): Promise<{ history: ProvedTransaction[]; isCut: boolean }> {
    const known = new Map(this.#history.map((each) => [each.transaction.txid, each]))
    const listed = new Set(entries.map(({ txid }) => txid))
    // A server that lists others with every try must not make us keep all of them.
    for (const id of [...(this.#partial?.keys() ?? [])]) {
      if (!listed.has(id)) this.#partial?.delete(id)
    }
    this.#history = this.#history.filter(
      ({ transaction: { txid }, block }) => block !== undefined || listed.has(txid)
    )
    this.#share.keepOnly(listed)
    const found = new Map<Txid, ProvedTransaction>()
    let isCut = false
    /** Those that there is room for. */
    const fetch = async (some: readonly HistoryEntry[]): Promise<Transaction[]> => {
      const fetched = await Promise.all(
        some.map(async (entry) => await this.#fetch(context, entry, known.get(entry.txid)))
      )
      const there = fetched.filter((each) => each !== undefined)
      for (const each of there) found.set(each.transaction.txid, each)
      isCut ||= there.length < some.length
      return there.map(({ transaction }) => transaction)
    }
    const relevance = new Relevance(this.script)
    for (const some of chunks(entries.filter(({ height }) => height !== undefined))) {
      for (const transaction of await fetch(some)) {
        if (relevance.add(transaction)) continue
        const { txid } = transaction
        const isLie = relevance.foreignBytes > MAX_FOREIGN_BYTES
        if (!isLie && this.#share.take(transaction)) continue
        // They are proved, but all of the chain could be shown like that.
        for (const entry of some) this.#partial?.delete(entry.txid)
        throw isLie
          ? lied('puts transactions into the history of a script that they do not touch', txid)
          : this.#share.leftOut(txid)
      }
    }
    const isKnown = ({ txid }: HistoryEntry): boolean =>
      known.has(txid) || this.#partial?.has(txid) === true
    const waiting = entries.filter(({ height }) => height === undefined)
    for (const some of chunks([
      ...waiting.filter(isKnown),
      ...waiting.filter((entry) => !isKnown(entry))
    ])) {
      await fetch(some)
    }
    return { history: entries.flatMap(({ txid }) => found.get(txid) ?? []), isCut }
  }

  /** Undefined when no block vouches for the transaction, and there is no room for it. */
  async #fetch(
    context: HistoryContext,
    entry: HistoryEntry,
    known: ProvedTransaction | undefined
  ): Promise<ProvedTransaction | undefined> {
    const before = this.#partial?.get(entry.txid) ?? known
    if (before === undefined && entry.height === undefined && this.#share.isFull) return undefined
    const own = before === undefined ? knownTransaction(context, entry) : undefined
    const transaction = before?.transaction ?? own?.transaction ?? (await this.#ask(context, entry))
    // A payment that was replaced meanwhile: as if it were not shown (COST-10).
    if (transaction === undefined) return undefined
    const waiting: ProvedTransaction = { transaction, height: undefined }
    if (before === undefined && this.#share.take(transaction)) this.#keep(waiting)
    // A leaf of 64 bytes proves nothing (see `header.ts`). An honest server shows such a
    // transaction as well.
    const { strippedSize } = transaction
    const { height } = entry
    if (height === undefined || strippedSize === INNER_NODE_SIZE) {
      if (this.#share.take(transaction)) return waiting
      this.#share.leftOut(entry.txid)
      return undefined
    }
    const header = context.headers.headerAt(height)
    const blockHash = context.headers.hashAt(height)
    if (header === undefined || blockHash === undefined) {
      throw lied('claims a confirmation in a block that it does not show', entry.txid)
    }
    if (before?.block === blockHash) return before
    // The header may be replaced while the proof is fetched: prove it against this one all the
    // same.
    const root = Uint8Array.from(merkleRoot(header))
    if (own?.block !== blockHash) {
      await context.shared.proof(entry.txid, blockHash, async () => {
        const proof = await proofOf(context.source, entry.txid, height)
        checkMerkleProof(entry.txid, strippedSize, proof, root)
      })
    }
    this.#share.giveBack(entry.txid)
    return this.#keep({
      transaction,
      height: blockHeight(height),
      block: blockHash
    })
  }

  /** Undefined when no block has it, and the server does not either, or is not asked for it. */
  async #ask(
    { shared, source }: HistoryContext,
    { txid, height }: HistoryEntry
  ): Promise<Transaction | undefined> {
    const ask = async (): Promise<Transaction> =>
      checkedTransaction(await source.transaction(txid), txid)
    if (height !== undefined) {
      try {
        return await shared.transaction(txid, ask)
      } catch (error) {
        // Another script has asked for it before the block, and found no place.
        if (error instanceof NoPlace) return await shared.transaction(txid, ask)
        throw error
      }
    }
    try {
      // Counted once, however many scripts wait for it.
      return await shared.transaction(txid, async () => await this.#askInPlace(ask))
    } catch (error) {
      if (error instanceof NoPlace || isLack(error)) return undefined
      throw error
    }
  }

  async #askInPlace(ask: () => Promise<Transaction>): Promise<Transaction> {
    if (!(await this.#share.enter())) throw new NoPlace()
    let isLacking = false
    try {
      return await ask()
    } catch (error) {
      isLacking = isLack(error)
      throw error
    } finally {
      this.#share.leave(isLacking)
    }
  }

  #keep(found: ProvedTransaction): ProvedTransaction {
    this.#partial ??= new Map()
    this.#partial.set(found.transaction.txid, found)
    return found
  }

  /**
   * Each transaction pays to the script or spends an output of it that is in the same history. One
   * that is in no block may spend an output that was left out: then it is left out as well.
   *
   * Of the transactions that spend one output, one counts: what a block has, else the first. No
   * mempool has two, and a peer can sign as many of its own states as it likes (COST-7).
   */
  #checkScript(
    history: readonly ProvedTransaction[],
    isCut: boolean,
    judge: SpendJudge | undefined
  ): readonly ProvedTransaction[] {
    const scriptPubKey = fromHex(this.script)
    const outputs = new Map<string, TxOutput>()
    const pays = ({ script }: TxOutput): boolean => sameBytes(script, scriptPubKey)
    for (const { transaction } of history) {
      transaction.outputs.forEach((output, vout) => {
        if (pays(output)) outputs.set(outPointText({ txid: transaction.txid, vout }), output)
      })
    }
    const names = ({ inputs }: Transaction): string[] =>
      inputs.map(({ outPoint }) => outPointText(outPoint)).filter((name) => outputs.has(name))
    const spentBefore = new Set(
      history.flatMap(({ transaction, block }) => (block === undefined ? [] : names(transaction)))
    )
    let isOtherJudged = false
    return history.filter(({ transaction, block }) => {
      const { txid } = transaction
      const spent = transaction.inputs.map(({ outPoint }) => outputs.get(outPointText(outPoint)))
      if (!transaction.outputs.some(pays) && spent.every((output) => output === undefined)) {
        if (isCut && block === undefined) return false
        throw lied('puts a transaction into the history of a script that it does not touch', txid)
      }
      const own = names(transaction)
      const isLeftOut = block === undefined && own.some((name) => spentBefore.has(name))
      // One of them is judged all the same, since it is a lie that is easy to find.
      if (isLeftOut && isOtherJudged) return false
      isOtherJudged ||= isLeftOut
      // Also in a block: its proof is one of the txid, and the witness could be any.
      const isForged =
        judge !== undefined &&
        spent.some(
          (output, index) => output !== undefined && judge.isForged(transaction, index, output)
        )
      if (isForged) throw lied('shows a spend that the owner of the coins has not signed', txid)
      if (isLeftOut) return false
      for (const name of own) spentBefore.add(name)
      return true
    })
  }
}

/** What is asked for by those who share a fetch for which there was no place (COST-10). */
class NoPlace extends Error {}

/**
 * Counts transactions that do not concern a script, as far as it can be told yet: blocks show an
 * output before its spend.
 */
class Relevance {
  foreignBytes = 0
  readonly #script: Uint8Array
  readonly #outputs = new Set<string>()

  constructor(script: string) {
    this.#script = fromHex(script)
  }

  /** True when the transaction concerns the script. */
  add({ txid, inputs, outputs, raw }: Transaction): boolean {
    let touches = inputs.some(({ outPoint }) => this.#outputs.has(outPointText(outPoint)))
    outputs.forEach(({ script }, vout) => {
      if (!sameBytes(script, this.#script)) return
      touches = true
      this.#outputs.add(outPointText({ txid, vout }))
    })
    if (!touches) this.foreignBytes += raw.length
    return touches
  }
}

function chunks(entries: readonly HistoryEntry[]): HistoryEntry[][] {
  return Array.from({ length: Math.ceil(entries.length / FETCHED_AT_ONCE) }, (_, n) =>
    entries.slice(n * FETCHED_AT_ONCE, (n + 1) * FETCHED_AT_ONCE)
  )
}

/** True when a server refuses because the history is too long (ElectrumX: `history too large`). */
export function isTooLong(error: unknown): boolean {
  return (
    error instanceof PaychanError &&
    error.code === 'ERR_ELECTRUM_REFUSED' &&
    /too (many|large|long)/i.test(String(error.facts.reason))
  )
}

/** @throws PaychanError `ERR_CHAIN_LIED` when there is no proof; not for want of resources */
async function proofOf(source: HistorySource, id: Txid, height: number): Promise<MerkleProof> {
  try {
    return await source.merkleProof(id, height)
  } catch (error) {
    if (codeOf(error) !== 'ERR_ELECTRUM_REFUSED' || isForWant(error)) throw error
    throw lied(`claims a confirmation and gives no proof of it (${messageOf(error)})`, id)
  }
}

/** True when a server says that it does not have what it was asked for. */
function isLack(error: unknown): boolean {
  return codeOf(error) === 'ERR_ELECTRUM_REFUSED' && !isForWant(error)
}

/** True when a server refuses for want of resources: it may have the proof all the same. */
function isForWant(error: unknown): boolean {
  return (
    error instanceof PaychanError &&
    /excessive|resource|too (many|large|long)|limit|busy|overload|time(d )?[- ]?out/i.test(
      String(error.facts.reason)
    )
  )
}

/**
 * Reads a server's answer for this id, as strictly as anywhere: no block and no mempool has a
 * transaction that is written in other bytes than its own, or pays more than there can be.
 *
 * @throws PaychanError `ERR_CHAIN_LIED`
 */
function checkedTransaction(raw: Uint8Array, id: Txid): Transaction {
  const transaction = readAs(raw, id)
  if (transaction.txid !== id) throw lied('sent another transaction than the one asked for', id)
  return transaction
}

/**
 * A transaction that the watcher has in its records, when it is said to be in a block, and the
 * block that it was proved to be in when they were written.
 */
function knownTransaction(
  { known }: HistoryContext,
  { txid, height }: HistoryEntry
): { readonly transaction: Transaction; readonly block: string | undefined } | undefined {
  const found = height === undefined ? undefined : known?.(txid)
  const transaction = found && readableTransaction(found.raw)
  return found === undefined || transaction?.txid !== txid
    ? undefined
    : { transaction, block: found.block }
}

function readAs(raw: Uint8Array, id: Txid): Transaction {
  try {
    return parseTransaction(raw)
  } catch (cause) {
    throw lied('sent something that is not a transaction', id, cause)
  }
}

/**
 * electrs reads a new block before it looks into the mempool again (seen with 0.10.10): for a
 * moment a transaction is in both. The confirmation stays, since it will be proved.
 */
function withoutEchoes(entries: readonly HistoryEntry[]): readonly HistoryEntry[] {
  const confirmed = new Set(
    entries.flatMap(({ txid, height }) => (height === undefined ? [] : [txid]))
  )
  return entries.filter(({ txid, height }) => height !== undefined || !confirmed.has(txid))
}

/** A transaction proved at a height that the new history leaves out, or puts elsewhere. */
function withdrawnFrom(
  proved: readonly ProvedTransaction[],
  entries: readonly HistoryEntry[]
): Txid | undefined {
  const heights = new Map(entries.map((entry) => [entry.txid, entry.height]))
  return proved.find(({ transaction, height }) => heights.get(transaction.txid) !== height)
    ?.transaction.txid
}

/** True when the block of its proof is in our best chain. */
function isProvedIn({ height, block }: ProvedTransaction, headers: HeaderChain): boolean {
  return height !== undefined && block !== undefined && headers.hashAt(height) === block
}

/**
 * Uses the bytes that are kept elsewhere, when they are the same: the bytes that this server has
 * sent still decide.
 */
function keptOnce(shown: ProvedTransaction, kept: Uint8Array | undefined): ProvedTransaction {
  if (kept === undefined) return shown
  return { ...shown, transaction: shown.transaction.over(kept) }
}

/** The server's history entry for a transaction. */
function entryOf({ transaction: { txid }, height }: ProvedTransaction): HistoryEntry {
  return { txid, height }
}

function lied(what: string, id: Txid | undefined, cause?: unknown): PaychanError {
  return new PaychanError(
    'ERR_CHAIN_LIED',
    `The Electrum server ${what}. Use another server.`,
    { txid: id },
    { cause }
  )
}
