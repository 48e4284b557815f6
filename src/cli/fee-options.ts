/** The options of every verb that makes a transaction: its fee, and the coins that it spends. */
import { InvalidArgumentError, Option, type Command } from 'commander'
import { outPointFromText, outPointText } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { MAX_TARGET } from '../wallet/fee-choice.js'
import { withoutUndefined } from '../daemon/wire.js'
import type { FeeChoice } from '../node/api.js'
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
