/** Carries out what `claims.ts` says is to be done: builds, stores and broadcasts sweeps. */
import { buildSweep } from '../bitcoin/payout.js'
import { parseTransaction } from '../bitcoin/transaction.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import { outPointText } from '../types/bytes.js'
import { formatAmount, blockDelta, feeRate, type FeeRate } from '../types/units.js'
import { branchChange, claimChange, claimRemoval, type ClaimRecord } from './records.js'
import type { AddressBook } from './addresses.js'
import type { Claim, Claims } from './claims.js'
import type { SerialQueue } from './serial.js'
import type { Chain, Change, Signer, Store, Tip } from '../engine/ports.js'

/** Nothing waits for a sweep: within a day is soon enough (144 blocks of ten minutes). */
const SWEEP_TARGET = blockDelta(144)

export interface SweeperInit {
  readonly claims: Claims
  readonly chain: Chain
  readonly store: Store
  readonly signer: Signer
  readonly addresses: AddressBook
  /** Shared with everything that gives out indexes. */
  readonly serial: SerialQueue
  /** A claim is new on disk or gone, or an address was used. */
  readonly onChange: (claim: Claim, gone: boolean) => void
  readonly onError: (error: Error) => void
}

export class Sweeper {
  private again = false
  private stopped = false
  private running: Promise<void> = Promise.resolve()
  private isRunning = false

  constructor (private readonly init: SweeperInit) {}

  /** Something may have changed: look at every claim once more. */
  poke (): void {
    this.again = true
    if (this.isRunning || this.stopped) return
    this.isRunning = true
    this.running = this.run()
  }

  stop (): void {
    this.stopped = true
  }

  /** Resolves once everything that the events so far asked for is done. */
  async idle (): Promise<void> {
    await this.running
  }

  private async run (): Promise<void> {
    while (this.again && !this.stopped) {
      this.again = false
      const { tip } = this.init.chain
      if (tip === undefined) break
      for (const claim of this.init.claims.all()) await this.look(claim, tip)
    }
    this.isRunning = false
  }

  private async look (claim: Claim, tip: Tip): Promise<void> {
    if (this.stopped) return
    try {
      const step = this.init.claims.step(claim, tip)
      switch (step.do) {
        case 'wait': return
        case 'forget': return await this.forget(claim)
        case 'rebroadcast': return await this.broadcast(claim, step.raw, tip)
        case 'sweep': return await this.sweep(claim, tip)
      }
    } catch (error) {
      this.report(claim, error)
    }
  }

  private async sweep (claim: Claim, tip: Tip): Promise<void> {
    const rate = await this.init.chain.estimateFeeRate(SWEEP_TARGET)
    const raw = await this.init.serial.run(async () => await this.prepare(claim, rate))
    if (raw === undefined) claim.triedAt = tip.hash
    else await this.broadcast(claim, raw, tip)
  }

  /** The sweep as it is on disk; undefined when it is not worth its fee now. */
  private async prepare (claim: Claim, rate: FeeRate): Promise<Uint8Array | undefined> {
    if (this.stopped) return undefined
    const { store, addresses } = this.init
    const { output, sweep } = claim.record
    if (sweep !== undefined && rateOf(claim.record, sweep) >= rate) return sweep
    // Once a sweep has a destination, a dearer one pays to the same: no address is used up twice.
    const known = sweep === undefined ? undefined : parseTransaction(sweep).outputs[0]?.script
    const to = known ?? addresses.upcoming('change').scriptPubKey
    const raw = this.build(claim.record, to, rate)
    if (raw === undefined) return undefined
    const record: ClaimRecord = { output, sweep: raw }
    const changes: Change[] = [claimChange(record)]
    if (known === undefined) changes.push(branchChange('change', addresses.next.change + 1))
    await store.commit(changes)
    if (known === undefined) addresses.next.change++
    claim.record = record
    this.init.onChange(claim, false)
    return raw
  }

  private build ({ output }: ClaimRecord, to: Uint8Array, rate: FeeRate): Uint8Array | undefined {
    const { signer } = this.init
    const { outPoint, value, key } = output
    try {
      return buildSweep([{ outPoint, value, key: signer.publicKey(key), sign: (digest) => signer.sign(key, digest) }], to, rate).raw
    } catch (error) {
      if (codeOf(error) === 'ERR_SWEEP_NOT_WORTH_IT') return undefined
      throw error
    }
  }

  private async broadcast (claim: Claim, raw: Uint8Array, tip: Tip): Promise<void> {
    if (this.stopped) return
    try {
      await this.init.chain.broadcast(raw)
      claim.triedAt = tip.hash
    } catch (error) {
      // Refused: again with the next block. No server: again as soon as there is one.
      if (codeOf(error) === 'ERR_BROADCAST_REFUSED') claim.triedAt = tip.hash
      throw error
    }
  }

  private async forget (claim: Claim): Promise<void> {
    const { serial, store, claims } = this.init
    const { outPoint } = claim.record.output
    await serial.run(async () => {
      if (this.stopped || claims.get(outPoint) !== claim) return
      await store.commit([claimRemoval(outPoint)])
      claims.remove(outPoint)
      this.init.onChange(claim, true)
    })
  }

  private report (claim: Claim, error: unknown): void {
    if (this.stopped || codeOf(error) === 'ERR_CHAIN_UNAVAILABLE') return
    const output = outPointText(claim.record.output.outPoint)
    this.init.onError(new PaychanError(codeOf(error),
      `The payout ${output} of ${formatAmount(claim.record.output.value)} could not be swept yet (${messageOf(error)}). It is tried again with every block.`,
      { output, value: claim.record.output.value }, { cause: error }))
  }
}

/** The feerate of a sweep, rounded down. */
function rateOf ({ output }: ClaimRecord, sweep: Uint8Array): FeeRate {
  const { outputs, vsize } = parseTransaction(sweep)
  const fee = output.value - outputs.reduce((sum, { value }) => sum + value, 0n)
  return feeRate(fee * 1000n / BigInt(vsize))
}
