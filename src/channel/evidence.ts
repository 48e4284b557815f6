/**
 * The evidence that a decision about money may rest on, and the cost when it is a lie (spec.md,
 * "Evidence"). From strong to weak:
 *
 *     proved     in a block: a branch of its merkle tree leads to a header that we have verified
 *     answered   what servers said to a transaction that we sent them ourselves
 *     shown      in the mempool of so many servers
 *     said       by the peer
 *
 * A block costs whoever makes it up all the work of a block. The peer and one server together can
 * make up everything below for free, so it never decides about more than the fee of a normal
 * bid. The types keep the two apart: `Spend` is proved, `ShownSpend` is not.
 */
import { readableTransaction, type Transaction } from '../bitcoin/transaction.js'
import {
  type BlockHeight,
  feeFor,
  feeRate,
  max,
  min,
  satoshi,
  type FeeRate,
  type Satoshi
} from '../types/units.js'
import { doubledDaily, HURRY_RATE } from './fee-curve.js'
import { balances } from './ledger.js'
import { DAY, isOlder, payeeOf, publishHeightOf, type StateRef } from './schedule.js'
import { deadlineOf } from './stakes.js'
import type { Established, OnChain, Publication, ShownSpend } from './state.js'
import { partyOf } from './terms.js'

type Evidence = 'proved' | 'answered' | 'shown' | 'said'

/** One row of the table: the decision, its evidence, and the loss when the evidence is false. */
interface Decision {
  readonly decision: string
  readonly takes: Evidence
  readonly evidence: string
  readonly ifFalse: string
}

/** EVID-1: the table of spec.md; a test compares the two. */
export const DECISIONS: readonly Decision[] = [
  {
    decision: 'pay, acknowledge, hand over the turn',
    takes: 'proved',
    evidence:
      'T1 is in a block `min_depth` deep, and a server tells in this session what happens to its script',
    ifFalse: 'a reorganisation deeper than `min_depth`'
  },
  {
    decision: 'publish',
    takes: 'proved',
    evidence: 'the height of the chain with the most work; a T1 that is in a block, or once was',
    ifFalse:
      'a refusal: what is published too early waits, and without T1 it is refused, as often as COST-9 lets it'
  },
  {
    decision: 'hold our own state back',
    takes: 'shown',
    evidence: 'a newer state that counts, by any server; for T2 any newer state',
    ifFalse: 'two thirds of our window; for T2, which has no deadline, a day'
  },
  {
    decision: 'raise our bid with a block',
    takes: 'proved',
    evidence:
      'the block, and the estimate (the median of the servers; of two the lower one, and of what the next block takes the higher one, up to four times the lower)',
    ifFalse: "the curve, which needs nobody's word; four normal bids"
  },
  {
    decision: 'raise our bid at once',
    takes: 'answered',
    evidence:
      'every server that could be asked refuses it for its fee; in the last third of its window any server',
    ifFalse: 'up to twice the estimate, or 20 sat/vB'
  },
  {
    decision: 'outbid beyond that',
    takes: 'shown',
    evidence: 'an older state that counts, by two servers',
    ifFalse: 'twice the bid of the last block, and never more than there is to win'
  },
  {
    decision: 'raise the fee of T1 or of a sweep',
    takes: 'answered',
    evidence: 'any server refuses it for its fee, or 144 blocks have passed over it',
    ifFalse:
      'a quarter more with each block, up to 5 % of the channel; of what is swept, as STAKE-5 says'
  },
  {
    decision: 'deliver before the first payment (HTTP-8)',
    takes: 'shown',
    evidence: 'T1 is in a block, or two servers show it; where a side reaches one only, that one',
    ifFalse: 'the units that are given on trust, once for each channel'
  },
  {
    decision: 'fix what a sweep costs',
    takes: 'answered',
    evidence:
      'the estimate (the median of the servers), and how long its output has been in a block, which is proved',
    ifFalse:
      '5 % of what is swept on the first day, twice as much with each further one; where no server lies, what blocks take'
  },
  {
    decision: 'stop a bid at what it can win',
    takes: 'answered',
    evidence:
      'all servers refuse it for its fee, and two show a state that counts, pays what the next block takes, and was passed over by no block; for T2 any newer state',
    ifFalse: 'a block; for T2 days'
  },
  {
    decision: 'let a close go first',
    takes: 'shown',
    evidence:
      'a spend that is not a state (shown, or a close that we have completed), counts, pays about as much as our refused bid, and is shown by more servers than any older state that counts',
    ifFalse:
      'a block: our bid pays what it can win over that spend, or twice the estimate, or 20 sat/vB, and twice as much with each block that passes over it'
  },
  {
    decision: 'replace a coin of T1 when its user asks for it',
    takes: 'shown',
    evidence:
      'no server has shown T1 (of a renewal), or T1 nor a source of it, for 6 blocks; or, proved, T1 is in no block at L + 144',
    ifFalse:
      "the fee of a send: T2 is kept until the send is 6 deep; a T1 that is falsely shown, which for a renewal takes the server's signature: the coins come back at L + 144"
  },
  {
    decision: 'call a payment made or failed',
    takes: 'proved',
    evidence:
      "a spend 6 deep, known by its lock and by what its outputs pay the payer; made also by the payee's acknowledgement",
    ifFalse: 'a reorganisation of 6 blocks'
  },
  {
    decision: 'stop watching, sweep',
    takes: 'proved',
    evidence: 'the block of the spend',
    ifFalse: 'nothing: both are done again after a reorganisation'
  },
  {
    decision: 'close, renew',
    takes: 'said',
    evidence: 'the state that this side holds as well, a fee within bounds of its own estimate',
    ifFalse: 'the fee'
  },
  {
    decision: 'drop a server',
    takes: 'proved',
    evidence: 'it contradicts a proof: false work, a false branch, a proved transaction left out',
    ifFalse: 'nothing: it is tried again'
  }
]

