/**
 * The ends without the other side: each side publishes the newest state that it holds once it is
 * mature (a one-way server before L, its client T2 at L), and replaces its own transaction by one
 * with a higher fee as the deadline comes nearer (BIP125). Whoever publishes pays the fee out of
 * its own share: before the deadline never more than what is at stake, and then, patiently, what it
 * takes to fetch the share. The share always covers that, so no coins of the wallet are needed.
 */
import { dustLimit } from '../bitcoin/dust.js'
import { SAFE_RELAY_RATE } from '../bitcoin/relay.js'
import { completeState } from '../bitcoin/template.js'
import { paidTo, parseTransaction } from '../bitcoin/transaction.js'
import {
  formatAmount,
  feeFor,
  feeRate,
  max,
  min,
  satoshi,
  subSat,
  ZERO_SAT,
  type FeeRate,
  type Satoshi
} from '../types/units.js'
import type { Txid } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { isFeeRefusal } from '../types/refusals.js'
import { to, type Effect, type Transition } from './effects.js'
import type { Env } from './env.js'
import { curveRate, patientRate } from './fee-curve.js'
import {
  countsAsRival,
  isHeldBack,
  normalBid,
  PATIENCE,
  provenRace,
  rivals,
  winnable
} from './evidence.js'
import { balances } from './ledger.js'
import {
  leastShare,
  newestHeld,
  publishable,
  stakeAt,
  vsizeOf,
  type Publishable
} from './publishable.js'
import { payeeOf, publishHeightOf } from './schedule.js'
import { lastDeadlineOf, patientBudget, windowOf } from './stakes.js'
import {
  isFrozen,
  spendInSight,
  type Channel,
  type Established,
  type Publication,
  type ShownSpend
} from './state.js'
import { partyOf } from './terms.js'

/** 20 sat/vB: 181 vB of a T3 then cost 3,620 sat, which is not worth an attack. */
const HURRY_RATE = feeRate(20_000n)

/** Why a channel takes no payments that its user settles. */
export const SETTLED = 'ERR_CHANNEL_SETTLED'

/**
 * Whether the moment has come to publish alone by the height of the tip (TIME-1, TIME-2, TIME-3,
 * TIME-6). A close that is unconfirmed changes nothing (CLOSE-8).
 */
function isDue(channel: Established, ours: Pick<Publishable, 'turn'>, height: number): boolean {
  const { terms, stopped, role } = channel
  if (height >= publishHeightOf(terms, ours.turn)) return true
  // Only the states of a one-way channel have no lock.
  return (
    terms.mode === 'one-way' &&
    role === 'server' &&
    (isSpentByStranger(channel) || stopped?.settleNow === true)
  )
}

/**
 * Nobody but us can have made a signature of ours that we do not know. But what pays us no less
 * than our newest state is no reason to hurry: it is a close that we have signed and forgotten on
 * this old copy of our data, and ours in its place would bring less (RESTORE-6).
 */
function isSpentByStranger({ terms, role, ledger, onChain: { shown } }: Established): boolean {
  return shown.some(
    ({ kind, raw }) =>
      kind === 'unknown' &&
      paidTo(partyOf(terms, role).closeScript, raw) < balances(terms, ledger)[role]
  )
}

/** TIME-10: settled before its time, for no other reason than that the client has broken a rule. */
function isEarly(channel: Established, height: number): boolean {
  const { terms, stopped } = channel
  return (
    terms.mode === 'one-way' &&
    height < terms.settleHeight &&
    stopped?.settleNow === true &&
    stopped.rule !== '' &&
    !isSpentByStranger(channel)
  )
}

/**
 * TIME-7, TIME-10: what is on its way pays us what ours would: a newer state, or before the
 * settlement height a close or a renewal.
 */
function mustWait(channel: Established, turn: number, height: number): boolean {
  return isHeldBack(channel, turn, height) || (isEarly(channel, height) && isFrozen(channel))
}

/**
 * TIME-10: nothing is lost before the settlement height, so that a settlement costs such a part of
 * the share at most until then.
 */
const EARLY_PART = 16n

/**
 * Starts publishing when it is due and worth it, and outbids a rival that has come in sight. Called
 * after every event, so it must be cheap when nothing is due.
 */
