/**
 * Decides if a transaction may enter the mempool, in the order of Bitcoin Core's
 * `MemPoolAccept::PreChecks`.
 */
import { feeFor, feeRate, type Satoshi } from '../types/units.js'
import type { ScriptHash } from './backend.js'
import type { Chain } from './chain.js'
import type { Coin, CoinView } from './coins.js'
import type { Mempool, PoolEntry } from './mempool.js'
import { checkCluster, checkReplacement, compareRates, worstChunk } from './replacement.js'
import {
  ANCESTOR_LIMIT,
  areSequenceLocksMet,
  CARVE_OUT_MAX_VSIZE,
  checkTransaction,
  checkValues,
  DESCENDANT_LIMIT,
  isFinal,
  MAX_DATA_CARRIER_SIZE,
  MAX_STANDARD_P2WSH_ITEM_SIZE,
  MAX_STANDARD_P2WSH_ITEMS,
  MAX_STANDARD_P2WSH_SCRIPT_SIZE,
  MAX_STANDARD_SCRIPTSIG_SIZE,
  MAX_STANDARD_WEIGHT,
  MIN_STANDARD_STRIPPED_SIZE,
  TRUC_CHILD_MAX_VSIZE,
  TRUC_MAX_VSIZE,
  TRUC_VERSION
} from './rules.js'
import { Rejected } from './backend.js'
import {
  dustThreshold,
  isPushOnly,
  outputKeys,
  scriptKind,
  type Tx,
  type TxInput,
  witnessProgram
} from './transaction.js'

/** A transaction that may come in, and the entries that must leave for it. */
interface Candidate {
  readonly tx: Tx
  readonly fee: Satoshi
  readonly spent: readonly Coin[]
  readonly evicted: ReadonlySet<PoolEntry>
}

/**
 * `alone`: by its own fee. `package`: its child pays for it; a version before 3 still has to pay
 * the relay fee (`args.m_package_feerates`). `returning`: a reorganisation took it out of a block,
 * or its mempool has it; fees, TRUC and the length of chains are not looked at again then
 * (`bypass_limits` of Bitcoin Core's `MaybeUpdateMempoolForReorg`).
 */
type Admittance = 'alone' | 'package' | 'returning'

/**
 * Checks everything and changes nothing.
 *
 * @throws Rejected
 */
export function evaluate(
  tx: Tx,
  chain: Chain,
  pool: Mempool,
  how: Admittance = 'alone'
): Candidate {
  const next = chain.next()
  checkTransaction(tx)
  if (tx.coinbase) throw new Rejected('coinbase')
  checkStandard(tx)
  if (!isFinal(tx, next)) throw new Rejected('non-final')
  checkUnknown(tx, pool)
  const spent = unspentCoins(tx, chain, pool.view(chain.coins, next.height))
  if (!areSequenceLocksMet(tx, spent, next)) throw new Rejected('non-BIP68-final')
  const fee = checkValues(tx, spent, next.height)
  checkInputsStandard(tx, spent)
  checkFee(tx, fee, pool, how)
  const evicted = how === 'returning' ? checkUnspent(tx, pool) : checkRelatives(tx, fee, pool)
  chain.verifier.verify(tx, spent, 'mempool')
  return { tx, fee, spent, evicted }
}

/** The mempool's own minimum comes first, then the minimum for relay (`CheckFeeRate`). */
function checkFee(tx: Tx, fee: Satoshi, { floor, rules }: Mempool, how: Admittance): void {
  if (how === 'returning') return
  const minimum = feeFor(floor.rate, tx.vsize)
  if (how === 'alone' && floor.isRaised && fee < minimum) {
    throw new Rejected('mempool min fee not met', `${fee} < ${minimum}`)
  }
  const relayed = feeFor(feeRate(rules.relay), tx.vsize)
  if ((how === 'alone' || tx.version !== TRUC_VERSION) && fee < relayed) {
    throw new Rejected('min relay fee not met', `${fee} < ${relayed}`)
  }
}

function checkUnknown(tx: Tx, pool: Mempool): void {
  const known = pool.get(tx.txid)
  if (known === undefined) return
  throw new Rejected(
    known.tx.wtxid === tx.wtxid ? 'txn-already-in-mempool' : 'txn-same-nonwitness-data-in-mempool'
  )
}

function unspentCoins(tx: Tx, chain: Chain, view: CoinView): Coin[] {
  return tx.inputs.map(({ spends }) => {
    const coin = view.coin(spends)
    if (coin !== undefined) return coin
    throw new Rejected(
      outputKeys(tx).some((key) => chain.coins.coin(key) !== undefined)
        ? 'txn-already-known'
        : 'bad-txns-inputs-missingorspent'
    )
  })
}