/**
 * EVID-3: true when a shown spend could be mined next, as far as can be known: both sides have
 * signed it (else it is not in `shown`), T1 is in a block, its lock has come, and it has no other
 * input. The value and the unconfirmed ancestors of another input are unknown: mempools may keep
 * such a spend while no block takes it. A spend that does not count is ignored.
 */
export function countsAsRival(
  { onChain: { fundingHeight } }: { readonly onChain: Pick<OnChain, 'fundingHeight'> },
  { fee, lock }: Pick<ShownSpend, 'fee' | 'lock'>,
  height: number
): boolean {
  return fundingHeight !== undefined && fee !== undefined && lock <= height
}

/**
 * The shown states of the other side. Our own publications are not among them, nor are a close
 * (CLOSE-8) and spends that we do not know.
 */
export function rivals({
  role,
  onChain: { shown }
}: Established): ReadonlyArray<ShownSpend & { readonly state: StateRef }> {
  return shown.filter(
    (spend): spend is ShownSpend & { readonly state: StateRef } =>
      spend.state !== undefined && payeeOf(spend.state) !== role
  )
}

/** The shown states of the other side that are newer than ours. */
function newerThan(channel: Established, state: StateRef): readonly ShownSpend[] {
  return rivals(channel).filter((spend) => isOlder(state, spend.state))
}

/** The shown older states of the other side that could be mined next. */
function olderThan(channel: Established, state: StateRef, height: number): readonly ShownSpend[] {
  return rivals(channel).filter(
    (spend) => isOlder(spend.state, state) && countsAsRival(channel, spend, height)
  )
}

/** Blocks for which a state of the other side is waited for where that loses nothing: a day. */
export const PATIENCE = DAY

/**
 * TIME-7: a newer state is the rightful one, and an honest side does not compete with it while it
 * has time. But a state that is in no block may never be in one, so nobody gives up the window of
 * its own state for it: the last third of the window is for our own state, whatever is shown.
 */
export function isHeldBack(channel: Established, state: StateRef, height: number): boolean {
  const newer = newerThan(channel, state)
  if (newer.length === 0) return false
  const begin = publishHeightOf(channel.terms, state)
  const deadline = deadlineOf(channel, state)
  // Waiting loses nothing, so any newer state will do.
  if (deadline === undefined) return height < begin + PATIENCE
  return (
    newer.some((spend) => countsAsRival(channel, spend, height)) &&
    (deadline - height) * 3 > deadline - begin
  )
}

/** A normal bid: a quarter above the rate for the next block. */
export function normalBid(nextBlock: FeeRate, vsize: number): Satoshi {
  return feeFor(feeRate((nextBlock * 5n) / 4n), vsize)
}

/** More doublings than the contents of any channel allow. */
const MOST_PASSED = 50