export function publishIfDue(channel: Established, env: Env): Transition<Established> {
  const { publication: before, onChain } = channel
  if (env.height === undefined || !onChain.fundingSeen || onChain.spend !== undefined) {
    return to(channel)
  }
  const held = newestHeld(channel)
  // Before any transaction is laid out: that takes longer than all else of an event.
  if (
    held === undefined ||
    (before === undefined && !isDue(channel, held, env.height)) ||
    mustWait(channel, held.turn, env.height)
  ) {
    return to(channel)
  }
  if (before !== undefined) return answerRival(channel, before, held.turn, env.height, env)
  const ours = publishable(channel)
  if (ours === undefined) return to(channel)
  const publication = bid(channel, ours, env)
  return publication === undefined ? to(channel) : published(channel, publication)
}

/**
 * Whether our state is due, is worth an output, and there is no bid that its share allows: it stays
 * locked up until blocks are cheaper.
 */
export function isUnaffordable(channel: Established, env: Env): boolean {
  const { height } = env
  const held = newestHeld(channel)
  if (
    height === undefined ||
    held === undefined ||
    !channel.onChain.fundingSeen ||
    channel.publication !== undefined ||
    spendInSight(channel) !== undefined ||
    !isDue(channel, held, height) ||
    mustWait(channel, held.turn, height)
  ) {
    return false
  }
  const ours = publishable(channel)
  return (
    ours !== undefined &&
    ours.share >= dustLimit(partyOf(channel.terms, channel.role).closeScript) &&
    bid(channel, ours, env) === undefined
  )
}

/**
 * A state of the other side has come in sight. An older one that two servers show is outbid
 * (EVID-4). Another one that is not the rightful one, also what no block takes, may have put ours
 * out of the mempools: our bid goes out once more, and a refusal tells.
 */
function answerRival(
  channel: Established,
  publication: Publication,
  turn: number,
  height: number,
  env: Env
): Transition<Established> {
  const seen = rivals(channel).filter(
    (spend) => spend.turn < turn || !countsAsRival(channel, spend, height)
  )
  const [rival] = seen
  if (rival === undefined) return to(channel)
  const race = provenRace(channel, turn, height)
  const next =
    race === undefined || outbidding(race, vsizeOfRaw(publication.raw), env) <= publication.fee
      ? undefined
      : bidAtOnce(channel, publication, height, env)
  if (next !== undefined) return published(channel, next)
  if (seen.some(({ txid }) => txid === publication.probed)) return to(channel)
  return to(
    { ...channel, publication: { ...publication, probed: rival.txid } },
    broadcastOf(publication)
  )
}

/**
 * On a new tip, also after a reorg took a bid out of its block (TIME-4): the next bid, or the same
 * transaction once more when the share allows no higher one.
 */
export function republish(channel: Established, env: Env): Transition<Established> {
  const { publication } = channel
  if (
    publication === undefined ||
    channel.onChain.spend !== undefined ||
    env.height === undefined
  ) {
    return to(channel)
  }
  const held = newestHeld(channel)
  if (held !== undefined && mustWait(channel, held.turn, env.height)) return to(channel)
  // At the same height the node was restarted: the last bid may never have left it.
  const next = env.height > publication.height ? higherBid(channel, publication, env) : undefined
  return next === undefined ? to(channel, broadcastOf(publication)) : published(channel, next)
}

/**
 * A mempool has the bid: from here on only its fee keeps it out of a block. Where another one asks
 * for more, it is raised as after a refusal.
 */
export function onPublicationAccepted(
  channel: Established,
  txid: Txid,
  refusedForFee: boolean,
  env: Env
): Transition<Established> {
  const { publication } = channel
  if (publication?.txid !== txid) return to(channel)
  const standing: Publication = {
    ...publication,
    refusedFor: undefined,
    ...(refusedForFee ? { isUnderpaid: true } : {})
  }
  const isNews =
    publication.refusedFor !== undefined || (refusedForFee && publication.isUnderpaid === undefined)
  const state: Established = isNews ? { ...channel, publication: standing } : channel
  return refusedForFee ? hurried(state, env) : to(state)
}

/**
 * Every mempool that could be asked refused a bid. Whatever the reason: the next one comes with the
 * next block at the latest (EVID-4).
 */
