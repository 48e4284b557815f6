/**
 * T1, the funding transaction: version 3, confirmed P2WPKH inputs, the funding output, and change.
 *
 * Version 3 because a version 3 child (T2, T3) of an unconfirmed version 2 transaction is refused
 * (BIP431), and confirmed inputs because a version 3 transaction may have one unconfirmed parent
 * at most, which in turn must be version 3. All inputs are SegWit: nobody can change the txid.
 */
import { z } from 'zod'
import { MAX_PREVIOUS_BYTES } from '../../protocols/paychan/1.0/index.js'
import {
  MAX_TRUC_VSIZE,
  type Selectable,
  selectCoins,
  type Selection,
  type SelectionRequest,
  spendVsize
} from '../bitcoin/coin-selection.js'
import {
  FUNDING_INPUT_VSIZE,
  FUNDING_WITNESS_BYTES,
  type FundingOutput,
  SEQUENCE as REPLACEABLE
} from '../bitcoin/funding-spend.js'
import { fundingScript } from '../bitcoin/funding.js'
import { type CoinEcdsa, signSpend } from '../bitcoin/owner-spend.js'
import { MAX_RENEWAL_VSIZE } from '../bitcoin/renewal.js'
import { dustLimit } from '../bitcoin/sizes.js'
import type { Transaction } from '../bitcoin/transaction.js'
import { FINAL_DEPTH } from '../channel/funding.js'
import { DAY } from '../channel/schedule.js'
import type { BuiltFunding, Change, FundingRequest } from '../engine/ports.js'
import { type ChannelId, type OutPoint, outPointText, txid, type Txid } from '../types/bytes.js'
import { codeOf, PaychanError } from '../types/errors.js'
import { parseRecord, recordChange } from '../types/records.js'
import {
  addSat,
  type BlockHeight,
  blockHeight,
  feeFor,
  formatAmount,
  min,
  type Satoshi,
  subSat
} from '../types/units.js'
import type { Reservations } from './coins.js'
import type { HistoryView } from './history-view.js'
import { named, outPoint, type Reservation } from './records.js'

/** The version of T1 (BIP431). */
const TRUC_VERSION = 3

/** Not final, so that nLockTime counts; relative locks (BIP68) are off. */
const SEQUENCE = 0xfffffffe

/** A script of the length of every funding script: the cost of a T1 does not depend on its keys. */
export const ANY_FUNDING_SCRIPT = Uint8Array.from([0, 32, ...new Uint8Array(32)])

interface FundingPlan<C extends Selectable> extends Selection<C> {
  readonly scriptPubKey: Uint8Array
  readonly amount: Satoshi
  readonly changeScript: Uint8Array
  /**
   * True when the change comes before the funding output: a coin toss, so that nobody can tell
   * which output is the change.
   */
  readonly changeFirst: boolean
  /**
   * The height of the tip, so that a miner gains nothing by mining the tip's block again (fee
   * sniping).
   */
  readonly lockTime: BlockHeight
  readonly secretOf: (coin: C) => Uint8Array
  readonly ecdsa?: CoinEcdsa | undefined
  /** An output of a channel that is spent as well, as the first input: others sign for it. */
  readonly beside?: FundingOutput | undefined
}

/** @throws PaychanError `ERR_INVALID_AMOUNT` when an output of this amount would be dust. */
export function requireNoDust(scriptPubKey: Uint8Array, amount: Satoshi): void {
  const least = dustLimit(scriptPubKey)
  if (amount < least) {
    throw new PaychanError(
      'ERR_INVALID_AMOUNT',
      `A channel of ${formatAmount(amount)} cannot be funded: an output below ${formatAmount(least)} is dust, which no node relays.`,
      { amount, least }
    )
  }
}

/**
 * Coins of a top-up: as few and as small as will do. Its server can keep T1 to itself, and what T1
 * spends is set aside meanwhile, with all that would be change (RENEW-7).
 */
function selectSmallest<C extends Selectable>(request: SelectionRequest<C>): Selection<C> {
  const { coins, scriptPubKey, amount, feeRate, exact = false } = request
  const need = addSat(amount, feeFor(feeRate, spendVsize(1, [scriptPubKey])))
  const alone = coins
    .filter(({ value }) => value >= need)
    .toSorted((a, b) => (a.value === b.value ? 0 : a.value < b.value ? -1 : 1))[0]
  if (exact || alone === undefined) return selectCoins(request)
  const smaller = coins.filter(({ value }) => value < need)
  const two =
    alone.value <= need * 2n
      ? undefined
      : ifEnough(() => selectCoins({ ...request, coins: smaller }))
  // Of three and more the fee estimates of both sides must not differ by much (RENEW-4).
  return two !== undefined && two.inputs.length <= 2
    ? two
    : selectCoins({ ...request, coins: [alone] })
}

