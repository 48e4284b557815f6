/**
 * Carries out the steps of `claims.ts`: builds, stores and broadcasts sweeps. Claims that are due
 * at the same time go into one transaction, which is cheaper: a further input costs 69 vB, a
 * transaction of its own 111.
 */
import { buildSweep, sweepVsize } from '../bitcoin/owner-spend.js'
import { SAFE_RELAY_RATE } from '../bitcoin/relay.js'
import { dustLimit } from '../bitcoin/sizes.js'
import type { Transaction } from '../bitcoin/transaction.js'
import { doubledDaily } from '../channel/fee-curve.js'
import { DAY } from '../channel/schedule.js'
import type { Chain, Change, Signer, Store, Tip, Verdict } from '../engine/ports.js'
import { outPointText, sameBytes, toHex, type Txid } from '../types/bytes.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import {
  blockDelta,
  type BlockHeight,
  feeFor,
  feeRate,
  type FeeRate,
  formatAmount,
  formatFeeRate,
  max,
  min,
  rateFor,
  satoshi,
  type Satoshi,
  satPerVByte
} from '../types/units.js'
import type { AddressBook } from './addresses.js'
import type { Claim, Claims } from './claims.js'
import type { Reservations } from './coins.js'
import { askedRate, checkCost, estimatedRate, incrementalOf, targetOf } from './fee-choice.js'
import { madeChange, type Notes } from './notes.js'
import { isUnderpaid } from './rebroadcasts.js'
import { branchChange, claimChange, type ClaimRecord, claimRemoval } from './records.js'
import type { BumpResult, FeeChoice } from './node-wallet.js'
import { BackgroundTask, type SerialQueue } from './tasks.js'

/*
 * STAKE-5: what sweeps may cost by themselves. A payout is its owner's alone and nothing waits for
 * it, so the other side must not choose the hour in which it is swept, nor a server that lies about
 * prices or refuses a fee what it costs.
 */

/** A twentieth, 5 %, on the first day; twice as much with each further one, so all after five. */
const PART_OF_PAYOUT = 20n

/** A payout that is to be swept, and the number of blocks that it has waited. */
export interface WaitingPayout {
  readonly value: Satoshi
  readonly waited: number
}

/** The most that the sweep of one payout may cost, in satoshis. */
function budgetOf({ value, waited }: WaitingPayout): bigint {
  return min<bigint>(value, doubledDaily(value, waited) / PART_OF_PAYOUT)
}

/**
 * The highest feerate of one sweep of payouts: what their budgets pay for and leaves no dust, or
 * what every node relays when that is more, for nothing will be cheaper.
 */
export function mostSweepRate(payouts: readonly WaitingPayout[], to: Uint8Array): FeeRate {
  const total = payouts.reduce((sum, { value }) => sum + value, 0n)
  const budget = payouts.reduce((sum, payout) => sum + budgetOf(payout), 0n)
  const most = max(0n, min(budget, total - dustLimit(to)))
  const vsize = BigInt(sweepVsize(payouts.length, to))
  return max(SAFE_RELAY_RATE, feeRate((most * 1000n) / vsize))
}

/**
 * Chooses those of many payouts that one sweep takes now, and its feerate: the estimate, or what
 * the payout that can pay most affords alone. The others come along where each pays for its own
 * input.
 */
export function chooseSweep<P extends WaitingPayout>(
  payouts: readonly P[],
  estimate: FeeRate,
  to: Uint8Array
): { readonly payouts: readonly P[]; readonly rate: FeeRate } {
  const rate = payouts.reduce<FeeRate>(
    (most, payout) => max(most, min(estimate, mostSweepRate([payout], to))),
    SAFE_RELAY_RATE
  )
  const inputVsize = sweepVsize(2, to) - sweepVsize(1, to)
  const least = feeFor(SAFE_RELAY_RATE, inputVsize)
  const cost = feeFor(rate, inputVsize)
  return {
    payouts: payouts.filter(
      (payout) => payout.value > cost && cost <= max<bigint>(budgetOf(payout), least)
    ),
    rate
  }
}

/** In blocks of ten minutes: nothing waits for a sweep, so within a day (144) is soon enough. */
const SWEEP_TARGET = blockDelta(DAY)

/** Blocks in the mempool after which a sweep that pays less than the estimate is replaced. */
const STUCK_BLOCKS = 6