export function onPublicationRefused(
  channel: Established,
  refusal: { readonly txid: Txid; readonly kind: string; readonly reason: string },
  env: Env
): Transition<Established> {
  const { publication } = channel
  const note: Effect = {
    type: 'notify',
    news: {
      kind: 'publication-refused',
      transaction: publication?.kind ?? 'settlement',
      reason: refusal.reason
    }
  }
  if (publication === undefined || publication.txid !== refusal.txid) return to(channel, note)
  const state: Established =
    publication.refusedFor === refusal.kind
      ? channel
      : { ...channel, publication: { ...publication, refusedFor: refusal.kind } }
  return isFeeRefusal(refusal.kind) ? hurried(state, env, note) : to(state, note)
}

/**
 * A higher bid at once, since a mempool asks for one; but only up to twice the estimate, or 20
 * sat/vB: a server can say so falsely, and a close with a large fee, which the other side gets back
 * if it is replaced, would make us burn our share against our own payment. Beyond that the fee
 * rises with the blocks, or in a race that is proven (`answerRival`).
 */
function hurried(channel: Established, env: Env, ...first: Effect[]): Transition<Established> {
  const { publication } = channel
  const held = newestHeld(channel)
  if (
    publication === undefined ||
    env.height === undefined ||
    held === undefined ||
    mustWait(channel, held.turn, env.height)
  ) {
    return to(channel, ...first)
  }
  const next = bidAtOnce(
    channel,
    publication,
    env.height,
    env,
    feeRate(publication.feeRate + max(publication.feeRate / 4n, env.relay.incremental as bigint))
  )
  return next === undefined ? to(channel, ...first) : published(channel, next, ...first)
}

/**
 * EVID-4: the next bid, without waiting for a block: up to twice the estimate or 20 sat/vB, in a
 * race that is proven up to twice what stood at the last block.
 */
function bidAtOnce(
  channel: Established,
  publication: Publication,
  height: number,
  env: Env,
  leastRate = publication.feeRate
): Publication | undefined {
  const ours = publishable(channel)
  if (ours === undefined) return undefined
  const vsize = vsizeOf(channel, ours)
  // A race that begins in the last block has no curve: while a server has taken the bid, refusals
  // of another one move it no further than at any other height.
  const isTaken = publication.refusedFor === undefined && publication.begun === height
  if (!isTaken && isLastCall(channel, ours.turn, publication, height)) {
    return bid(channel, ours, env, { previous: publication, leastRate })
  }
  const unproven = feeFor(max(feeRate(env.feeRate * 2n), HURRY_RATE), vsize)
  const most =
    provenRace(channel, ours.turn, height) === undefined
      ? unproven
      : max(unproven, satoshi(baseOf(publication, height) * 2n))
  return bid(channel, ours, env, { previous: publication, leastRate, most })
}

function broadcastOf(publication: Publication): Effect {
  return { type: 'broadcast', purpose: 'publication', raw: publication.raw }
}

/**
 * The next bid, when it can replace the last one: BIP125 rule 4 asks for the incremental relay fee
 * more than that. A state that a new turn brought is another transaction, and its bid begins anew,
 * above the last one.
 */
function higherBid(
  channel: Established,
  previous: Publication,
  env: Env,
  asked?: FeeRate
): Publication | undefined {
  const ours = publishable(channel)
  return ours === undefined
    ? undefined
    : bid(channel, ours, env, {
        previous,
        leastRate: asked ?? previous.feeRate,
        byUser: asked !== undefined
      })
}

function vsizeOfRaw(raw: Uint8Array): number {
  return parseTransaction(raw).vsize
}

interface BidOptions {
  readonly previous?: Publication
  /** Of the last bid, or what a mempool or a user asks for. */
  readonly leastRate?: FeeRate
  readonly most?: Satoshi
  /** A user asks for it, and may spend all that there is. */
  readonly byUser?: boolean
}

/**
 * Signs a publication at the rate of the moment, within the budgets; undefined when what is at
 * stake is not worth a transaction, or one that can replace the last one.
 */
