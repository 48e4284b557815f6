/** Axes of the drawings that are made without a browser. Positions are in pixels of the drawing. */
import { scaleLinear, scaleLog } from 'd3-scale'
import { count, percent } from './format.js'

interface Tick {
  readonly at: number
  readonly label: string
}

export interface Axis {
  readonly at: (value: number) => number
  readonly ticks: readonly Tick[]
  readonly log: boolean
}

/**
 * From this ratio of the largest to the smallest value on, a logarithmic axis shows more than a
 * linear one.
 */
const LOG_FROM = 20
/** Pixels between 0 and the smallest value of a logarithmic axis that also shows 0. */
const GAP = 30

/**
 * An axis for any values: logarithmic when all are positive and far apart, otherwise linear. `from`
 * and `to` are its ends in pixels.
 */
export function numberAxis(
  values: readonly number[],
  from: number,
  to: number,
  fromZero = false
): Axis {
  const low = Math.min(...values)
  const high = Math.max(...values)
  if (low > 0 && high / low >= LOG_FROM) {
    const scale = scaleLog().domain([low, high]).range([from, to])
    // Tested values get labels; powers in between do not.
    const ticks = values.length <= 12 ? [...new Set(values)].sort((a, b) => a - b) : scale.ticks(6)
    return {
      at: (value) => scale(value),
      ticks: spaced(ticks.map((value) => ({ at: scale(value), label: count(value, 2) }))),
      log: true
    }
  }
  const begin = fromZero ? Math.min(0, low) : low
  const scale = scaleLinear()
    .domain([begin, high > begin ? high : begin + 1])
    .range([from, to])
    .nice(5)
  return {
    at: (value) => scale(value),
    ticks: scale.ticks(5).map((value) => ({ at: scale(value), label: count(value, 4) })),
    log: false
  }
}

/** An axis for words, evenly spaced. */
export function wordAxis(
  words: readonly string[],
  from: number,
  to: number
): Axis & { readonly of: (word: string) => number } {
  const step = (to - from) / Math.max(1, words.length)
  const place = (at: number): number => from + step * (at + 0.5)
  return {
    at: place,
    of: (word) => place(words.indexOf(word)),
    ticks: words.map((label, at) => ({ at: place(at), label })),
    log: false
  }
}

/**
 * An axis for chances, 0 to 1. Logarithmic when they differ by much, with a separate place for 0; a
 * value below the smallest of `values` (the end of an interval) is drawn there.
 */
export function chanceAxis(values: readonly number[], from: number, to: number): Axis {
  const positive = values.filter((value) => value > 0)
  const low = Math.min(...positive)
  const high = Math.min(1, Math.max(...positive))
  if (positive.length === 0 || high / low < LOG_FROM) {
    const scale = scaleLinear()
      .domain([0, positive.length === 0 ? 1 : Math.min(1, high * 1.05)])
      .range([from, to])
    return {
      at: (value) => scale(Math.min(1, value)),
      ticks: scale.ticks(5).map((value) => ({ at: scale(value), label: percent(value) })),
      log: false
    }
  }
  const start = from + Math.sign(to - from) * GAP
  const [first, last] = [Math.floor(Math.log10(low)), Math.min(0, Math.ceil(Math.log10(high)))]
  const scale = scaleLog()
    .domain([10 ** first, 10 ** last])
    .range([start, to])
  const powers = Array.from({ length: last - first + 1 }, (_, at) => 10 ** (first + at))
  return {
    at: (value) => (value <= 0 ? from : scale(Math.max(10 ** first, Math.min(1, value)))),
    ticks: [
      { at: from, label: '0' },
      ...powers.map((value) => ({ at: scale(value), label: percent(value) }))
    ],
    log: true
  }
}

/** Leaves out labels that would overlap a neighbour. */
function spaced(ticks: readonly Tick[]): Tick[] {
  const kept: Tick[] = []
  for (const tick of ticks) {
    const last = kept.at(-1)
    if (
      last === undefined ||
      Math.abs(tick.at - last.at) >= 14 + 3.5 * (tick.label.length + last.label.length)
    ) {
      kept.push(tick)
    }
  }
  return kept
}
