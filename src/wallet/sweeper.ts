/**
 * Carries out what `claims.ts` says is to be done: builds, stores and broadcasts sweeps. What can
 * be swept at the same time goes into one transaction, which is cheaper: a further input costs 69
 * vB, a transaction of its own 111.
 */
import { buildSweep, sweepVsize } from '../bitcoin/payout.js'
import type { Transaction } from '../bitcoin/transaction.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import { outPointText, toHex, type Txid } from '../types/bytes.js'
import { incrementalOf } from './fee-choice.js'
import {
  blockDelta,
  feeFor,
  feeRate,
  formatAmount,
  max,
  satoshi,
  type BlockHeight,
  type FeeRate,
  type Satoshi
} from '../types/units.js'
import { madeChange, type Notes } from './notes.js'
import { BackgroundTask } from './background-task.js'
import { branchChange, claimChange, claimRemoval, type ClaimRecord } from './records.js'
import type { AddressBook } from './addresses.js'
import type { Claim, Claims } from './claims.js'
import type { Reservations } from './reservations.js'
import type { SerialQueue } from './serial.js'
import type { Chain, Change, Signer, Store, Tip } from '../engine/ports.js'

/** Nothing waits for a sweep: within a day is soon enough (144 blocks of ten minutes). */
const SWEEP_TARGET = blockDelta(144)

/** Blocks in the mempool after which a sweep that pays less than the estimate is replaced. */
const STUCK_BLOCKS = 6

/**
 * Inputs of one sweep: 69 vB each, far below what is relayed. Each claim keeps a copy of its sweep.
 */
const MAX_BATCH = 50

export interface SweeperInit {
  readonly claims: Claims
  readonly chain: Chain
  readonly store: Store
  readonly signer: Signer
  readonly addresses: AddressBook
  readonly notes: Notes
  readonly reservations: Pick<Reservations, 'fundedBy'>
  /** Shared with everything that gives out indexes. */
  readonly serial: SerialQueue
  /** A claim is new on disk or gone, or an address was used. */
  readonly onChange: (claim: Claim, gone: boolean) => void
  readonly onError: (error: Error) => void
}

/** Claims that one transaction is to sweep: `sweep`, when it is built. */
interface Batch {
  readonly claims: readonly Claim[]
  readonly sweep: Transaction | undefined
}

/** Claims that a transaction sweeps. */
interface Swept extends Batch {
  readonly sweep: Transaction
}

export class Sweeper {
  private readonly task = new BackgroundTask(async () => {
    await this.look()
  })
  /** The height at which each sweep was first seen waiting, since this node started. */
  private readonly waitingSince = new Map<Txid, BlockHeight>()

  constructor(private readonly init: SweeperInit) {}

  /** Something may have changed: look at every claim once more. */
  lookAgain(): void {
    this.task.lookAgain()
  }

  stop(): void {
    this.task.stop()
  }

  /** Resolves once everything that the events so far asked for is done. */
  async idle(): Promise<void> {
    await this.task.idle()
  }

  private async look(): Promise<void> {
    const { chain, claims } = this.init
    const { tip } = chain
    if (tip === undefined) return
    const waiting: Array<readonly [Claim, Transaction]> = []
    const ready: Claim[] = []
    for (const claim of claims.all()) {
      const step = claims.step(claim, tip)
      if (step.do === 'forget') {
        await this.attempt([claim], async () => {
          await this.forget(claim)
        })
      } else if (step.do === 'rebroadcast') waiting.push([claim, step.sweep])
      else if (step.do === 'sweep') ready.push(claim)
    }
    for (const batch of groups(waiting)) {
      await this.attempt(batch.claims, async () => {
        await this.keepGoing(batch, tip)
      })
    }
    for (const batch of batches(ready)) {
      await this.attempt(batch.claims, async () => {
        await this.sweep(batch, tip)
      })
    }
  }

  private async attempt(claims: readonly Claim[], task: () => Promise<void>): Promise<void> {
    if (this.task.stopped) return
    try {
      await task()
    } catch (error) {
      this.report(claims, error)
    }
  }