/** The target of a raised sweep, in blocks: within the hour. */
const BUMP_TARGET = blockDelta(6)

/** Inputs of one sweep: 69 vB each, far below the relay limit. Each claim keeps a copy of it. */
const MAX_BATCH = 50

interface SweeperInit {
  readonly claims: Claims
  readonly chain: Chain
  readonly store: Store
  readonly signer: Signer
  readonly addresses: AddressBook
  readonly notes: Notes
  readonly reservations: Pick<Reservations, 'fundedBy'>
  /** The queue shared with everything that gives out indexes. */
  readonly serial: SerialQueue
  /** Called when a claim is new on disk or gone, or an address was used. */
  readonly onChange: (claim: Claim, gone: boolean) => void
  readonly onError: (error: Error) => void
}

/** Claims that one transaction is to sweep; `sweep`: the transaction, once built. */
interface Batch {
  readonly claims: readonly Claim[]
  readonly sweep: Transaction | undefined
}

/** Claims that a transaction sweeps. */
interface Swept extends Batch {
  readonly sweep: Transaction
}

export class Sweeper {
  readonly #task: BackgroundTask
  /** The height at which each sweep was first seen waiting, since this node started. */
  readonly #waitingSince = new Map<Txid, BlockHeight>()
  /** Sweeps that a server refused for their fee the last time they were sent. */
  readonly #underpaid = new Set<Txid>()
  readonly #init: SweeperInit

  constructor(init: SweeperInit) {
    this.#init = init
    this.#task = new BackgroundTask(() => this.#look(), init.onError)
  }

  /** Looks at every claim again, since something may have changed. */
  lookAgain(): void {
    this.#task.lookAgain()
  }

  stop(): void {
    this.#task.stop()
  }

  /** Resolves once all work caused by the events so far is done. */
  async idle(): Promise<void> {
    await this.#task.idle()
  }

