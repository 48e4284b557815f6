/** The chain itself, which takes a block only when it keeps to the rules. */
import { blockHeight } from '../types/units.js'
import type { ScriptHash } from './backend.js'
import { BlockIndex } from './block-index.js'
import { checkBlock, checkHeader } from './block-rules.js'
import type { Block } from './block.js'
import type { BlockContext } from './consensus.js'
import { MEDIAN_TIME_SPAN } from './rules.js'
import type { ScriptVerifier } from './script-interpreter.js'

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

  /** The block that would come next, which mempool and miner judge transactions for. */
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
   * @param now the time in seconds that its own is compared with.
   * @returns the scripts that it pays to or spends from.
   * @throws Rejected and changes nothing when it breaks a rule.
   */
  connect(block: Block, now: number): Set<ScriptHash> {
    checkHeader(block, this.tip, this.medianTimePast(), now)
    checkBlock(block, this.coins, this.next(), this.verifier)
    return this.append(block)
  }
}