function bid(
  channel: Established,
  ours: Publishable,
  env: Env,
  { previous, leastRate = previous?.feeRate, most, byUser = false }: BidOptions = {}
): Publication | undefined {
  const { height } = env
  if (height === undefined) return undefined
  const script = partyOf(channel.terms, channel.role).closeScript
  const vsize = vsizeOf(channel, ours)
  const { from, deadline } = windowOf(channel, ours.turn, height)
  // A node that comes back late begins where it would be by now.
  const since = previous?.since ?? {
    height: min(height, publishHeightOf(channel.terms, ours.turn)),
    feeRate: env.feeRate
  }
  const budgets = budgetsOf(channel, ours, env, height, since.height)
  const budget = byUser ? budgets.share : max(budgets.race, budgets.patient)
  if (budget < feeFor(worthwhileRate(env), vsize)) return undefined
  const rateOf = (sats: bigint): FeeRate => feeRate((max(0n, sats) * 1000n) / BigInt(vsize))
  const race = provenRace(channel, ours.turn, height)
  const isLast = isLastCall(channel, ours.turn, previous, height)
  const least = leastRate ?? feeRate(0n)
  // What a mempool takes at the least is the word of servers, as an estimate is, and moves a bid no
  // further (STAKE-4).
  const [estimate, nextBlock] = [
    max(env.feeRate, env.relay.minimum),
    max(env.nextBlockRate, env.relay.minimum)
  ]
  const input = {
    height,
    previous: byUser ? (previous?.feeRate ?? least) : least,
    passedOver:
      previous === undefined
        ? undefined
        : feeRate(rateOf(baseOf(previous, height)) + env.relay.incremental),
    estimate,
    nextBlock
  }
  const isBeforeTime = isEarly(channel, height)
  const curve =
    deadline === undefined
      ? feeRate(0n)
      : isBeforeTime
        ? estimate
        : curveRate({
            ...input,
            since: { ...since, height: max(since.height, from) },
            deadline,
            budget: rateOf(budgets.race),
            isContested: isLast || most !== undefined
          })
  const wanted =
    previous !== undefined && isLast
      ? min(
          curve,
          max(feeRate((previous.feeRate * 3n) / 2n), feeRate((env.nextBlockRate * 5n) / 4n))
        )
      : curve
  const patient = patientRate({
    ...input,
    since: { ...since, height: budgets.patientFrom },
    budget: rateOf(budgets.patient)
  })
  const base =
    previous === undefined ? normalBid(env.nextBlockRate, vsize) : baseOf(previous, height)
  const raced =
    race === undefined
      ? ZERO_SAT
      : min(outbidding(race, vsize, env), max(satoshi(base * 2n), feeFor(HURRY_RATE, vsize)))
  // One takes it and one refuses it: who of the two lies cannot be told, so it is half of what is
  // at stake at most.
  const isDisputed = isLast && previous?.refusedFor === undefined
  const wished = min(
    max(
      feeFor(
        max(max(wanted, patient), max(leastBidRate(env, deadline), byUser ? least : feeRate(0n))),
        vsize
      ),
      raced
    ),
    satoshi(isDisputed ? budget / 2n : budget)
  )
  const fee = most === undefined ? wished : min(wished, most)
  if (isBeforeTime && !byUser && fee < feeFor(env.feeRate, vsize)) return undefined
  // By the largest size that it can have, before it is signed: with most blocks the bid stays as it
  // is.
  if (previous !== undefined && fee < previous.fee + feeFor(env.relay.incremental, vsize)) {
    return undefined
  }
  const raw = completeState(
    ours.template,
    ours.signature,
    [{ script, value: subSat(ours.share, fee) }],
    env.sign
  )
  return {
    kind: ours.kind,
    turn: ours.turn,
    since,
    feeRate: feeRate((fee * 1000n) / BigInt(vsize)),
    fee,
    txid: parseTransaction(raw).txid,
    raw,
    height,
    refusedFor: undefined,
    base,
    begun: previous === undefined ? height : previous.begun
  }
}

/** What cannot pay this is not worth a transaction. */
function worthwhileRate({ relay }: Pick<Env, 'relay'>): FeeRate {
  return min(relay.minimum, SAFE_RELAY_RATE)
}

/**
 * Before a deadline no bid is below what every node relays: our servers may take it, and the miners
 * be behind nodes that do not.
 */
function leastBidRate(env: Pick<Env, 'relay'>, deadline: number | undefined): FeeRate {
  return deadline === undefined ? worthwhileRate(env) : SAFE_RELAY_RATE
}

/**
 * The last block before the deadline, and a server has refused the last bid for its fee: something
 * in its mempool keeps it out, however little that may be worth to a miner, and that another server
 * says to have taken it may be a lie. It is outbid at once, step by step until none refuses: all of
 * the budget in one step could be far more than it takes.
 */