  /**
   * A sweep in the mempool is sent again, for mempools forget; one that is stuck is replaced
   * (BIP125).
   */
  private async keepGoing(batch: Swept, tip: Tip): Promise<void> {
    const { txid, vsize } = batch.sweep
    const since = this.waitingSince.get(txid) ?? tip.height
    this.waitingSince.set(txid, since)
    const rate =
      tip.height - since < STUCK_BLOCKS || this.fundsChannel(batch.sweep)
        ? undefined
        : await this.init.chain.estimateFeeRate(SWEEP_TARGET)
    const fee = feeOf(batch)
    if (rate === undefined || feeFor(rate, vsize) <= fee) {
      await this.broadcast(batch.claims, batch.sweep, tip)
      return
    }
    const least = satoshi(fee + feeFor(await incrementalOf(this.init.chain), vsize))
    const dearer = max(rate, feeRate((least * 1000n + BigInt(vsize) - 1n) / BigInt(vsize)))
    const next = await this.init.serial.run(async () => await this.build(batch, dearer))
    this.waitingSince.delete(txid)
    await this.broadcast(batch.claims, next ?? batch.sweep, tip)
  }

  private async sweep(batch: Batch, tip: Tip): Promise<void> {
    const rate = await this.init.chain.estimateFeeRate(SWEEP_TARGET)
    const sweep = await this.init.serial.run(async () => {
      const { claims, sweep } = batch
      const isGood =
        sweep !== undefined &&
        isWhole(batch, sweep) &&
        (this.fundsChannel(sweep) || rateOf({ claims, sweep }) >= rate)
      return isGood ? sweep : await this.build(batch, rate)
    })
    if (sweep === undefined) for (const claim of batch.claims) claim.triedAt = tip.hash
    else await this.broadcast(batch.claims, sweep, tip)
  }

  /**
   * FUND-5: a T1 spends what it has brought, and would be void with another one. It was in a block,
   * and a reorganisation has undone that.
   */
  private fundsChannel({ txid }: Transaction): boolean {
    return this.init.reservations.fundedBy(txid) !== undefined
  }

  /** A new sweep, on disk; undefined when it is not worth its fee now. */
  private async build(
    { claims, sweep: before }: Batch,
    rate: FeeRate
  ): Promise<Transaction | undefined> {
    if (this.task.stopped) return undefined
    const { store, addresses, notes, signer } = this.init
    // Once a sweep has a destination, a dearer one pays to the same: no address is used up twice.
    const known = before?.outputs[0]?.script
    const to = known ?? addresses.upcoming('change').scriptPubKey
    const worth =
      before === undefined
        ? claims.filter(({ record }) => record.output.value > marginalFee(rate, to))
        : claims
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
        rate
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
    if (known === undefined) changes.push(branchChange('change', addresses.next.change + 1))
    await store.commit(changes)
    if (known === undefined) addresses.next.change++
    notes.setMade(txid, made)
    worth.forEach((claim, i) => {
      claim.record = records[i] ?? claim.record
    })
    for (const claim of worth) this.init.onChange(claim, false)
    return transaction
  }

  private async broadcast(claims: readonly Claim[], sweep: Transaction, tip: Tip): Promise<void> {
    if (this.task.stopped) return
    const tried = (): void => {
      for (const claim of claims) claim.triedAt = tip.hash
    }
    try {
      await this.init.chain.broadcast(sweep)
      tried()
    } catch (error) {
      // Refused: again with the next block. No server: again as soon as there is one.
      if (codeOf(error) === 'ERR_BROADCAST_REFUSED') tried()
      throw error
    }
  }

  private async forget(claim: Claim): Promise<void> {
    const { serial, store, claims } = this.init
    const { outPoint } = claim.record.output
    await serial.run(async () => {
      if (this.task.stopped || claims.get(outPoint) !== claim) return
      await store.commit([claimRemoval(outPoint)])
      claims.remove(outPoint)
      if (claim.record.sweep !== undefined) {
        this.waitingSince.delete(claim.record.sweep.txid)
      }
      this.init.onChange(claim, true)
    })
  }

  private report(claims: readonly Claim[], error: unknown): void {
    if (this.task.stopped || codeOf(error) === 'ERR_CHAIN_UNAVAILABLE') return
    const value = totalOf(claims)
    const output = claims.map(({ record }) => outPointText(record.output.outPoint)).join(', ')
    this.init.onError(
      PaychanError.of(
        codeOf(error),
        `The payout ${output} of ${formatAmount(value)} could not be swept yet (${messageOf(error)}). It is tried again with every block.`,
        { output, value },
        { cause: error }
      )
    )
  }
}

/** By the transaction that sweeps them. */
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

/** Those that have a sweep stay with it; the others go together. */
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

/** Whether all that a sweep spends is there. */
function isWhole({ claims }: Batch, { inputs }: Transaction): boolean {
  return inputs.length === claims.length
}

function marginalFee(rate: FeeRate, to: Uint8Array): Satoshi {
  return feeFor(rate, sweepVsize(2, to) - sweepVsize(1, to))
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