function ifEnough<T>(choose: () => T): T | undefined {
  try {
    return choose()
  } catch (error) {
    if (['ERR_INSUFFICIENT_FUNDS', 'ERR_TOO_MANY_COINS'].includes(codeOf(error))) return undefined
    throw error
  }
}

/** What deeper coins may cost more: twice the fee, beside a channel twice what is set aside. */
const MOST_FOR_DEPTH = 2n

/**
 * Chooses the coins; beside an output of a channel, for the missing amount and for its input. Those
 * that no usual reorganisation takes away come first, where they do not cost much more, nor more
 * than T1 may: without one of its coins T1 can be in no block (FUND-6).
 *
 * @param isDeep - true for a coin that stays where it is
 * @param mostFee - the most that T1 may cost, in satoshis; what is chosen may cost more where
 *   nothing else is enough
 */
export function selectFunding<C extends Selectable>(
  request: SelectionRequest<C>,
  beside: FundingOutput | undefined,
  isDeep: (coin: C) => boolean,
  mostFee?: Satoshi
): Selection<C> {
  const usual = select(request, beside)
  if (request.exact === true || usual.inputs.every(isDeep)) return usual
  const coins = request.coins.filter(isDeep)
  const deep = ifEnough(() => select({ ...request, coins }, beside))
  const costOf = ({ inputs, fee }: Selection<C>): bigint =>
    beside === undefined ? fee : inputs.reduce((sum, { value }) => sum + value, 0n)
  const isWorthIt =
    deep !== undefined &&
    costOf(deep) <= costOf(usual) * MOST_FOR_DEPTH &&
    (mostFee === undefined || deep.fee <= mostFee)
  return isWorthIt ? deep : usual
}

function select<C extends Selectable>(
  request: SelectionRequest<C>,
  beside: FundingOutput | undefined
): Selection<C> {
  if (beside === undefined) return selectCoins(request)
  const besideFee = feeFor(request.feeRate, FUNDING_INPUT_VSIZE)
  try {
    const selection = selectSmallest({
      ...request,
      amount: addSat(subSat(request.amount, beside.value), besideFee),
      maxVsize: MAX_RENEWAL_VSIZE - FUNDING_INPUT_VSIZE
    })
    return { ...selection, fee: addSat(selection.fee, besideFee) }
  } catch (error) {
    if (codeOf(error) !== 'ERR_TOO_MANY_COINS') throw error
    throw new PaychanError(
      'ERR_TOO_MANY_COINS',
      `The top-up would take more coins than fit beside the old channel into T1, which has at most ${MAX_RENEWAL_VSIZE} vB (about 6 coins). Name fewer and larger coins, gather some first by sending them to an address from \`paychan address\`, or top up by less.`,
      { most: MAX_RENEWAL_VSIZE }
    )
  }
}

/**
 * The coins of a T1, set aside for its channel.
 *
 * @param change - the index of the change script that it pays, if it pays any
 */
export function reservationOf(
  { channel, beside, refundHeight }: FundingRequest,
  inputs: ReadonlyArray<{ readonly outPoint: OutPoint }>,
  { outPoint, fee }: BuiltFunding,
  change: number | undefined
): Reservation {
  return {
    channel,
    inputs: inputs.map((input) => input.outPoint),
    funding: outPoint.txid,
    ...(beside === undefined ? {} : { beside: true, old: outputOf(beside) }),
    ...(refundHeight === undefined ? {} : { refundHeight }),
    fee,
    ...(change === undefined ? {} : { change })
  }
}

/** A channel's output, as its script has it. */
function outputOf({ outPoint, value, clientKey, serverKey }: FundingOutput): {
  readonly outPoint: OutPoint
  readonly value: Satoshi
  readonly script: Uint8Array
} {
  return { outPoint, value, script: fundingScript(clientKey, serverKey) }
}

