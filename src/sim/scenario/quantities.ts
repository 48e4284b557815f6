/**
 * The notation of amounts, times, rates and distributions in a scenario. Each reader takes a value
 * from YAML, and throws a sentence that says what to write instead.
 */
import { didYouMean, parseAmount } from '../../types/amount.js'
import { messageOf } from '../../types/errors.js'
import {
  blockDelta,
  feeRate,
  MAX_MONEY,
  satoshi,
  type BlockDelta,
  type FeeRate,
  type Satoshi
} from '../../types/units.js'
import type { Distribution, Span } from './scenario.js'

/** An error in a value; `path` is its position there. */
export class Unreadable extends Error {
  constructor(
    message: string,
    readonly path: ReadonlyArray<string | number> = []
  ) {
    super(message)
  }
}

export type Reader<T> = (value: unknown) => T

/** Ten minutes: converts blocks to time, and time to blocks. */
const BLOCK_SECONDS = 600

const SECONDS: Readonly<Record<string, number>> = {
  ms: 0.001,
  s: 1,
  sec: 1,
  min: 60,
  h: 3_600,
  d: 86_400,
  w: 604_800,
  block: BLOCK_SECONDS,
  blocks: BLOCK_SECONDS
}
/** A century: a longer time is a slip. */
const MOST_SECONDS = 100 * 365 * 86_400
const LONGEST_TEXT = 40