  async #look(): Promise<void> {
    const { chain, claims } = this.#init
    const { tip } = chain
    if (tip === undefined) return
    const waiting: Array<readonly [Claim, Transaction]> = []
    const ready: Claim[] = []
    for (const claim of claims.all()) {
      const step = claims.step(claim, tip)
      if (step.do === 'forget') {
        await this.#attempt([claim], async () => {
          await this.#forget(claim)
        })
      } else if (step.do === 'rebroadcast') waiting.push([claim, step.sweep])
      else if (step.do === 'sweep') ready.push(claim)
      if (step.do === 'rebroadcast' || step.do === 'sweep') claim.seenAt ??= tip.height
    }
    for (const batch of groups(waiting)) {
      await this.#attempt(batch.claims, async () => {
        await this.#keepGoing(batch, tip)
      })
    }
    for (const batch of batches(ready)) {
      await this.#attempt(batch.claims, async () => {
        await this.#sweep(batch, tip)
      })
    }
  }

  async #attempt(claims: readonly Claim[], task: () => Promise<void>): Promise<void> {
    if (this.#task.stopped) return
    try {
      await task()
    } catch (error) {
      this.#report(claims, error)
    }
  }

  /**
   * Sends a sweep in the mempool again, because mempools forget; replaces one that is stuck, or
   * that a server has refused for its fee (BIP125).
   */
  async #keepGoing(batch: Swept, tip: Tip): Promise<void> {
    const { txid, vsize } = batch.sweep
    const since = this.#waitingSince.get(txid) ?? tip.height
    this.#waitingSince.set(txid, since)
    const estimate =
      tip.height - since < STUCK_BLOCKS || this.#fundsChannel(batch.sweep)
        ? undefined
        : await estimatedRate(this.#init.chain, SWEEP_TARGET)
    const raised = await this.#raised(batch)
    const stuck = estimate !== undefined && feeFor(estimate, vsize) > feeOf(batch)
    const rate = stuck ? await this.#withinBudget(batch, max(estimate, raised ?? estimate)) : raised
    const next = rate === undefined ? undefined : await this.#built(batch, rate)
    await this.#broadcast(batch.claims, next ?? batch.sweep, tip)
  }

  async #sweep(batch: Batch, tip: Tip): Promise<void> {
    const estimate = await estimatedRate(this.#init.chain, SWEEP_TARGET)
    const { claims, sweep: before } = batch
    const built = before === undefined ? undefined : { claims, sweep: before }
    const sweep =
      built !== undefined && isWhole(built)
        ? await this.#keptOrRaised(built, estimate)
        : await this.#built(batch, min(estimate, this.#mostRate(batch)))
    if (sweep === undefined) for (const claim of claims) claim.triedAt = tip.hash
    else await this.#broadcast(claims, sweep, tip)
  }

  async #built(batch: Batch, rate: FeeRate): Promise<Transaction | undefined> {
    return await this.#init.serial.run(async () => (await this.#build(batch, rate))?.transaction)
  }

  /** The sweep that was built before, or a dearer one where that may cost so much. */
  async #keptOrRaised(kept: Swept, estimate: FeeRate): Promise<Transaction> {
    const wanted = max(estimate, (await this.#raised(kept)) ?? estimate)
    const isEnough = rateOf(kept) >= wanted || this.#fundsChannel(kept.sweep)
    const rate = isEnough ? undefined : await this.#withinBudget(kept, wanted)
    return (rate === undefined ? undefined : await this.#built(kept, rate)) ?? kept.sweep
  }

  /**
   * EVID-7: the new fee rate of a sweep that a server has refused for its fee, or that has waited
   * as many blocks as it was made for: a quarter more with each block, as far as it may cost so
   * much, whatever another server says. Undefined at that bound.
   */
  async #raised(batch: Swept): Promise<FeeRate | undefined> {
    const isUnpaid = this.#underpaid.has(batch.sweep.txid) || this.#isLate(batch)
    if (!isUnpaid || !isWhole(batch) || this.#fundsChannel(batch.sweep)) return undefined
    return await this.#withinBudget(batch, feeRate((rateOf(batch) * 5n) / 4n))
  }

  /**
   * STAKE-5: the rate of a replacement that nobody has asked for: the wanted one, or what its
   * payouts may cost; undefined while that replaces nothing.
   */
  async #withinBudget(batch: Swept, wanted: FeeRate): Promise<FeeRate | undefined> {
    const least = await this.#leastRate(batch)
    const most = this.#mostRate(batch)
    return least > most ? undefined : min(max(wanted, least), most)
  }

  #mostRate(batch: Batch): FeeRate {
    return mostSweepRate(
      batch.claims.map((claim) => this.#waiting(claim)),
      this.#destinationOf(batch)
    )
  }

  /** A claim with the blocks that it has waited. */
  #waiting(claim: Claim): WaitingPayout & { readonly claim: Claim } {
    return {
      claim,
      value: claim.record.output.value,
      waited: this.#init.claims.waited(claim, this.#init.chain.tip?.height)
    }
  }

  /** A dearer sweep pays to the same address as the one before: no address is used up twice. */
  #destinationOf({ sweep }: Batch): Uint8Array {
    return sweep?.outputs[0]?.script ?? this.#init.addresses.upcoming('change').scriptPubKey
  }

  #isLate({ claims }: Batch): boolean {
    const height = this.#init.chain.tip?.height
    return claims.every(
      ({ sentAt }) =>
        height !== undefined && sentAt !== undefined && height - sentAt >= SWEEP_TARGET
    )
  }

  /** BIP125, rule 4: the least that a replacement pays. */
  async #leastRate(batch: Swept): Promise<FeeRate> {
    const { vsize } = batch.sweep
    const least = feeOf(batch) + feeFor(await incrementalOf(this.#init.chain), vsize)
    return rateFor(least, vsize)
  }

  /**
   * Replaces a sweep, named by any of its versions; undefined when `id` is not a sweep.
   *
   * @throws PaychanError `ERR_ALREADY_CONFIRMED`, `ERR_CANNOT_BUMP`, `ERR_FEERATE_TOO_LOW`,
   *   `ERR_INSUFFICIENT_FUNDS`, and those of `askedRate` and `checkCost`
   */
  async bump(id: Txid, choice: FeeChoice): Promise<BumpResult | undefined> {
    const { chain, claims, serial } = this.#init
    const [claim] = claims.sweptBy(id)
    const before = claim?.record.sweep
    if (claim === undefined || before === undefined) return undefined
    const height = claims.sweptAt(claim)
    if (height !== undefined) {
      throw new PaychanError(
        'ERR_ALREADY_CONFIRMED',
        `The transaction ${id} is in block ${height}: its fee cannot change any more.`,
        { txid: id, height }
      )
    }
    const batch = groups(
      claims
        .all()
        .flatMap((each) =>
          each.record.sweep !== undefined && sameBytes(each.record.sweep.raw, before.raw)
            ? [[each, before] as const]
            : []
        )
    )[0]
    const channel = this.#init.reservations.fundedBy(before.txid)
    if (batch === undefined || !isWhole(batch) || channel !== undefined) {
      throw new PaychanError(
        'ERR_CANNOT_BUMP',
        channel === undefined
          ? `The fee of ${id} cannot be raised: a part of what it sweeps is swept by another transaction. It is made anew with the next block.`
          : `The fee of ${id} cannot be raised: the funding transaction of channel ${channel} spends what it pays, and would be void with another one. It is sent again with every block.`,
        { txid: id, ...(channel === undefined ? {} : { channel }) }
      )
    }
    const asked = await askedRate(chain, choice)
    const least = await this.#leastRate(batch)
    if (asked !== undefined && asked < least) {
      throw new PaychanError(
        'ERR_FEERATE_TOO_LOW',
        `A replacement has to pay at least ${formatFeeRate(least)} here, and ${formatFeeRate(asked)} were asked for.`,
        { satPerVByte: satPerVByte(asked), least: satPerVByte(least) }
      )
    }
    const rate = asked ?? max(await estimatedRate(chain, targetOf(choice) ?? BUMP_TARGET), least)
    const { txid: of, vsize } = before
    const [fee, amount] = [feeFor(rate, vsize), satoshi(totalOf(batch.claims))]
    await checkCost(chain, { rate: asked, fee, amount }, choice.highFee)
    const next = await serial.run(async () => await this.#build(batch, rate))
    if (next === undefined) {
      throw new PaychanError(
        'ERR_INSUFFICIENT_FUNDS',
        `The sweep brings ${formatAmount(amount)}, and at this feerate it would cost ${formatAmount(fee)}. Take a lower feerate.`,
        { fee, available: amount }
      )
    }
    const { tip } = chain
    if (tip !== undefined) await this.#broadcast(batch.claims, next.transaction, tip)
    return {
      kind: 'replacement',
      txid: next.transaction.txid,
      of,
      fee: next.fee,
      feeRate: rate,
      vsize,
      broadcast: tip !== undefined
    }
  }

  /**
   * FUND-5: true when a T1 spends an output of the sweep; another sweep would make the T1 void. The
   * sweep was in a block, and a reorganisation has undone that.
   */
  #fundsChannel({ txid }: Transaction): boolean {
    return this.#init.reservations.fundedBy(txid) !== undefined
  }

  /** Builds a new sweep, on disk; undefined when it is not worth its fee now. */
  async #build(
    batch: Batch,
    rate: FeeRate
  ): Promise<{ readonly transaction: Transaction; readonly fee: Satoshi } | undefined> {
    if (this.#task.stopped) return undefined
    const { store, addresses, notes, signer } = this.#init
    const { claims, sweep: before } = batch
    const to = this.#destinationOf(batch)
    const chosen =
      before === undefined
        ? chooseSweep(
            claims.map((claim) => this.#waiting(claim)),
            rate,
            to
          )
        : { payouts: claims.map((claim) => ({ claim })), rate }
    const worth = chosen.payouts.map(({ claim }) => claim)
    const built = whenWorthIt(() =>
      buildSweep(
        worth.map(
          ({
            record: {
              output: { outPoint, value, key }
            }
          }) => ({
            outPoint,
            value,
            key: signer.publicKey(key),
            sign: (digest) => signer.sign(key, digest)
          })
        ),
        to,
        chosen.rate
      )
    )
    if (built === undefined) return undefined
    const { transaction, fee } = built
    const { txid } = transaction
    const made = { kind: 'sweep' as const, fee }
    const records = worth.map(({ record }): ClaimRecord => ({
      output: record.output,
      sweep: transaction
    }))
    const changes: Change[] = [...records.map(claimChange), madeChange(txid, made)]
    const own = before === undefined ? addresses.find(to) : undefined
    const next = own === undefined ? addresses.next.change : addresses.nextAfter(own)
    if (own !== undefined) changes.push(branchChange('change', next))
    await store.commit(changes)
    addresses.next.change = next
    notes.setMade(txid, made)
    worth.forEach((claim, i) => {
      claim.record = records[i] ?? claim.record
    })
    for (const claim of worth) this.#init.onChange(claim, false)
    if (before !== undefined) this.#forgetVersion(before)
    return built
  }

  #forgetVersion({ txid }: Transaction): void {
    this.#waitingSince.delete(txid)
    this.#underpaid.delete(txid)
  }

  async #broadcast(claims: readonly Claim[], sweep: Transaction, tip: Tip): Promise<void> {
    if (this.#task.stopped) return
    const tried = (): void => {
      for (const claim of claims) {
        claim.triedAt = tip.hash
        claim.sentAt ??= tip.height
      }
    }
    const hear = (answer: Verdict | Error): void => {
      const { txid } = sweep
      if (isUnderpaid(answer)) this.#underpaid.add(txid)
      else this.#underpaid.delete(txid)
    }
    try {
      hear(await this.#init.chain.broadcast(sweep))
      tried()
    } catch (error) {
      if (error instanceof Error) hear(error)
      // Refused: again with the next block. No server: again as soon as there is one.
      if (codeOf(error) === 'ERR_BROADCAST_REFUSED') tried()
      throw error
    }
  }

  async #forget(claim: Claim): Promise<void> {
    const { serial, store, claims } = this.#init
    const { outPoint } = claim.record.output
    await serial.run(async () => {
      if (this.#task.stopped || claims.get(outPoint) !== claim) return
      await store.commit([claimRemoval(outPoint)])
      claims.remove(outPoint)
      if (claim.record.sweep !== undefined) this.#forgetVersion(claim.record.sweep)
      this.#init.onChange(claim, true)
    })
  }

  #report(claims: readonly Claim[], error: unknown): void {
    if (this.#task.stopped || codeOf(error) === 'ERR_CHAIN_UNAVAILABLE') return
    const value = totalOf(claims)
    const output = claims.map(({ record }) => outPointText(record.output.outPoint)).join(', ')
    this.#init.onError(
      PaychanError.of(
        codeOf(error),
        `The payout ${output} of ${formatAmount(value)} could not be swept yet (${messageOf(error)}). It is tried again with every block.`,
        { output, value },
        { cause: error }
      )
    )
  }
}