/** Refuses conflicts: a returning transaction replaces nothing. */
function checkUnspent(tx: Tx, pool: Mempool): Set<PoolEntry> {
  if (tx.inputs.some(({ spends }) => pool.spender(spends) !== undefined)) {
    throw new Rejected('txn-mempool-conflict')
  }
  return new Set()
}

/** The rules about other transactions of the mempool; returns the entries to evict. */
function checkRelatives(tx: Tx, fee: Satoshi, pool: Mempool): Set<PoolEntry> {
  const conflicts = new Set<PoolEntry>()
  for (const { spends } of tx.inputs) {
    const spender = pool.spender(spends)
    if (spender !== undefined) conflicts.add(spender)
  }
  const sibling = checkTruc(tx, pool.parents(tx), conflicts, pool)
  if (sibling !== undefined) conflicts.add(sibling)
  const evicted = checkReplacement(
    tx,
    fee,
    conflicts,
    pool,
    sibling === undefined ? '' : ' (including sibling eviction)'
  )
  if (pool.rules.limits === 'clusters') checkCluster(tx, evicted, pool)
  else if (tx.version !== TRUC_VERSION) checkChainLimits(tx, evicted, pool)
  return evicted
}

/**
 * At most 25 in a chain of unconfirmed transactions, counted up and down, the transaction itself
 * included; one more below a single ancestor when it is small ("CPFP carve-out").
 */
function checkChainLimits(tx: Tx, evicted: ReadonlySet<PoolEntry>, pool: Mempool): void {
  const ancestors = pool.ancestors(tx)
  if (ancestors.size + 1 > ANCESTOR_LIMIT) {
    throw new Rejected(
      'too-long-mempool-chain',
      `too many unconfirmed ancestors [limit: ${ANCESTOR_LIMIT}]`
    )
  }
  const limit =
    ancestors.size === 1 && tx.vsize <= CARVE_OUT_MAX_VSIZE
      ? DESCENDANT_LIMIT + 1
      : DESCENDANT_LIMIT
  for (const ancestor of ancestors) {
    const descendants = [...pool.descendants(ancestor.tx)].filter((entry) => !evicted.has(entry))
    // The ancestor itself, its remaining descendants, and this transaction.
    if (descendants.length + 2 > limit) {
      throw new Rejected(
        'too-long-mempool-chain',
        `too many descendants for tx ${ancestor.tx.txid} [limit: ${DESCENDANT_LIMIT}]`
      )
    }
  }
}

/*
 * The mempool's rules beyond those of blocks: standard forms, dust (`policy.cpp` of Bitcoin Core).
 */

/** BIP341: the last item of a taproot witness is an annex when it starts with this byte. */
const ANNEX_TAG = 0x50