/** EVID-4: the most that a refusal alone can make a bid pay, for a server can refuse falsely. */
export function hurriedBid(estimate: FeeRate, vsize: number): Satoshi {
  return feeFor(max(feeRate(estimate * 2n), HURRY_RATE), vsize)
}

/** The facts for judging a race. */
interface Race {
  /** Our own state. */
  readonly state: StateRef
  readonly share: bigint
  readonly vsize: number
  readonly height: number
  readonly nextBlock: FeeRate
  readonly estimate: FeeRate
}

/**
 * EVID-5: the most that a bid may pay; undefined when nothing in sight limits it.
 *
 * With a deadline, the limit holds for a bid that every server has refused for its fee: a normal
 * bid against a newer state, which is the rightful one, and against older ones what it can win over
 * the worst of them. Only a rival that two servers show limits the bid, for one that a single
 * server shows need not be why the others refuse it; and only one that pays the rate for the next
 * block, for any other one stays where it is until something worse comes. Blocks tell that rate: a
 * block that has passed over the rival proves that it pays too little, whatever estimates say.
 *
 * T2 has time: against any newer state it pays what it can win over that state, or a normal bid,
 * and doubles that each day, so that a state that no block takes cannot keep it out for ever.
 */
export function winnable(
  channel: Established,
  { state, share, vsize, height, nextBlock }: Race
): bigint | undefined {
  const most = (spends: readonly ShownSpend[]): bigint =>
    spends.reduce(
      (most, spend) => max(most, share - shareOf(channel, spend)),
      normalBid(nextBlock, vsize) as bigint
    )
  const newer = newerThan(channel, state)
  if (deadlineOf(channel, state) === undefined) {
    return newer.length === 0
      ? undefined
      : doubledDaily(most(newer), height - publishHeightOf(channel.terms, state) - PATIENCE)
  }
  const limits = (spend: ShownSpend): boolean =>
    spend.shownBy > 1 &&
    spend.since === height &&
    countsAsRival(channel, spend, height) &&
    (spend.fee ?? 0n) >= normalBid(nextBlock, spend.vsize)
  const older = olderThan(channel, state, height).filter(limits)
  return older.length === 0 && !newer.some(limits) ? undefined : most(older)
}

/**
 * EVID-10: the most that a bid may pay which a server has refused for its fee, while a spend that
 * is no state (a close; also one that we have forgotten) can be why; undefined when none can.
 *
 * Such a spend pays us what both have signed. Its fee is the other side's (CLOSE-3), who gets it
 * back when our bid replaces it: without this limit a close with a fee of nearly all that the other
 * side has makes us burn as much of our share for nothing.
 *
 * It may be made up: the other side hands it to one server alone, and an older state to all others.
 * So it limits nothing while an older state is shown by two servers, or by as many as show it.
 * And no miner may have it: each block that passes over it while we bid doubles the limit. (What
 * came before our first bid proves nothing: a server may have shown for weeks what mempools get at
 * the end.)
 *
 * Blocks that have passed over a cheap close prove nothing of a dear one that comes after it, but
 * only that they take more than our own bid. So in the last block, in which alone a refused bid
 * rises further than blocks tell (EVID-4), the limit is twice that bid at the most.
 *
 * @param refused - the bid, and, in the last block before its deadline, the one that stood when the
 *   tip came
 */
export function closeLimit(
  channel: Established,
  refused: Pick<Publication, 'fee' | 'txid' | 'begun'> & {
    readonly passedOver: Satoshi | undefined
  },
  { state, share, vsize, height, nextBlock, estimate }: Race
): bigint | undefined {
  const older = olderThan(channel, state, height)
  const mostShown = older.reduce((most, { shownBy }) => Math.max(most, shownBy), 0)
  const hurried: bigint = hurriedBid(estimate, vsize)
  const normal: bigint = normalBid(nextBlock, vsize)
  const closes = closesInSight(channel).filter(
    (spend) =>
      spend.txid !== refused.txid &&
      countsAsRival(channel, spend, height) &&
      mostShown < Math.min(2, spend.shownBy) &&
      isWhyRefused(spend, refused.fee, vsize)
  )
  if (closes.length === 0) return undefined
  return closes.reduce<bigint>((most, spend) => {
    const shownSince = Math.max(spend.since ?? height, refused.begun ?? height)
    const passed = BigInt(Math.min(MOST_PASSED, Math.max(0, height - shownSince)))
    const won: bigint = share - paidToUs(channel, spend)
    const doubled = hurried * 2n ** passed
    const lifted =
      refused.passedOver === undefined ? doubled : min(doubled, refused.passedOver * 2n)
    return max(most, max(max(won, normal), max(hurried, lifted)))
  }, 0n)
}