/** Builds T1 and signs the wallet's inputs (`ALL`, low S). */
export function buildFundingTransaction<C extends Selectable>(plan: FundingPlan<C>): BuiltFunding {
  const { inputs, scriptPubKey, amount, change, changeScript, changeFirst, lockTime, fee, beside } =
    plan
  const funding = { script: scriptPubKey, value: amount }
  const outputs = change === 0n ? [funding] : [funding, { script: changeScript, value: change }]
  if (changeFirst) outputs.reverse()
  const { raw, txid, vsize } = signSpend({
    version: TRUC_VERSION,
    lockTime,
    coins: [
      ...(beside === undefined
        ? []
        : [
            {
              outPoint: beside.outPoint,
              value: beside.value,
              script: fundingScript(beside.clientKey, beside.serverKey),
              sequence: REPLACEABLE,
              secret: undefined
            }
          ]),
      ...inputs.map((coin) => ({
        outPoint: coin.outPoint,
        value: coin.value,
        script: coin.own.scriptPubKey,
        sequence: SEQUENCE,
        secret: plan.secretOf(coin)
      }))
    ],
    outputs,
    fee,
    ecdsa: plan.ecdsa
  })
  const [size, most] =
    beside === undefined
      ? [vsize, MAX_TRUC_VSIZE]
      : [vsize + FUNDING_WITNESS_BYTES / 4, MAX_RENEWAL_VSIZE]
  if (size > most) throw new Error(`the funding transaction has ${size} vB, above ${most}`)
  return { raw, outPoint: { txid, vout: outputs.indexOf(funding) }, fee }
}

/*
 * T1s that were abandoned, by their txid:
 *
 *     wallet/abandoned/<txid>   our coins that it spends
 *
 * We have signed such a T1, and of a renewal the peer has all signatures. What spends the old
 * channel in its place (RENEW-7) is forgotten one day, and nothing of ours tells any more that T1
 * can be in no block: whoever has it could show it for ever, and its coins would seem to be spent.
 * So it counts only when a block has it, which a reorganisation can still bring about. Once one of
 * its coins is spent for good the chain itself tells what became of it.
 */

export const ABANDONED = 'wallet/abandoned/'

/** A T1, and our coins that it spends. */
interface AbandonedFunding {
  readonly funding: Txid
  readonly inputs: readonly OutPoint[]
}

const abandonedRecord = z.object({ inputs: z.array(outPoint) })

export function abandonedChange({ funding, inputs }: AbandonedFunding): Change {
  return recordChange(ABANDONED + funding, { inputs: inputs.map(outPointText) })
}

export function abandonedRemoval(funding: Txid): Change {
  return { key: ABANDONED + funding, value: undefined }
}

/** @throws PaychanError `ERR_STORE_VERSION`, `ERR_STORE_CORRUPT` */
export function readAbandoned(key: string, value: Uint8Array): AbandonedFunding {
  const { inputs } = parseRecord(key, value, abandonedRecord)
  return { funding: named(key, () => txid(key.slice(ABANDONED.length))), inputs }
}

/** The abandoned T1s, as long as no block tells what became of them. */
export class AbandonedFundings {
  readonly #fundings = new Map<Txid, AbandonedFunding>()
  readonly #view: Pick<HistoryView, 'abandon'>

  constructor(view: Pick<HistoryView, 'abandon'>) {
    this.#view = view
  }

  add(abandoned: AbandonedFunding): void {
    this.#fundings.set(abandoned.funding, abandoned)
    this.#view.abandon(abandoned.funding)
  }

  /** Called once the chain tells what became of it. */
  remove(funding: Txid): void {
    this.#fundings.delete(funding)
  }

  /** Those one of whose coins is spent for good. */
  settled(isBuried: (outPoint: OutPoint) => boolean): Txid[] {
    return [...this.#fundings.values()]
      .filter(({ inputs }) => inputs.some(isBuried))
      .map(({ funding }) => funding)
  }
}

/*
 * The transactions that inputs spend from: they show a signer of another input of the same
 * transaction that all inputs are SegWit.
 */

/**
 * Each transaction once, without witnesses, which do not count for a txid.
 *
 * @throws PaychanError `ERR_COINS_TOO_LARGE` when they do not fit into a message
 */
export function previousOf(
  inputs: ReadonlyArray<{ readonly outPoint: OutPoint }>,
  find: (id: Txid) => Transaction | undefined
): Uint8Array[] {
  const previous = [...new Set(inputs.map(({ outPoint }) => outPoint.txid))].map(
    (id) => (find(id) ?? missing(id)).withWitnesses().raw
  )
  const size = previous.reduce((sum, { length }) => sum + length, 0)
  if (size <= MAX_PREVIOUS_BYTES) return previous
  throw new PaychanError(
    'ERR_COINS_TOO_LARGE',
    `The coins come from transactions of ${size} bytes, and the peer has to be shown them: at most ${MAX_PREVIOUS_BYTES} bytes. Send the amount to an address from \`paychan address\` first, then top the channel up with that coin.`,
    { size, most: MAX_PREVIOUS_BYTES }
  )
}

function missing(id: Txid): never {
  throw new Error(`the wallet has a coin of transaction ${id}, which it does not know`)
}

/*
 * T1s of ours that wait for no block. Of a renewal only the server has all signatures, and may keep
 * them to itself (RENEW-7); and a reorganisation may take a coin of T1 away for good (FUND-6). The
 * node replaces no T1 by itself (FUND-5), but what it spends must not be locked for ever: after a
 * while its owner may name one of its coins and send it to an address of this wallet. Once that is
 * final T1 can be in no block, and its channel is given up.
 *
 * What counts is what servers show. If that is a lie, T1 is replaced although it could have been in
 * a block: that costs the fee of the send, and no more, since T1 carries no payments yet and T2 is
 * kept until the send is proved to be final.
 */

/** Blocks in which no server shows T1, or what it spends. */
const HIDDEN_BLOCKS = 6

interface StrandedInit {
  readonly view: Pick<HistoryView, 'transaction' | 'spender'>
  readonly reservations: Pick<Reservations, 'all' | 'get'>
  /** Undefined as long as a history is missing, too: what is not heard of is not gone. */
  readonly height: () => BlockHeight | undefined
}

interface Seen {
  /** The newest tip under which T1 was shown. */
  readonly shown: BlockHeight
  /** The newest tip under which all that T1 spends was. */
  readonly whole: BlockHeight
  /** The tip under which T1 was first found to be lost; undefined while it is not. */
  readonly lostSince: BlockHeight | undefined
}

export class StrandedFundings {
  /** Since this node started: a restart costs some blocks of time. */
  readonly #seen = new Map<ChannelId, Seen>()
  readonly #init: StrandedInit