function isLastCall(
  channel: Established,
  turn: number,
  previous: Publication | undefined,
  height: number
): boolean {
  const { deadline } = windowOf(channel, turn, height)
  if (deadline === undefined || height !== deadline - 1) return false
  return (
    isFeeRefusal(previous?.refusedFor) ||
    (previous?.isUnderpaid === true && isInTheWay(channel, height))
  )
}

/**
 * Whether a server shows what one could refuse a bid for that another one has taken: who refuses it
 * and shows nothing that it would have to replace lies. What we have published ourselves is nothing
 * of the kind: each bid pays enough more to replace the last, and all servers have all of them.
 */
function isInTheWay({ role, onChain: { shown } }: Established, height: number): boolean {
  return shown.some(
    ({ turn, lock }) => lock <= height && (turn === undefined || payeeOf(turn) !== role)
  )
}

/** EVID-4: what a race at this height starts from. A new block lets the last bid count. */
function baseOf(previous: Publication, height: number): Satoshi {
  return previous.height === height ? (previous.base ?? previous.fee) : previous.fee
}

/**
 * BIP125: what replaces the other side's transaction pays its fee, a quarter more, and the
 * incremental relay fee for itself.
 */
function outbidding(
  { fee = ZERO_SAT }: ShownSpend,
  vsize: number,
  { relay }: Pick<Env, 'relay'>
): Satoshi {
  return satoshi(fee + fee / 4n + feeFor(relay.incremental, vsize))
}

interface Budgets {
  /**
   * What is lost if another state is in a block in the place of ours; of a bid that every server
   * has refused for its fee not more than it can win (EVID-5).
   */
  readonly race: bigint
  /** STAKE-3: what may be paid patiently, and the height from which on. */
  readonly patient: bigint
  readonly patientFrom: number
  /** All of our share, less an output above dust. */
  readonly share: bigint
}

function budgetsOf(
  channel: Established,
  ours: Publishable,
  env: Pick<Env, 'feeRate' | 'nextBlockRate'>,
  height: number,
  since: number
): Budgets {
  const share = ours.share - dustLimit(partyOf(channel.terms, channel.role).closeScript)
  const { deadline } = windowOf(channel, ours.turn, height)
  const stake =
    deadline === undefined
      ? 0n
      : min(
          min(share, stakeAt(channel, ours, height, env.feeRate)),
          isEarly(channel, height) ? ours.share / EARLY_PART : share
        )
  const from = patientFrom(channel, ours.turn, since, height)
  const patient =
    height < from || isEarly(channel, height)
      ? 0n
      : min(
          share,
          max(
            patientBudget(ours.share, height - from),
            feeFor(SAFE_RELAY_RATE, vsizeOf(channel, ours)) as bigint
          )
        )
  // T2 has time: whether it was refused or not, it does not burn more than it can win.
  const isRefused = isFeeRefusal(channel.publication?.refusedFor)
  const most =
    isRefused || deadline === undefined
      ? winnable(channel, {
          turn: ours.turn,
          share: ours.share,
          vsize: vsizeOf(channel, ours),
          height,
          nextBlock: env.nextBlockRate
        })
      : undefined
  return {
    race: most === undefined ? stake : min(stake, most),
    patient: most === undefined ? patient : min(patient, most),
    patientFrom: from,
    share
  }
}

/**
 * STAKE-3: the height from which nothing presses: the other side could have published all that it
 * holds, or our user wants its money now. An older state that could be mined is given a day: what
 * it leaves us needs no fee of ours.
 */
function patientFrom(channel: Established, turn: number, since: number, height: number): number {
  const last = lastDeadlineOf(channel, turn) ?? publishHeightOf(channel.terms, turn)
  const from = channel.stopped?.code === SETTLED ? Math.min(since, last) : last
  return rivals(channel).some((spend) => spend.turn < turn && countsAsRival(channel, spend, height))
    ? from + PATIENCE
    : from
}

function published(
  channel: Established,
  publication: Publication,
  ...first: Effect[]
): Transition<Established> {
  return to({ ...channel, publication }, ...first, broadcastOf(publication), {
    type: 'notify',
    step: publication.kind,
    txid: publication.txid,
    news: { kind: 'published', transaction: publication.kind, fee: publication.fee }
  })
}

