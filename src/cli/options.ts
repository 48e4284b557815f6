/** Options that several verbs share: the fee of a transaction, the coins that it spends, and times. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { withoutUndefined } from '../daemon/wire.js'
import type { FeeChoice } from '../node/api.js'
import { outPointFromText, outPointText } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { MAX_TARGET } from '../wallet/fee-choice.js'
import { wholeNumber } from './context.js'

export interface FeeOptions {
  readonly feerate?: number
  readonly target?: number
  readonly yes?: true
}
export interface CoinOptions {
  readonly coin?: string[]
}

/** `1`, `2.5` sat/vB. */
function parseFeeRate(text: string): number {
  if (!/^\d{1,6}(?:\.\d{1,3})?$/.test(text)) {
    throw new InvalidArgumentError(
      'A feerate is in sat/vB, such as 2 or 2.5, with at most 3 decimals.'
    )
  }
  return Number(text)
}

/** The fee that a person chose, as a request to the node. */
export function feeChoice({ feerate, target, yes }: FeeOptions): FeeChoice {
  return withoutUndefined({ satPerVByte: feerate, target, highFee: yes })
}

/** Adds `--feerate` and `--target`, of which one can be given, and `--yes`. */
export function withFee(command: Command, usual: string): Command {
  return command
    .option(
      '--feerate <sat/vB>',
      `what to pay for each virtual byte (default: ${usual})`,
      parseFeeRate
    )
    .addOption(
      new Option(
        '--target <blocks>',
        `pay what the servers estimate to be in a block within so many, 1 to ${MAX_TARGET}; see \`paychan fees\``
      )
        .argParser(parseTarget)
        .conflicts('feerate')
    )
    .option('--yes', 'pay a fee that exceeds the amount, or ten times the estimate, all the same')
}

/** Adds `--coin`, which may be repeated. */
export function withCoins(command: Command): Command {
  return command.option(
    '--coin <txid:vout>',
    'spend exactly this coin, and those of further --coin, as `paychan coins` shows them; also a locked one',
    (text: string, before: string[] = []) => [...before, parseOutPoint(text)]
  )
}

export function parseOutPoint(text: string): string {
  try {
    return outPointText(outPointFromText(text))
  } catch (error) {
    if (error instanceof PaychanError) throw new InvalidArgumentError(error.message)
    throw error
  }
}

function parseTarget(text: string): number {
  const blocks = wholeNumber(1)(text)
  if (blocks > MAX_TARGET) {
    throw new InvalidArgumentError(`It must be at most ${MAX_TARGET} blocks, a week.`)
  }
  return blocks
}

/* Times as people write them: how long, and when. */

const DAY_S = 86_400

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: DAY_S }

/** Reads `90s`, `15m`, `1h`, `7d` as seconds; undefined for any other text. */
export function parseDuration(text: string): number | undefined {
  const [, count, unit = ''] = /^(\d{1,9})([smhd])$/.exec(text) ?? []
  const factor = UNITS[unit]
  return count === undefined || factor === undefined || Number(count) === 0
    ? undefined
    : Number(count) * factor
}

/** Writes seconds as `parseDuration` reads them, in the largest unit that divides them. */
export function formatDuration(seconds: number): string {
  const [unit, factor] = Object.entries(UNITS).findLast(([, each]) => seconds % each === 0) ?? [
    's',
    1
  ]
  return `${seconds / factor}${unit}`
}

/** A parser for `90s`, `15m`, `1h`, `7d` as seconds; `never` as undefined. */
export function parseLifetime(text: string): { readonly seconds: number | undefined } {
  if (text === 'never') return { seconds: undefined }
  const seconds = parseDuration(text)
  if (seconds === undefined) {
    throw new InvalidArgumentError('It must be a time such as 15m, 1h or 7d, or never.')
  }
  return { seconds }
}

/** A day, with or without a time of that day; without a zone it is UTC, as in every list. */
const MOMENT =
  /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?(?:\.\d{1,3})?)(Z|[+-]\d{2}:\d{2})?)?$/

/** For the help of options. */
export const MOMENT_HELP = '2026-11-30, "2026-11-30 08:00" (UTC), or 7d for seven days ago'

/**
 * A parser for a time: a day, a time of a day, or so long ago. In milliseconds since 1970.
 *
 * @param end - of a day alone, its end is meant
 */
export function momentBy(now: () => number, end: boolean): (text: string) => number {
  return (text) => {
    const ago = parseDuration(text)
    if (ago !== undefined) return now() - ago * 1_000
    const [, day, time = '00:00', zone = 'Z'] = MOMENT.exec(text.trim()) ?? []
    const moment = day === undefined ? NaN : Date.parse(`${day}T${time}${zone}`)
    // The 31st of June would be the 1st of July.
    if (day === undefined || Number.isNaN(moment) || !isDay(day)) {
      throw new InvalidArgumentError(`It must be a time such as ${MOMENT_HELP}.`)
    }
    return end && text.trim() === day ? moment + DAY_S * 1_000 : moment
  }
}

function isDay(day: string): boolean {
  const midnight = new Date(`${day}T00:00Z`)
  return !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(day)
}
