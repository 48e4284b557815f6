/**
 * The invariants at the end of every simulation, beside the books: no rule broken between honest
 * nodes, and no channel stuck.
 */
import { balances } from '../../channel/ledger.js'
import { patientBudget } from '../../channel/stakes.js'
import { newestHeld } from '../../channel/publishable.js'
import { DAY, isOlder, payeeOf, stateOfLock } from '../../channel/schedule.js'
import { isOpening, type Established } from '../../channel/state.js'
import type { Contest } from '../../testing/chain.js'
import type { Simulation } from '../simulation.js'
import type { SimNode } from '../node.js'
import { ChannelRecord, endingOf } from './channels.js'

/** Allowed stops of honest nodes: T1 was late (FUND-4). */
const NO_VIOLATION: ReadonlySet<string> = new Set(['', 'FUND-4'])
/** Blocks in which a side could have published and has not, before its channel counts as stuck. */
const PATIENCE = 24
/**
 * TIME-7: blocks for which a client lets a newer state of the server's wait in the mempool before
 * it publishes T2.
 */
const OUTRANKED = 144
/** After two weeks a bid that doubles each day has passed every possible obstacle. */
const LONGEST_RACE = 14 * 144
/** Leaves a fifth of the possible gain for fees: a smaller gain is bid late, or never. */
const WORTH = 5
const T3_VSIZE = 181
/** STAKE-3: a bid that nothing presses pays so many estimates at the most on its first day. */
const MOST_ESTIMATES = 10
/** Blocks whose median is the estimate. */
const HOUR_OF_BLOCKS = 12
/** An output below this is left out. */
const DUST = 330

export function checkAtEnd(simulation: Simulation): void {
  for (const node of simulation.nodes) checkNotFlooded(node, simulation)
  for (const record of simulation.openings.records) {
    if (
      record.client.honest &&
      record.server.honest &&
      record.client.lostWrites + record.server.lostWrites === 0
    ) {
      checkViolations(record, simulation)
    }
    checkNotStuck(record, simulation)
    checkNotBurnt(record, simulation)
    checkNotPinned(record, simulation)
    checkNotPaidTwice(record, simulation)
  }
}

/**
 * OPEN-11: a PeerId costs nothing, so the memory that strangers can take in a node has to be
 * bounded for all of them together.
 */
function checkNotFlooded(node: SimNode, simulation: Simulation): void {
  const openings = node.engine?.states().filter((state) => isOpening(state)).length ?? 0
  if (node.honest && openings > MOST_OPENINGS) {
    simulation.break(
      'strangers',
      `${node.name} remembers ${openings} openings that were never funded`
    )
  }
}

/** Rates are rounded up, and a replacement pays at least 1 sat/vB more. */
const SLACK = 1.05
const LEAST_STEP = 2
/** Most that a renewal in the way may pay, as a multiple of the block's rate. */
const PINNED = 5
/** Twice the default limits of a node: 64 openings in negotiation, and 64 whose T1 it waits for. */
const MOST_OPENINGS = 128

/**
 * Checks that an honest side pays no more for its state in a block than its curve bids; no lie
 * raises it.
 */
function checkNotBurnt(record: ChannelRecord, simulation: Simulation): void {
  const { chain } = simulation
  const spend = record.outPoint === undefined ? undefined : chain.spenderOf(record.outPoint)
  if (spend?.height === undefined) return
  for (const node of [record.client, record.server]) {
    const bid = simulation.publications.bidsOf(record, node).find(({ txid }) => txid === spend.txid)
    if (!node.honest || bid === undefined || bid.rate <= bid.most * SLACK + LEAST_STEP) continue
    simulation.break(
      'burnt',
      `${node.name} has paid ${spend.fee} sat in channel ${record.number}, ${Math.round(bid.rate)} sat/vB, and with what was in the mempools it bids at most ${Math.round(bid.most)} sat/vB`
    )
  }
}

/**
 * RENEW-4: checks that a transaction that both sides have signed for a renewal is never so large
 * that an honest side's state has to pay much more than a block takes to replace it.
 */
function checkNotPinned(record: ChannelRecord, simulation: Simulation): void {
  const { chain, thresholdAt } = simulation
  const spend = record.outPoint === undefined ? undefined : chain.spenderOf(record.outPoint)
  if (record.outPoint === undefined || spend?.height === undefined) return
  const { height } = spend
  for (const node of [record.client, record.server]) {
    if (
      !node.honest ||
      !simulation.publications.bidsOf(record, node).some(({ txid }) => txid === spend.txid)
    ) {
      continue
    }
    const closes = record
      .stateOf(node)
      ?.closes.filter(({ renewedAs }) => renewedAs !== undefined)
      .map(({ txid }) => txid)
    const pin = chain
      .contestsOf(record.outPoint)
      .find(
        ({ transaction }) =>
          closes?.includes(transaction.txid) === true &&
          transaction.fee < spend.fee &&
          transaction.fee > PINNED * thresholdAt(height) * spend.vsize
      )
    if (pin !== undefined) {
      simulation.break(
        'pinned',
        `${node.name} has paid ${spend.fee} sat in channel ${record.number} to get past a renewal of ${pin.transaction.vsize} vB that pays ${pin.transaction.fee} sat`
      )
    }
  }
}

/**
 * Checks that a payment that an honest payer's node calls failed after the spend is buried has not
 * been paid.
 */