/** The form of the transaction itself (`IsStandardTx`). @throws Rejected */
function checkStandard(tx: Tx): void {
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
 * The form of the outputs that it spends, and of its witnesses (`AreInputsStandard`,
 * `IsWitnessStandard`).
 * @throws Rejected
 */
function checkInputsStandard(tx: Tx, spent: readonly Coin[]): void {
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
  // A witness for an output that needs none, BIP433's anchor included, only makes the transaction
  // larger.
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

/*
 * BIP431 (TRUC): a version 3 transaction is small and has at most one unconfirmed relative, of its
 * own version, so that nobody can attach to it what would make its replacement expensive. The
 * reasons are those of Bitcoin Knots, which names the broken rule; Bitcoin Core calls them all
 * `TRUC-violation`.
 */

/**
 * Checks a transaction with these unconfirmed parents and these direct conflicts.
 *
 * @returns another child of the parent, which the replacement rules may evict in its place
 *   ("sibling eviction").
 * @throws Rejected
 */
function checkTruc(
  tx: Tx,
  parents: ReadonlySet<PoolEntry>,
  conflicts: ReadonlySet<PoolEntry>,
  pool: Mempool
): PoolEntry | undefined {
  const name = nameOf(tx)
  for (const { tx: parent } of parents) {
    if (tx.version !== TRUC_VERSION && parent.version === TRUC_VERSION) {
      throw new Rejected(
        'truc-spent-by-nontruc',
        `non-version=3 ${name} cannot spend from version=3 ${nameOf(parent)}`
      )
    }
    if (tx.version === TRUC_VERSION && parent.version !== TRUC_VERSION) {
      throw new Rejected(
        'truc-spends-nontruc',
        `version=3 ${name} cannot spend from non-version=3 ${nameOf(parent)}`
      )
    }
  }
  if (tx.version !== TRUC_VERSION) return undefined
  if (tx.vsize > TRUC_MAX_VSIZE) {
    throw new Rejected(
      'truc-vsize-toobig',
      `version=3 ${name} is too big: ${tx.vsize} > ${TRUC_MAX_VSIZE} virtual bytes`
    )
  }
  const [parent, ...more] = parents
  if (parent === undefined) return undefined
  if (more.length > 0 || pool.parents(parent.tx).size > 0) {
    throw new Rejected('truc-ancestors-toomany', `${name} would have too many ancestors`)
  }
  if (tx.vsize > TRUC_CHILD_MAX_VSIZE) {
    throw new Rejected(
      'truc-child-toobig',
      `version=3 child ${name} is too big: ${tx.vsize} > ${TRUC_CHILD_MAX_VSIZE} virtual bytes`
    )
  }
  const [sibling] = pool.children(parent.tx)
  return sibling === undefined || conflicts.has(sibling) ? undefined : sibling
}

function nameOf(tx: Tx): string {
  return `tx ${tx.txid} (wtxid=${tx.wtxid})`
}

/*
 * The entry of the mempool: admits transactions by the rules, and evicts others to make room.
 * `touched` collects the scripts whose history may have changed.
 */

/**
 * True when the last spends every other transaction, and none of the others does
 * (`IsChildWithParentsTree`).
 */
export function isChildWithParents(transactions: readonly Tx[]): boolean {
  const child = transactions.at(-1)
  const parents = transactions.slice(0, -1)
  const spends = (tx: Tx, parent: Tx): boolean =>
    tx.inputs.some(({ outPoint }) => outPoint.txid === parent.txid)
  return (
    child !== undefined &&
    parents.every(
      (parent) => spends(child, parent) && !parents.some((other) => spends(other, parent))
    )
  )
}

export class Admission {
  /** @param limit the mempool's size in virtual bytes. */
  constructor(
    readonly chain: Chain,
    readonly pool: Mempool,
    readonly limit: number
  ) {}

  /**
   * Admits a transaction. The entries that it replaces are gone even if the mempool is full of
   * better ones and it cannot stay itself, as in Bitcoin Core.
   *
   * @throws Rejected
   */
  accept(tx: Tx, touched: Set<ScriptHash>): void {
    const { fee, spent, evicted } = evaluate(tx, this.chain, this.pool)
    for (const entry of evicted) this.drop(entry, touched)
    this.#note(this.pool.add(tx, fee, spent), touched)
    this.trim(touched)
    if (this.pool.get(tx.txid) === undefined) throw new Rejected('mempool full')
  }

  /**
   * Admits parents and their child: each alone if it can, else those that pay too little with the
   * child, if their joint fee is enough (`AcceptPackage` of Bitcoin Core). Of a refused package,
   * the transactions that could come in alone stay.
   *
   * @returns the refused transactions, and why
   */
  acceptPackage(
    transactions: readonly Tx[],
    touched: Set<ScriptHash>
  ): Array<{ tx: Tx; reason: string }> {
    const refused: Array<{ tx: Tx; reason: string }> = []
    for (const tx of transactions) {
      try {
        if (this.pool.get(tx.txid) === undefined) this.accept(tx, touched)
      } catch (error) {
        if (!(error instanceof Rejected)) throw error
        refused.push({ tx, reason: error.message })
      }
    }
    const child = refused.at(-1)
    if (
      child === undefined ||
      child.tx !== transactions.at(-1) ||
      refused.length < 2 ||
      !refused.every((each) => each === child || /min (relay )?fee not met/.test(each.reason))
    ) {
      return refused
    }
    try {
      this.#acceptTogether(
        refused.map(({ tx }) => tx),
        touched
      )
      return []
    } catch (error) {
      if (!(error instanceof Rejected)) throw error
      return refused.map(({ tx, reason }) => ({
        tx,
        reason: tx === child.tx ? error.message : reason
      }))
    }
  }

  /** @throws Rejected; then none of them is in */
  #acceptTogether(transactions: readonly Tx[], touched: Set<ScriptHash>): void {
    const entries: PoolEntry[] = []
    try {
      for (const tx of transactions) {
        const { fee, spent, evicted } = evaluate(tx, this.chain, this.pool, 'package')
        // Bitcoin Core replaces with a package only as a pair of its own kind, which nobody needs
        // here.
        if (evicted.size > 0) throw new Rejected('package RBF failed')
        entries.push(this.pool.add(tx, fee, spent))
      }
      const [fee, vsize] = [
        entries.reduce<bigint>((sum, entry) => sum + entry.fee, 0n),
        transactions.reduce((sum, tx) => sum + tx.vsize, 0)
      ]
      const minimum = feeFor(this.pool.floor.rate, vsize)
      if (fee < minimum) {
        throw new Rejected(
          this.pool.floor.isRaised ? 'mempool min fee not met' : 'min relay fee not met',
          `${fee} < ${minimum}`
        )
      }
    } catch (error) {
      for (const entry of entries.reverse()) this.pool.remove(entry)
      throw error
    }
    for (const entry of entries) this.#note(entry, touched)
    this.trim(touched)
    if (transactions.some((tx) => this.pool.get(tx.txid) === undefined)) {
      throw new Rejected('mempool full')
    }
  }

  /**
   * Restores transactions as Bitcoin Core does after a reorganisation: those that no longer hold
   * are left out, parents come before children. The limit is applied afterwards.
   */
  takeBack(transactions: readonly Tx[], touched: Set<ScriptHash>): void {
    for (const tx of transactions) {
      try {
        const { fee, spent } = evaluate(tx, this.chain, this.pool, 'returning')
        this.#note(this.pool.add(tx, fee, spent), touched)
      } catch (error) {
        if (!(error instanceof Rejected)) throw error
      }
    }
  }

  /** Takes everything out; returns it in the order of its arrival. */
  empty(touched: Set<ScriptHash>): Tx[] {
    const entries = this.pool.entries()
    for (const entry of entries) this.drop(entry, touched)
    return entries.map(({ tx }) => tx)
  }

  /** Evicts what does not fit any more, and raises the minimum rate above it. */
  trim(touched: Set<ScriptHash>): void {
    const { evicted, rate } = trim(this.pool, this.limit)
    for (const entry of evicted) this.#note(entry, touched)
    if (evicted.length > 0) this.pool.floor.raise(rate)
  }

  /** Removes the transactions of the newest block. */
  confirm(entries: readonly PoolEntry[], touched: Set<ScriptHash>): void {
    for (const entry of entries) {
      // Its children lose an unconfirmed parent, which shows in their histories.
      for (const child of this.pool.children(entry.tx)) this.#note(child, touched)
      this.drop(entry, touched)
    }
    this.pool.floor.decay(this.pool.vsize / this.limit)
  }

  drop(entry: PoolEntry, touched: Set<ScriptHash>): void {
    this.pool.remove(entry)
    this.#note(entry, touched)
  }

  #note(entry: PoolEntry, touched: Set<ScriptHash>): void {
    for (const script of entry.scripts) touched.add(script)
  }
}