/** Groups claims by the transaction that sweeps them. */
function groups(swept: ReadonlyArray<readonly [Claim, Transaction]>): Swept[] {
  const byRaw = new Map<string, { claims: Claim[]; sweep: Transaction }>()
  for (const [claim, sweep] of swept) {
    const raw = toHex(sweep.raw)
    const group = byRaw.get(raw) ?? { claims: [], sweep }
    group.claims.push(claim)
    byRaw.set(raw, group)
  }
  return [...byRaw.values()]
}

/** Batches ready claims: those that have a sweep stay with it; the others go together. */
function batches(ready: readonly Claim[]): Batch[] {
  const built = groups(
    ready.flatMap((claim) =>
      claim.record.sweep === undefined ? [] : [[claim, claim.record.sweep] as const]
    )
  )
  const fresh = ready
    .filter(({ record }) => record.sweep === undefined)
    .sort((a, b) => (a.record.output.value > b.record.output.value ? -1 : 1))
  const together = Array.from({ length: Math.ceil(fresh.length / MAX_BATCH) }, (_, i) => ({
    claims: fresh.slice(i * MAX_BATCH, (i + 1) * MAX_BATCH),
    sweep: undefined
  }))
  return [...built, ...together]
}

/** True when all outputs that a sweep spends are there. */
function isWhole({ claims, sweep }: Swept): boolean {
  return sweep.inputs.length === claims.length
}

function totalOf(claims: readonly Claim[]): bigint {
  return claims.reduce((sum, { record }) => sum + record.output.value, 0n)
}

function feeOf({ claims, sweep }: Swept): bigint {
  return totalOf(claims) - sweep.paidTo()
}

/** The feerate of a sweep, rounded down. */
function rateOf(batch: Swept): FeeRate {
  return feeRate((feeOf(batch) * 1000n) / BigInt(batch.sweep.vsize))
}

function whenWorthIt<T>(build: () => T): T | undefined {
  try {
    return build()
  } catch (error) {
    if (codeOf(error) === 'ERR_SWEEP_NOT_WORTH_IT') return undefined
    throw error
  }
}