/**
 * The bid that a user asks for: at a rate, or a quarter above the last one and above what the next
 * block takes. Never above the share.
 */
export function raisedTo(
  channel: Established,
  rate: FeeRate | undefined,
  env: Env
): Publication | PaychanError {
  const { publication, onChain } = channel
  const ours = publishable(channel)
  if (publication === undefined || ours === undefined || env.height === undefined) {
    return new PaychanError('ERR_CANNOT_BUMP', 'Nothing of this channel waits for a block.')
  }
  if (onChain.spend !== undefined) {
    return new PaychanError(
      'ERR_ALREADY_CONFIRMED',
      `The channel is spent in block ${onChain.spend.height} already.`,
      { height: onChain.spend.height }
    )
  }
  const wanted = rate ?? feeRate((max(publication.feeRate, env.nextBlockRate) * 5n) / 4n)
  const next = higherBid(
    channel,
    publication,
    env,
    feeRate(max(wanted as bigint, publication.feeRate + 1n))
  )
  if (next !== undefined && next.feeRate >= wanted - 10n) return next
  const most = budgetsOf(channel, ours, env, env.height, publication.since.height).share
  return new PaychanError(
    'ERR_CANNOT_BUMP',
    `It pays ${formatAmount(publication.fee)}. A higher fee has to be 1 sat/vB more, and at most the ${formatAmount(satoshi(max(0n, most)))} of your share; give another --feerate.`,
    { fee: publication.fee, most, feeRate: wanted }
  )
}

/** The user raises the fee of what waits. */
export function onBump(channel: Channel, rate: FeeRate, env: Env): Transition {
  const next = channel.stage === 'established' ? raisedTo(channel, rate, env) : undefined
  return channel.stage === 'established' && next !== undefined && !(next instanceof PaychanError)
    ? published(channel, next)
    : to(channel)
}

/**
 * A close that costs nothing is worth an hour. What blocks pass over for longer may be in no
 * mempool but that of a server that lies (CLOSE-8).
 */
const BLOCKS_FOR_CLOSE = 6

function isPassedOver({ since }: Pick<ShownSpend, 'since'>, height: number | undefined): boolean {
  return since !== undefined && height !== undefined && height - since >= BLOCKS_FOR_CLOSE
}

/** The user wants its money now, without the other side. */
export function onSettle(channel: Channel, env: Pick<Env, 'height' | 'relay'>): Transition {
  if (channel.stage !== 'established') {
    return to(channel, settleRefused('Only an established channel can be settled.'))
  }
  const { terms } = channel
  const spend = spendInSight(channel)
  if (
    spend !== undefined &&
    (spend.height !== undefined || (spend.kind === 'close' && !isPassedOver(spend, env.height)))
  ) {
    return to(channel, {
      type: 'close-refused',
      error: new PaychanError(
        'ERR_CHANNEL_CLOSED',
        `The channel is already being closed by transaction ${spend.txid}.`
      )
    })
  }
  if (channel.publication !== undefined) return to(channel, broadcastOf(channel.publication))
  const ours = publishable(channel)
  const matures = ours === undefined ? undefined : publishHeightOf(terms, ours.turn)
  if (terms.mode === 'one-way' && channel.role === 'client') {
    return to(
      channel,
      settleRefused(
        `Only the server of an established channel can settle it alone. The refund is published by itself at height ${terms.refundHeight}.`
      )
    )
  }
  if (ours === undefined || ours.share < leastShare(channel, ours, worthwhileRate(env))) {
    return to(
      channel,
      settleRefused('Our share is not worth the fee of a transaction.', {
        share: ours?.share ?? 0n
      })
    )
  }
  if (
    terms.mode === 'two-way' &&
    matures !== undefined &&
    (env.height === undefined || env.height < matures)
  ) {
    return to(
      channel,
      settleRefused(
        `Our newest state matures at height ${matures}, and is published by itself then.`,
        { height: env.height, matures }
      )
    )
  }
  return to({
    ...channel,
    stopped: {
      code: SETTLED,
      reason: 'settled on the chain by its user',
      rule: '',
      settleNow: true
    }
  })
}

function settleRefused(text: string, facts = {}): Effect {
  return { type: 'close-refused', error: new PaychanError('ERR_NOTHING_TO_SETTLE', text, facts) }
}
