/**
 * One alarm per cause. One fault often shows in a hundred places, or again with each block: the
 * first alarm is told at once, and later ones of the same cause are counted and told after growing
 * pauses.
 */
import type { Clock, Unsubscribe } from '../engine/ports.js'
import type { ChannelId } from '../types/bytes.js'
import type { NodeEvent } from './api.js'

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
