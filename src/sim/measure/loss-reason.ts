/** Finds the reason for a node's loss by evidence; "unexplained" without any, which means a bug. */
import type { Loss } from '../results.js'
import type { Absence } from '../node.js'
import type { Adversary } from '../scenario/scenario.js'

/** The evidence about a lost race. Heights are of tips. */
export interface Evidence {
  /** Satoshis lost against the newest state. */
  readonly amount: number
  /**
   * The height at which its newest state could be published first, and the height of the block with
   * the other one.
   */
  readonly from: number
  readonly to: number
  /** Its bids, oldest first, in sat/vB. */
  readonly bids: ReadonlyArray<{ readonly height: number; readonly rate: number }>
  /** The feerate needed for the block of a height, in sat/vB. */
  readonly thresholdAt: (height: number) => number
  /**
   * True when the block of a height came with others in a reorganisation, so that nobody could bid
   * for it.
   */
  readonly cameAtOnce: (height: number) => boolean
  /**
   * The other side's fee in the mempools before the block of a height, in satoshis: replacing it
   * costs as much (BIP125).
   */
  readonly inTheWayAt: (height: number) => number
  /** Virtual bytes of the transaction that it had to bring into a block. */
  readonly vsize: number
  readonly absences: readonly Absence[]
  /** True when its disk lost writes that it had called safe. */
  readonly lostWrites: boolean
}

/** Output 0 below this is left to the other side (dust). */
const DUST = 330
/** The least value of a P2WPKH output, beside the fee. */
const LEAST_OUTPUT = 294

export function reasonOf(evidence: Evidence): Pick<Loss, 'why' | 'text'> {
  const {
    amount,
    from,
    to,
    bids,
    thresholdAt,
    cameAtOnce,
    inTheWayAt,
    vsize,
    absences,
    lostWrites
  } = evidence
  if (amount < DUST) {
    return { why: 'economics', text: `${amount} sat are dust, which no transaction can pay out` }
  }
  const heights = Array.from({ length: Math.max(0, to - from) }, (_, i) => from + 1 + i).filter(
    (height) => height === to || !cameAtOnce(height)
  )
  const costAt = (height: number): number =>
    Math.max(thresholdAt(height) * vsize, inTheWayAt(height))
  const cheapest = Math.min(...heights.map(costAt))
  if (heights.length > 0 && cheapest + LEAST_OUTPUT >= amount) {
    return {
      why: 'economics',
      text: `a block would have cost ${Math.ceil(cheapest)} sat at the least, and ${amount} sat were at stake`
    }
  }
  // News of the newest block may still be on its way, and a bid is for the next one.
  const missed = (kind: Absence['kind']): number =>
    heights.filter((height) =>
      absences.some(
        (absence) => absence.kind === kind && height - 1 >= absence.from && height - 1 <= absence.to
      )
    ).length
  const [down, blind] = [missed('down'), missed('blind')]
  const seen = heights.filter(
    (height) => !absences.some((absence) => height - 1 >= absence.from && height - 1 <= absence.to)
  )
  const couldBid = seen.filter((height) => costAt(height) + LEAST_OUTPUT < amount)
  if (couldBid.length === 0 && down + blind > 0) {
    return down >= blind
      ? {
          why: 'absence',
          text: `it was down for ${down} of the ${heights.length} blocks in which it could have published`
        }
      : {
          why: 'lied',
          text: `its server showed it nothing for ${blind} of ${heights.length} blocks`
        }
  }
  if (lostWrites) return { why: 'forgot', text: 'its disk lost writes that it had called safe' }
  // The block after a bid may have come before the bid arrived. In the block with the other state,
  // a miner chose between the two.
  if (
    bids.length > 0 &&
    heights.every(
      (height) =>
        height === to ||
        (bids.filter((bid) => bid.height < height - 1).at(-1)?.rate ?? 0) < thresholdAt(height)
    )
  ) {
    return {
      why: 'stuck',
      text: `it bid ${Math.round(bids[0]?.rate ?? 0)} to ${Math.round(bids.at(-1)?.rate ?? 0)} sat/vB in ${heights.length} blocks, and none took it`
    }
  }
  return {
    why: 'unexplained',
    text: `it could have had ${amount} sat by a block between ${from} and ${to}, and did not`
  }
}

const PLAYED: Readonly<Record<Adversary['kind'], string>> = {
  'publish-old': 'publishes old states',
  'phantom-state': 'shows states that no block takes',
  'premature-rival': 'shows spends whose locks lie in the future',
  'chosen-output': 'gives the payer an output that it chose',
  bluff: 'bids old states up for show',
  'fat-state': 'publishes states of 10,000 vB',
  'dear-close': 'has closes and states pay nearly everything as fee',
  'direct-miner': 'hands old states to a miner',
  'pinning-renewal': 'renews by a transaction of 10,000 vB',
  'draining-renewal': 'leaves renewals no blocks for payments',
  'free-peers': 'sends strangers',
  'refuse-turns': 'grants no turn',
  'refuse-acks': 'acknowledges no payment',
  silent: 'stops answering',
  flood: 'floods its peers'
}

/**
 * The reason of a node that an adversary plays. An honest node's conduct does not apply to it, so
 * its losses are not a bug; the honest reason is told beside it all the same.
 *
 * @param publishedOld - true when it did so in the channel
 */
export function dishonestReason(
  kinds: ReadonlyArray<Adversary['kind']>,
  publishedOld: boolean,
  { text }: Pick<Loss, 'text'>
): Pick<Loss, 'why' | 'text'> {
  const played = [...new Set(kinds)].map((kind) => PLAYED[kind]).join(' and ')
  return {
    why: 'dishonest',
    text: `an adversary plays it, one that ${played}${publishedOld ? '; here it published an old state' : ''}: ${text}`
  }
}
