/**
 * One alarm per cause. One fault often shows in a hundred places, or again with each block: the
 * first alarm is told at once, and later ones of the same cause are counted and told after growing
 * pauses.
 */
import type { Chain, Clock, Tip, Unsubscribe } from '../engine/ports.js'
import type { ChannelId } from '../types/bytes.js'
import { satPerVByte } from '../types/units.js'
import { SHOWN_TARGETS } from '../wallet/fee-choice.js'
import type { Fees, NodeEvent } from './api.js'

export type Alarm = Extract<NodeEvent, { type: 'alarm' }>

/**
 * Milliseconds between two alarms of one cause: at first, and at most. A cause that was quiet for
 * the longest pause is news again.
 */
const FIRST_WHILE_MS = 10_000
const LONGEST_WHILE_MS = 3_600_000

/**
 * Limits memory, since others influence the texts: beyond this number the oldest cause is
 * forgotten.
 */
const MOST_CAUSES = 1_000

/** Channels that one alarm names. */
const MOST_NAMED = 10

interface Cause {
  /** Number of alarms not told yet. */
  count: number
  channels: Set<ChannelId>
  last: Alarm
  while: number
  /** True when the next alarm is told at once. */
  isQuiet: boolean
  cancel: Unsubscribe
}

export class Alarms {
  readonly #causes = new Map<string, Cause>()
  readonly #clock: Pick<Clock, 'after'>
  readonly #emit: (alarm: Alarm) => void

  constructor(clock: Pick<Clock, 'after'>, emit: (alarm: Alarm) => void) {
    this.#clock = clock
    this.#emit = emit
  }

  raise(alarm: Alarm): void {
    const key = causeOf(alarm)
    const known = this.#causes.get(key)
    if (known !== undefined && !known.isQuiet) {
      known.count += 1
      known.last = alarm
      if (alarm.channel !== undefined) known.channels.add(alarm.channel)
      return
    }
    known?.cancel()
    const cause: Cause = {
      count: 0,
      channels: new Set(),
      last: alarm,
      while: known === undefined ? FIRST_WHILE_MS : longer(known.while),
      isQuiet: false,
      cancel: () => {}
    }
    this.#causes.set(key, cause)
    this.#wait(key, cause)
    this.#forgetOldest()
    this.#emit(alarm)
  }

  /** Drops what was counted; only new alarms are told. */
  stop(): void {
    for (const { cancel } of this.#causes.values()) cancel()
    this.#causes.clear()
  }

  #wait(key: string, cause: Cause): void {
    cause.cancel = this.#clock.after(cause.while, () => {
      if (cause.count > 0) this.#tellAgain(key, cause)
      else this.#rest(key, cause)
    })
  }

  #tellAgain(key: string, cause: Cause): void {
    const alarm = summaryOf(cause)
    cause.count = 0
    cause.channels = new Set()
    cause.while = longer(cause.while)
    this.#wait(key, cause)
    this.#emit(alarm)
  }

  #rest(key: string, cause: Cause): void {
    cause.isQuiet = true
    cause.cancel = this.#clock.after(LONGEST_WHILE_MS, () => {
      this.#causes.delete(key)
    })
  }

  #forgetOldest(): void {
    const [oldest] = this.#causes
    if (this.#causes.size <= MOST_CAUSES || oldest === undefined) return
    oldest[1].cancel()
    this.#causes.delete(oldest[0])
  }
}

function longer(ms: number): number {
  return Math.min(ms * 2, LONGEST_WHILE_MS)
}

/** The channel, transaction or amount that an alarm is about makes no other cause of it. */
function causeOf({ code, facts: { rule, cause } }: Alarm): string {
  return `${code} ${String(rule)} ${String(cause)}`
}

function summaryOf({ last, count, channels, while: ms }: Cause): Alarm {
  const named = [...channels].slice(0, MOST_NAMED)
  const more = channels.size > named.length ? ', ...' : ''
  const about =
    named.length === 0
      ? ''
      : `, about ${channels.size === 1 ? 'channel' : `${channels.size} channels:`} ${named.map((id) => id.slice(0, 8)).join(', ')}${more}`
  const text = `${last.text} (${count === 1 ? 'Once' : `${count} times`} more in the last ${whileText(ms)}${about}.)`
  return {
    ...last,
    text,
    channel: channels.size === 1 ? named[0] : undefined,
    count,
    channels: [...channels]
  }
}

function whileText(ms: number): string {
  const seconds = Math.round(ms / 1000)
  if (seconds < 120) return `${seconds} s`
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`
}

/*
 * The feerates that callers are shown. One answer of the servers is for all of them, so that nobody
 * who asks this node spends what its servers allow it: publications need that.
 */

/** Milliseconds for which an answer holds, however fast blocks come. */
const LEAST_MS = 30_000

/** Milliseconds after which mempools are other ones, without a block too. */
const MOST_MS = 600_000

interface Asked {
  readonly answer: Promise<Fees>
  readonly at: number
  readonly tip: Tip | undefined
  failed: boolean
}

export class ShownFees {
  #asked: Asked | undefined
  readonly #chain: Pick<Chain, 'tip' | 'relayRates' | 'estimateFeeRate'>
  readonly #clock: Pick<Clock, 'now'>

  constructor(
    chain: Pick<Chain, 'tip' | 'relayRates' | 'estimateFeeRate'>,
    clock: Pick<Clock, 'now'>
  ) {
    this.#chain = chain
    this.#clock = clock
  }

  /**
   * The last answer of the servers, which are asked anew once there is another block and 30 s are
   * over, or 10 minutes. What failed is asked again with another block, or after 30 s.
   *
   * @throws PaychanError `ERR_CHAIN_UNAVAILABLE`
   */
  async now(): Promise<Fees> {
    if (this.#asked === undefined || this.#isOver(this.#asked)) this.#asked = this.#ask()
    return await this.#asked.answer
  }

  #isOver({ at, tip, failed }: Asked): boolean {
    // A clock that is set back must not keep an answer for ever.
    const age = Math.abs(this.#clock.now() - at)
    const isOtherBlock = tip?.hash !== this.#chain.tip?.hash
    return failed
      ? isOtherBlock || age >= LEAST_MS
      : (isOtherBlock && age >= LEAST_MS) || age >= MOST_MS
  }

  #ask(): Asked {
    const chain = this.#chain
    const clock = this.#clock
    const asked: Asked = { answer: feesOf(chain), at: clock.now(), tip: chain.tip, failed: false }
    asked.answer.catch(() => {
      asked.failed = true
    })
    return asked
  }
}

async function feesOf(chain: Pick<Chain, 'relayRates' | 'estimateFeeRate'>): Promise<Fees> {
  const { minimum } = await chain.relayRates()
  const estimates = await Promise.all(
    SHOWN_TARGETS.map(async (blocks) => ({
      blocks,
      satPerVByte: satPerVByte(await chain.estimateFeeRate(blocks))
    }))
  )
  return { leastSatPerVByte: satPerVByte(minimum), estimates }
}
