/** The chain itself, which takes only blocks that keep the rules. */
import { outPointText, sameBytes } from '../types/bytes.js'
import { blockHeight } from '../types/units.js'
import type { ScriptHash } from './backend.js'
import { BlockIndex } from './indexed-chain.js'
import {
  type Block,
  heightPush,
  meetsTarget,
  subsidyAt,
  witnessCommitment,
  ZERO_HASH
} from './block.js'
import { type Coin, type CoinView, createdCoins } from './coins.js'
import {
  areSequenceLocksMet,
  type BlockContext,
  btc,
  checkTransaction,
  checkValues,
  coinsOf,
  isFinal,
  MAX_BLOCK_WEIGHT,
  MEDIAN_TIME_SPAN,
  REGTEST_BITS
} from './rules.js'
import { Rejected } from './backend.js'
import { hash256, merkleRoot } from './transaction.js'
import type { ScriptVerifier } from './script-interpreter.js'

/** The chain itself, which takes only blocks that keep the rules. */
export class Chain extends BlockIndex {
  constructor(readonly verifier: ScriptVerifier) {
    super()
  }

  /** The median time of the last 11 blocks up to a height (BIP113). */
  medianTimePast(height: number = this.tip.height): number {
    const first = Math.max(0, height - MEDIAN_TIME_SPAN + 1)
    const times = Array.from(
      { length: height + 1 - first },
      (_, n) => this.block(first + n)?.header.time ?? 0
    )
    times.sort((a, b) => a - b)
    return times[times.length >> 1] ?? 0
  }

  /** The next block, for which mempool and miner judge transactions. */
  next(): BlockContext {
    return {
      height: blockHeight(this.tip.height + 1),
      medianTimePast: this.medianTimePast(),
      medianTimePastAt: (height) => this.medianTimePast(height)
    }
  }

  /**
   * Adds a block on top.
   *
   * @param now the time in seconds to compare the block's own with.
   * @returns the scripts that it pays to or spends from.
   * @throws Rejected and changes nothing when it breaks a rule.
   */
  connect(block: Block, now: number): Set<ScriptHash> {
    checkHeader(block, this.tip, this.medianTimePast(), now)
    checkBlock(block, this.coins, this.next(), this.verifier)
    return this.append(block)
  }
}

/*
 * The rules that a whole block must keep. The verifier judges scripts, and knows those that the
 * mempool has seen.
 */

/**
 * Proof of work, link to the block before, time (`ContextualCheckBlockHeader`).
 *
 * @throws Rejected
 */
function checkHeader(block: Block, parent: Block, medianTimePast: number, now: number): void {
  const { header } = block
  if (header.bits !== REGTEST_BITS) throw new Rejected('bad-diffbits')
  if (!meetsTarget(hash256(block.rawHeader))) throw new Rejected('high-hash')
  if (
    !sameBytes(header.previous, hash256(parent.rawHeader)) ||
    block.height !== parent.height + 1
  ) {
    throw new Rejected('prev-blk-not-found')
  }
  if (header.time <= medianTimePast) throw new Rejected('time-too-old')
  // MAX_FUTURE_BLOCK_TIME of Bitcoin Core: two hours.
  if (header.time > now + 7_200) throw new Rejected('time-too-new')
}

/**
 * Everything else: the block's own form, then every transaction in its order.
 *
 * @returns the coins that each transaction but the coinbase spends.
 * @throws Rejected
 */
function checkBlock(
  block: Block,
  view: CoinView,
  context: BlockContext,
  verifier: ScriptVerifier
): Coin[][] {
  checkForm(block, context)
  const [coinbase, ...others] = block.transactions
  const created = new Map<string, Coin>()
  const gone = new Set<string>()
  const overlay: CoinView = {
    coin: (key) => (gone.has(key) ? undefined : (created.get(key) ?? view.coin(key)))
  }
  let fees = 0n
  const spent = others.map((tx) => {
    const coins = coinsOf(tx, overlay)
    if (!areSequenceLocksMet(tx, coins, context)) throw new Rejected('bad-txns-nonfinal')
    fees += checkValues(tx, coins, context.height)
    verifier.verify(tx, coins, 'block')
    for (const { spends } of tx.inputs) gone.add(spends)
    for (const coin of createdCoins(tx, block)) created.set(outPointText(coin.outPoint), coin)
    return coins
  })
  const claimed = coinbase?.outputs.reduce((sum, output) => sum + output.value, 0n) ?? 0n
  const allowed = subsidyAt(block.height) + fees
  if (claimed > allowed) {
    throw new Rejected(
      'bad-cb-amount',
      `coinbase pays too much (actual=${btc(claimed)} vs limit=${btc(allowed)})`
    )
  }
  return spent
}

function checkForm(block: Block, context: BlockContext): void {
  const [coinbase, ...others] = block.transactions
  if (coinbase === undefined || !coinbase.coinbase) throw new Rejected('bad-cb-missing')
  if (others.some((tx) => tx.coinbase)) throw new Rejected('bad-cb-multiple')
  if (!sameBytes(block.header.merkleRoot, merkleRoot(block.transactions.map((tx) => tx.hash)))) {
    throw new Rejected('bad-txnmrklroot')
  }
  block.transactions.forEach(checkTransaction)
  if (block.transactions.some((tx) => !isFinal(tx, context))) {
    throw new Rejected('bad-txns-nonfinal')
  }
  const push = heightPush(block.height)
  if (!sameBytes(coinbase.inputs[0]?.scriptSig.subarray(0, push.length) ?? ZERO_HASH, push)) {
    throw new Rejected('bad-cb-height')
  }
  const commitment = witnessCommitment(others)
  const [reserved] = coinbase.inputs[0]?.witness ?? []
  if (
    reserved === undefined ||
    !sameBytes(reserved, ZERO_HASH) ||
    !coinbase.outputs.some((output) => sameBytes(output.script, commitment))
  ) {
    throw new Rejected('bad-witness-merkle-match')
  }
  if (blockWeight(block) > MAX_BLOCK_WEIGHT) throw new Rejected('bad-blk-weight')
}

/** BIP141: header and count of transactions (at most 9 bytes) count four times. */
function blockWeight(block: Block): number {
  return (80 + 9) * 4 + block.transactions.reduce((sum, tx) => sum + tx.weight, 0)
}