type InSight = Pick<ShownSpend, 'txid' | 'raw' | 'fee' | 'vsize' | 'lock' | 'since' | 'shownBy'>

/**
 * The spends that are no states: those that are shown, and each close and each T1 of a renewal that
 * we have completed ourselves. We have sent that one, so it may stand in every mempool while no
 * server has shown it to us yet, and refusals of our bids come at once.
 *
 * Blocks pass over all of them since the first: who asks for one close after another, each a little
 * dearer, would else have the count begin anew with each.
 */
function closesInSight({ terms, closes, onChain }: Established): readonly InSight[] {
  const others = onChain.shown.filter(({ state }) => state === undefined)
  const heights = [
    onChain.firstShown?.others,
    ...others.map(({ since }) => since),
    ...closes.map(({ completedAt }) => completedAt)
  ].filter((height) => height !== undefined)
  const since = heights.reduce<BlockHeight | undefined>(
    (first, height) => min(first ?? height, height),
    undefined
  )
  const sent = closes.flatMap(({ txid, raw }): InSight[] => {
    const tx = raw === undefined ? undefined : readableTransaction(raw)
    if (raw === undefined || tx === undefined || others.some((spend) => spend.txid === txid)) {
      return []
    }
    return [{ txid, raw, ...figuresOf(tx, terms.capacity), since, shownBy: 1 }]
  })
  const seen = others.map((spend) => ({ ...spend, since }))
  return [...seen, ...sent]
}

/**
 * EVID-3: an input other than the funding output has an unknown value and unknown ancestors, so the
 * fee is unknown too.
 */
export function figuresOf(
  tx: Transaction,
  capacity: Satoshi
): Pick<ShownSpend, 'fee' | 'vsize' | 'lock'> {
  const left = capacity - tx.paidTo()
  return {
    fee: tx.inputs.length === 1 && left >= 0n ? satoshi(left) : undefined,
    vsize: tx.vsize,
    lock: tx.lockTime
  }
}

/**
 * BIP125 rules 3 and 4: a bid is refused that pays less than what it replaces, in all or for its
 * size, or hardly more. A spend that pays less than four fifths of the bid is not why.
 */
function isWhyRefused({ fee, vsize }: InSight, bid: bigint, bidVsize: number): boolean {
  const paid: bigint = fee ?? 0n
  const forItsSize = (paid * BigInt(bidVsize)) / BigInt(vsize)
  return max(paid, forItsSize) * 5n >= bid * 4n
}

/**
 * What a spend that is no state brings us: what it pays to the script of our closes, or, of a T1
 * that we have signed, our balance in the new channel, which is the one in this (RENEW-2), for a
 * client less the fee.
 */
function paidToUs(
  { role, terms, closes, ledger }: Established,
  { txid, raw, fee }: Pick<ShownSpend, 'txid' | 'raw' | 'fee'>
): bigint {
  if (closes.some((close) => close.txid === txid && close.renewedAs !== undefined)) {
    return balances(terms, ledger)[role] - (role === 'client' ? (fee ?? 0n) : 0n)
  }
  const { closeScript } = partyOf(terms, role)
  return readableTransaction(raw)?.paidTo(closeScript) ?? 0n
}

/**
 * EVID-4: the older state that a bid may outbid at once: two servers show it, so neither the peer
 * alone nor one server has made it up. Among several it is the one that pays most.
 */
export function provenRace(
  channel: Established,
  state: StateRef,
  height: number
): ShownSpend | undefined {
  return olderThan(channel, state, height)
    .filter(({ shownBy }) => shownBy >= 2)
    .reduce<ShownSpend | undefined>(
      (most, spend) => (most === undefined || (spend.fee ?? 0n) > (most.fee ?? 0n) ? spend : most),
      undefined
    )
}

/** Our share in a spend; nothing where it is not known. */
export function shareOf(
  { role, terms }: Established,
  { clientBalance }: Pick<ShownSpend, 'clientBalance'>
): bigint {
  if (clientBalance === undefined) return 0n
  return role === 'client' ? clientBalance : terms.capacity - clientBalance
}