function checkNotPaidTwice(record: ChannelRecord, simulation: Simulation): void {
  const { chain } = simulation
  const spend = record.outPoint === undefined ? undefined : chain.spenderOf(record.outPoint)
  for (const node of [record.client, record.server]) {
    const state = record.stateOf(node)
    if (state === undefined || spend?.height === undefined || !node.honest || node.lostWrites > 0) {
      continue
    }
    const { ledger, role } = state
    const ending = endingOf(spend, [state])
    if (
      ending?.state !== ledger.turn ||
      payeeOf(ledger.turn) === role ||
      ending.server === undefined ||
      ledger.settledSequence === undefined
    ) {
      continue
    }
    const settled =
      ledger.inFlight.findLast(({ sequence }) => sequence <= (ledger.settledSequence ?? 0))
        ?.payerBalance ??
      ledger.held?.payerBalance ??
      0n
    const left = role === 'client' ? Number(state.terms.capacity) - ending.server : ending.server
    if (Number(settled) - left > DUST) {
      simulation.break(
        'paid',
        `${node.name} has ${left} sat of channel ${record.number}, and by the payments that its node calls made it would have ${settled} sat`
      )
    }
  }
}

function checkViolations(record: ChannelRecord, simulation: Simulation): void {
  for (const node of [record.client, record.server]) {
    const stopped = record.stateOf(node)?.stopped
    if (stopped !== undefined && !NO_VIOLATION.has(stopped.rule)) {
      simulation.break(
        'violation',
        `${node.name} stopped channel ${record.number}, of two honest nodes: ${stopped.rule} ${stopped.code} ${stopped.reason}`
      )
    }
  }
}

/**
 * Finds a channel whose locks are all over, and whose honest side could have had its money in some
 * blocks, or holds nothing that could bring it there. A node that is awake has its share on the
 * chain some days after L (STAKE-3), also when the other side is gone.
 */
function checkNotStuck(record: ChannelRecord, simulation: Simulation): void {
  const { books, chain, thresholdAt } = simulation
  if (record.outPoint === undefined || !books.open.has(record.outPoint)) return
  for (const node of [record.client, record.server]) {
    const state = record.stateOf(node)
    if (
      state === undefined ||
      !node.honest ||
      node.lostWrites > 0 ||
      chain.height < state.terms.refundHeight + OUTRANKED + PATIENCE
    ) {
      continue
    }
    const share = Number(balances(state.terms, state.ledger)[state.role])
    const since = `${chain.height - state.terms.refundHeight} blocks after its end`
    if (newestHeld(state) === undefined) {
      if (share > DUST) {
        simulation.break(
          'locked',
          `channel ${record.number} is not spent ${since}, and ${node.name} has ${share} sat in it and nothing to publish`
        )
      }
      continue
    }
    const from = state.terms.refundHeight + OUTRANKED + 2
    const heights = Array.from({ length: chain.height - from }, (_, n) => from + n)
    const contests = chain.contestsOf(record.outPoint)
    const missed = heights.filter(
      (height) =>
        isThere(node, height) &&
        thresholdAt(height) * T3_VSIZE * WORTH < share &&
        !isAwaited(state, contests, height) &&
        !isTooDear(state, share, contests, height, thresholdAt)
    )
    if (missed.length >= PATIENCE) {
      simulation.break(
        'stuck',
        `channel ${record.number} is not spent ${since}, although ${node.name} has ${share} sat in it`
      )
    }
  }
}

/**
 * EVID-5: a newer state of the other side's waits, and would pay this one as well: the bid against
 * it doubles with each day.
 */
function isAwaited(state: Established, contests: readonly Contest[], height: number): boolean {
  const held = newestHeld(state)?.state ?? 'refund'
  return (
    height < state.terms.refundHeight + LONGEST_RACE &&
    contests.some(
      ({ transaction, from, to }) =>
        from <= height &&
        to >= height &&
        isOlder(held, stateOfLock(state.terms, transaction.lockTime) ?? 'refund')
    )
  )
}

/**
 * STAKE-3: an older state of the other side's that no block takes, made large, is in the way. The
 * limits for replacing it, a part of the share and a multiple of the estimate, double with each
 * day.
 */
function isTooDear(
  state: Established,
  share: number,
  contests: readonly Contest[],
  height: number,
  thresholdAt: (height: number) => number
): boolean {
  const held = newestHeld(state)?.state ?? 'refund'
  const calm = height - state.terms.refundHeight - OUTRANKED
  const hour = Array.from({ length: HOUR_OF_BLOCKS }, (_, n) => thresholdAt(height - n))
  const highest = Math.min(...hour) * MOST_ESTIMATES * T3_VSIZE * 2 ** Math.floor(calm / DAY)
  const budget = Math.min(Number(patientBudget(BigInt(share), calm)), highest)
  return (
    height < state.terms.refundHeight + LONGEST_RACE &&
    contests.some(
      ({ transaction, from, to }) =>
        from <= height &&
        to >= height &&
        isOlder(stateOfLock(state.terms, transaction.lockTime) ?? held, held) &&
        transaction.fee * 1.25 >= budget
    )
  )
}

function isThere({ absences }: SimNode, height: number): boolean {
  return !absences.some(({ from, to }) => height >= from && height - 2 <= to)
}

/**
 * Checks an invariant of any moment: the newest state of each channel matches the answers to
 * callers, except for answers still due.
 */
export function checkNow(simulation: Simulation): void {
  for (const record of simulation.openings.records) {
    const newest =
      record.client.lostWrites + record.server.lostWrites > 0 ? undefined : record.newest()
    if (newest?.ledger.held === undefined) continue
    const { forth, back, serverTold } = record
    const share = ChannelRecord.serverShare(newest)
    const least = serverTold - back.unknown - simulation.payments.pendingOf(back)
    const most = serverTold + forth.unknown + simulation.payments.pendingOf(forth)
    if (share < least || share > most) {
      simulation.break(
        'payments',
        `channel ${record.number}: the server has ${share} sat, and by what callers were told it has ${least} to ${most} sat`
      )
    }
  }
}