/*
 * Chooses the entries to leave a mempool that is too full: the worst first, each with all its
 * descendants (`CTxMemPool::TrimToSize` of Bitcoin Core; from 31 on the last chunk of a cluster).
 */

interface Worth {
  readonly fee: bigint
  readonly vsize: number
}

/** A transaction with its descendants, and their total fees. */
interface Family extends Worth {
  readonly root: PoolEntry
  readonly entries: readonly PoolEntry[]
}

/**
 * Evicts what does not fit into `limit` virtual bytes. Returns the evicted, and the best rate among
 * them in sat/kvB.
 */
function trim(
  pool: Mempool,
  limit: number
): { readonly evicted: PoolEntry[]; readonly rate: bigint } {
  const evicted: PoolEntry[] = []
  let rate = 0n
  while (pool.vsize > limit) {
    const worst =
      pool.rules.limits === 'clusters'
        ? (worstChunk(pool) ?? { entries: [], fee: 0n, vsize: 1 })
        : pool
            .entries()
            .map((entry) => familyOf(entry, pool))
            .reduce((least, family) => (isWorse(family, least) ? family : least))
    for (const entry of worst.entries) {
      pool.remove(entry)
      evicted.push(entry)
    }
    const own = (worst.fee * 1_000n) / BigInt(worst.vsize)
    if (own > rate) rate = own
  }
  return { evicted, rate }
}

function familyOf(root: PoolEntry, pool: Mempool): Family {
  const entries = [root, ...pool.descendants(root.tx)]
  return {
    root,
    entries,
    fee: entries.reduce((sum, { fee }) => sum + fee, 0n),
    vsize: entries.reduce((sum, { tx }) => sum + tx.vsize, 0)
  }
}

/** Orders by score, then the later one first (`CompareTxMemPoolEntryByDescendantScore`). */
function isWorse(a: Family, b: Family): boolean {
  const order = compareRates(scoreOf(a), scoreOf(b))
  return order === 0n ? a.root.arrival > b.root.arrival : order < 0n
}

/** The better of two rates, alone or with its descendants: a child can pay for it. */
function scoreOf(family: Family): Worth {
  const alone = { fee: family.root.fee, vsize: family.root.tx.vsize }
  return compareRates(alone, family) > 0n ? alone : family
}