/** The value as in the file, cut short. */
export function shown(value: unknown): string {
  if (value === undefined) return 'missing'
  const text =
    typeof value === 'string'
      ? `'${value}'`
      : Array.isArray(value)
        ? 'a list'
        : typeof value === 'object' && value !== null
          ? 'a mapping'
          : JSON.stringify(value)
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}...` : text
}

function wanted(value: unknown, what: string): Unreadable {
  return new Unreadable(`It must be ${what}; it is ${shown(value)}.`)
}

const DURATION_HELP =
  'a time with its unit, such as 500ms, 30s, 10min, 2h, 30d or 144blocks (of 10 minutes)'

/** Seconds, in whole milliseconds. 0 needs no unit. */
export function readDuration(value: unknown): number {
  if (value === 0 || value === '0') return 0
  if (typeof value === 'number' && value > 0) {
    throw new Unreadable(`It must be ${DURATION_HELP}; ${value} has no unit.`)
  }
  const [, digits, unit = ''] =
    typeof value === 'string' && value.length <= LONGEST_TEXT
      ? (/^(\d+(?:\.\d+)?)\s*([a-z]+)$/.exec(value.trim()) ?? [])
      : []
  const seconds = Object.hasOwn(SECONDS, unit) ? SECONDS[unit] : undefined
  if (digits !== undefined && seconds === undefined) {
    throw new Unreadable(
      `There is no unit '${unit.slice(0, LONGEST_TEXT)}' of time.${didYouMean(unit, Object.keys(SECONDS))} Write ${DURATION_HELP}.`
    )
  }
  if (digits === undefined || seconds === undefined) throw wanted(value, DURATION_HELP)
  const milliseconds = Math.round(Number(digits) * seconds * 1_000)
  if (milliseconds > MOST_SECONDS * 1_000) throw wanted(value, 'at most a hundred years')
  return milliseconds / 1_000
}

/** A duration of a millisecond or more: time has to go on. */
export function readInterval(value: unknown): number {
  const seconds = readDuration(value)
  if (seconds === 0) throw wanted(value, 'above zero; write a time such as 10min')
  return seconds
}

/** Milliseconds. */
export function readLatency(value: unknown): number {
  return Math.round(readDuration(value) * 1_000)
}

const BLOCKS_HELP = 'a number of blocks, such as 1008, 1008blocks or 7d (of 144 blocks)'

/** Reads a number of blocks, at least 1. */
export function readBlocks(value: unknown): BlockDelta {
  if (typeof value === 'number') {
    if (!Number.isInteger(value) || value < 1 || value > MOST_SECONDS / BLOCK_SECONDS) {
      throw wanted(value, BLOCKS_HELP)
    }
    return blockDelta(value)
  }
  if (typeof value !== 'string' || value === '0') throw wanted(value, BLOCKS_HELP)
  const blocks = readDuration(value) / BLOCK_SECONDS
  if (!Number.isInteger(blocks) || blocks < 1) {
    throw new Unreadable(
      `It must be ${BLOCKS_HELP}; ${shown(value)} is not a whole number of blocks.`
    )
  }
  return blockDelta(blocks)
}

const AMOUNT_HELP = 'an amount above zero, such as 500000, 500000sat or 0.005btc'

export function readAmount(value: unknown): Satoshi {
  if (typeof value === 'number') {
    if (!Number.isInteger(value) || value < 1 || value > Number(MAX_MONEY)) {
      throw wanted(value, AMOUNT_HELP)
    }
    return satoshi(BigInt(value))
  }
  if (typeof value !== 'string') throw wanted(value, AMOUNT_HELP)
  try {
    return parseAmount(value)
  } catch (error) {
    throw new Unreadable(messageOf(error))
  }
}

/** The initial coins of a wallet: 0 is valid. */
export function readCoins(value: unknown): Satoshi {
  return value === 0 ? satoshi(0n) : readAmount(value)
}

/** Satoshis of a distribution. */
export function readSatoshis(value: unknown): number {
  return Number(readAmount(value))
}

const RATE_HELP = 'a fee rate from 0.1 to 100,000 in sat/vB, such as 5, 2.5 or 5sat/vB'

export function readRate(value: unknown): FeeRate {
  const [, digits] =
    /^(\d{1,6}(?:\.\d{1,3})?)(?:\s*sat\/vB)?$/.exec(
      typeof value === 'number' ? String(value) : typeof value === 'string' ? value.trim() : ''
    ) ?? []
  const perKvB = Math.round(Number(digits) * 1_000)
  if (!(perKvB >= 100 && perKvB <= 100_000_000)) throw wanted(value, RATE_HELP)
  return feeRate(BigInt(perKvB))
}

/** 0 to 1. */
export function readPart(value: unknown): number {
  const [, percent] =
    typeof value === 'string' ? (/^(\d{1,3}(?:\.\d{1,6})?)\s*%$/.exec(value.trim()) ?? []) : []
  const part = percent === undefined ? value : Number(percent) / 100
  if (typeof part !== 'number' || !(part >= 0 && part <= 1)) {
    throw wanted(value, 'a part from 0 to 1, such as 0.25 or 25%')
  }
  return part
}

/** A whole number. */
export function readCount(least: number, most: number): Reader<number> {
  return (value) => {
    if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
      throw wanted(
        value,
        `a whole number from ${least.toLocaleString('en')} to ${most.toLocaleString('en')}`
      )
    }
    return value
  }
}

/** A number, whole or not. */
export function readNumber(least: number, most: number): Reader<number> {
  return (value) => {
    if (typeof value !== 'number' || !(value >= least && value <= most)) {
      throw wanted(
        value,
        `a number from ${least.toLocaleString('en')} to ${most.toLocaleString('en')}`
      )
    }
    return value
  }
}

export function readBoolean(value: unknown): boolean {
  if (typeof value !== 'boolean') throw wanted(value, 'true or false')
  return value
}

/** Reads one of some words. */
export function readChoice<const T extends string>(choices: readonly T[]): Reader<T> {
  return (value) => {
    const chosen = choices.find((choice) => choice === value)
    if (chosen !== undefined) return chosen
    const hint = typeof value === 'string' ? didYouMean(value, choices) : ''
    throw new Unreadable(`It must be one of ${choices.join(', ')}; it is ${shown(value)}.${hint}`)
  }
}

/** Reads a text of one line or many. */
export function readText(most: number): Reader<string> {
  return (value) => {
    if (typeof value !== 'string' || value.trim() === '' || value.length > most) {
      throw wanted(value, `a text of at most ${most.toLocaleString('en')} characters`)
    }
    return value.trim()
  }
}

/** `[1h, 3h]`: from, and until. */
export function readSpan(value: unknown): Span {
  const [from, until] = readPair(readDuration, 'a span such as [0, 1d]')(value)
  if (from > until) {
    throw new Unreadable(
      'A span ends after it begins; write the earlier time first, as in [0, 1d].'
    )
  }
  return { from, until }
}

/** `[8, 22]`: hours of the day; the second may be the smaller one, for a night. */
export function readHours(value: unknown): { readonly from: number; readonly until: number } {
  const [from, until] = readPair(readNumber(0, 24), 'two hours of the day, such as [8, 22]')(value)
  if (from === until) {
    throw new Unreadable(
      'The two hours of the day are not the same; leave `hours` out for the whole day.'
    )
  }
  return { from, until }
}

function readPair<T>(read: Reader<T>, help: string): Reader<readonly [T, T]> {
  return (value) => {
    if (!Array.isArray(value) || value.length !== 2) throw wanted(value, help)
    return [inside(0, read, value[0]), inside(1, read, value[1])]
  }
}

const KINDS = ['constant', 'uniform', 'exponential', 'lognormal'] as const

/**
 * `10min`, `{ exponential: 1h }`, `{ uniform: [1h, 3h] }` or `{ lognormal: { median: 2000sat,
 * sigma: 1 } }`, each value read by `read`.
 */
export function readDistribution(read: Reader<number>): Reader<Distribution> {
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return { kind: 'constant', value: read(value) }
    }
    const entries = Object.entries(value)
    const [name = '', given] = entries[0] ?? []
    const kind = KINDS.find((kind) => kind === name)
    if (kind === undefined && entries.length === 1) {
      throw new Unreadable(
        `There is no distribution '${name}'.${didYouMean(name, KINDS)} Write a single value, { exponential: MEAN }, { uniform: [LEAST, MOST] } or { lognormal: { median: M, sigma: S } }.`
      )
    }
    if (kind === undefined || entries.length !== 1) {
      throw new Unreadable(
        'A distribution has one name: write a single value, { exponential: MEAN }, { uniform: [LEAST, MOST] } or { lognormal: { median: M, sigma: S } }.'
      )
    }
    return inside(kind, (given) => drawn(kind, read, given), given)
  }
}

function drawn(kind: Distribution['kind'], read: Reader<number>, given: unknown): Distribution {
  switch (kind) {
    case 'constant':
      return { kind, value: read(given) }
    case 'exponential':
      return { kind, mean: read(given) }
    case 'uniform': {
      const [least, most] = readPair(read, 'the least and the most, such as [1h, 3h]')(given)
      if (least > most) {
        throw new Unreadable('The least comes first, then the most, as in [1h, 3h].')
      }
      return { kind, least, most }
    }
    case 'lognormal': {
      const help = 'the median and sigma, as in { median: 2000sat, sigma: 1 }'
      if (
        typeof given !== 'object' ||
        given === null ||
        Array.isArray(given) ||
        Object.keys(given).sort().join() !== 'median,sigma'
      ) {
        throw wanted(given, help)
      }
      const { median, sigma } = given as { median: unknown; sigma: unknown }
      // e^5 is 148: beyond that a few draws are all that counts.
      return {
        kind,
        median: inside('median', read, median),
        sigma: inside('sigma', readNumber(0, 5), sigma)
      }
    }
  }
}

/** Adds the position of an error in a value. */
export function inside<T>(at: string | number, read: Reader<T>, value: unknown): T {
  try {
    return read(value)
  } catch (error) {
    if (error instanceof Unreadable) throw new Unreadable(error.message, [at, ...error.path])
    throw error
  }
}

/** The mean of the draws. */
export function meanOf(distribution: Distribution): number {
  switch (distribution.kind) {
    case 'constant':
      return distribution.value
    case 'uniform':
      return (distribution.least + distribution.most) / 2
    case 'exponential':
      return distribution.mean
    case 'lognormal':
      return distribution.median * Math.exp(distribution.sigma ** 2 / 2)
  }
}