  constructor(init: StrandedInit) {
    this.#init = init
  }

  /** Called with each tip and each history. */
  observe(): void {
    const { view, reservations, height } = this.#init
    const tip = height()
    if (tip === undefined) return
    for (const channel of this.#seen.keys()) {
      if (reservations.get(channel) === undefined) this.#seen.delete(channel)
    }
    for (const { channel, inputs, funding } of reservations.all()) {
      if (funding === undefined) continue
      const isShown = view.transaction(funding) !== undefined
      const isWhole = isShown || inputs.every(({ txid }) => view.transaction(txid) !== undefined)
      const first: Seen = { shown: tip, whole: tip, lostSince: undefined }
      const { shown, whole, lostSince } = this.#seen.get(channel) ?? first
      this.#seen.set(channel, {
        shown: isShown ? tip : shown,
        whole: isWhole ? tip : whole,
        lostSince: this.lostTo(channel) === undefined ? undefined : (lostSince ?? tip)
      })
    }
  }

  /**
   * True once a channel had some blocks to hear that its T1 is lost (`lostTo`): a node that was away
   * finds the other spend buried for long, and has to give the channel up first (FUND-6).
   */
  hasTold(channel: ChannelId): boolean {
    const [since, tip] = [this.#seen.get(channel)?.lostSince, this.#init.height()]
    return since !== undefined && tip !== undefined && tip - since >= FINAL_DEPTH
  }

  /**
   * The height from which on the coins of a channel's T1 may be spent by name, as far as can be
   * told now; undefined while T1 is in a block.
   */
  spendableFrom(channel: ChannelId): BlockHeight | undefined {
    // What has been shown since the last tip counts as well.
    this.observe()
    const reservation = this.#init.reservations.get(channel)
    const { funding, beside, refundHeight } = reservation ?? {}
    const seen = this.#seen.get(channel)
    const { height, view } = { height: this.#init.height(), view: this.#init.view }
    if (funding === undefined || seen === undefined || height === undefined) return undefined
    if (view.transaction(funding)?.height !== undefined) return undefined
    const ends = [
      ...(refundHeight === undefined ? [] : [refundHeight + DAY]),
      ...(beside === true ? [seen.shown + HIDDEN_BLOCKS] : []),
      ...(seen.whole < height ? [seen.whole + HIDDEN_BLOCKS] : [])
    ]
    return ends.length === 0 ? undefined : blockHeight(ends.reduce((a, b) => min(a, b)))
  }

  /** True when the coins of a channel's T1 may be spent by name now. */
  isSpendable(channel: ChannelId): boolean {
    const [from, height] = [this.spendableFrom(channel), this.#init.height()]
    return from !== undefined && height !== undefined && height >= from
  }

  /** The transaction that has spent a coin of a channel's T1 for good, in its place. */
  lostTo(channel: ChannelId): Txid | undefined {
    const { view, height } = this.#init
    const tip = height()
    const reservation = this.#init.reservations.get(channel)
    if (tip === undefined || reservation?.funding === undefined) return undefined
    const { funding, inputs }: Reservation = reservation
    return inputs
      .map((input) => view.spender(input))
      .find(
        (spender) =>
          spender?.height !== undefined &&
          spender.transaction.txid !== funding &&
          tip - spender.height + 1 >= FINAL_DEPTH
      )?.transaction.txid
  }
}
