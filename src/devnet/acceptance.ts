/**
 * Whether a transaction may enter the mempool, in the order of Bitcoin Core's
 * `MemPoolAccept::PreChecks`.
 */
import { feeFor, feeRate, type Satoshi } from '../types/units.js'
import type { Chain } from './chain.js'
import { checkCluster } from './clusters.js'
import type { Coin, CoinView } from './coins.js'
import { areSequenceLocksMet, checkTransaction, checkValues, isFinal } from './consensus.js'
import type { Mempool, PoolEntry } from './mempool.js'
import { checkInputsStandard, checkStandard } from './policy.js'
import { Rejected } from './rejected.js'
import { checkReplacement } from './replacement.js'
import { ANCESTOR_LIMIT, CARVE_OUT_MAX_VSIZE, DESCENDANT_LIMIT, TRUC_VERSION } from './rules.js'
import { outputKeys, type Tx } from './transaction.js'
import { checkTruc } from './truc.js'

/** A transaction that may come in, and what has to go for it. */
export interface Candidate {
  readonly tx: Tx
  readonly fee: Satoshi
  readonly spent: readonly Coin[]
  readonly evicted: ReadonlySet<PoolEntry>
}

/**
 * `alone`: by its own fee. `package`: its child pays for it; a version before 3 still has to pay the
 * relay fee (`args.m_package_feerates`). `returning`: a reorganisation took it out of a block, or
 * its mempool has it; fees, TRUC and the length of chains are not looked at again then
 * (`bypass_limits` of Bitcoin Core's `MaybeUpdateMempoolForReorg`).
 */
export type Admittance = 'alone' | 'package' | 'returning'

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

/** The mempool's own minimum comes first, then what everybody relays (`CheckFeeRate`). */
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

/** What returns replaces nothing. */
function checkUnspent(tx: Tx, pool: Mempool): Set<PoolEntry> {
  if (tx.inputs.some(({ spends }) => pool.spender(spends) !== undefined)) {
    throw new Rejected('txn-mempool-conflict')
  }
  return new Set()
}

/** The rules about other transactions of the mempool; returns those that would be evicted. */
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
    // The ancestor itself, its descendants that stay, and this transaction.
    if (descendants.length + 2 > limit) {
      throw new Rejected(
        'too-long-mempool-chain',
        `too many descendants for tx ${ancestor.tx.txid} [limit: ${DESCENDANT_LIMIT}]`
      )
    }
  }
}
