/** The parts that every command uses: the world, the data directory, the node, and the writer. */
import { InvalidArgumentError, type Command } from 'commander'
import type { NodeConfig } from '../daemon/config.js'
import type { ApiClient } from '../daemon/client.js'
import { dataPaths, resolveDataDir } from '../daemon/paths.js'
import type { LocalNode, NodeEvent } from '../node/api.js'
import type { NodeOptions } from '../node/create-node.js'
import { PaychanError } from '../types/errors.js'
import type { AskPassphrase } from '../wallet/seed-file.js'
import type { simulate } from '../sim/simulate.js'
import { type CsvColumn, renderCsv } from './table.js'
import { type Io } from './io.js'
import { type Colors, type Output, startPatience, untilInterrupted } from './output.js'

/** Notation of amounts, for the help of arguments. */
export const AMOUNT_HELP = '1000, 1000sat or 0.00001btc'

/** The short form of a peer id, for the help of arguments. */
export const PART_HELP = 'its beginning or end is enough if no other has it'

/** For the help of commands that show steps. */
export const VERBOSE_HELP =
  'show the steps in the words of the protocol, with the ids of transactions'

/** The options of a node that is looked after. */
export type Watching = Pick<NodeOptions, 'meter' | 'metrics' | 'logger' | 'electrumLog'>

/** The function that `start` runs; a test may give another. */
export type CreateNode = (
  config: NodeConfig,
  passphrase: AskPassphrase,
  onEvent: (event: NodeEvent) => void,
  watching?: Watching
) => Promise<LocalNode>

/** Everything outside of the command line's own code. */
export interface Outside {
  readonly io: Io
  readonly createNode: CreateNode
  /** Loaded only by `simulate`. */
  readonly simulator: () => Promise<typeof simulate>
  /** The script for the threads of a sweep; undefined: the simulator. */
  readonly sweepScript?: URL
}

/** The world with the one writer of this command line, which knows its last line. */
export interface World extends Outside {
  readonly output: Output
}

export interface Context extends World {
  readonly dataDir: string
}

interface CommonOptions {
  readonly data?: string
}

/** Reads the options that all commands share, at any place on the line. */
export function contextOf(world: World, command: Command): Context {
  const { data } = command.optsWithGlobals<CommonOptions>()
  return { ...world, dataDir: resolveDataDir(data, world.io.env) }
}

/**
 * Asks the running node, and closes the connection afterwards. Names the awaited node when that
 * takes long.
 *
 * @param mayFollow - the text of a verb that changes something, for an interruption: the node
 *   does not stop for that
 */
export async function withNode<T>(
  { dataDir, io, output }: Context,
  ask: (node: ApiClient) => Promise<T>,
  waitsFor = 'the node',
  mayFollow?: string
): Promise<T> {
  const { connectApi } = await import('../daemon/client.js')
  const node = connectApi(dataPaths(dataDir).socket)
  const patience = startPatience(io, output, () => waitsFor)
  const interrupted = mayFollow === undefined ? undefined : untilInterrupted(io)
  try {
    const asked = ask(node)
    if (interrupted === undefined) return await asked
    return await Promise.race([
      asked,
      interrupted.signal.then((signal): never => {
        throw interruption(signal, mayFollow ?? '')
      })
    ])
  } finally {
    interrupted?.dispose()
    patience.stop()
    node.disconnect()
  }
}

/** The reason why a command that changes something ended without an answer. */
export function interruption(signal: string, mayFollow: string): PaychanError {
  return new PaychanError(
    'ERR_INTERRUPTED',
    `${signal}: this command ends, and the node goes on. ${mayFollow}`
  )
}

/** Number of entries that a list shows when nothing is said. */
const DEFAULT_LIMIT = 20

export interface LimitOption {
  readonly limit?: number
}

/** Adds `--limit` to the command of a list. */
export function withLimit(command: Command): Command {
  return command.option(
    '--limit <n>',
    `at most so many (default: ${DEFAULT_LIMIT})`,
    wholeNumber(1)
  )
}

export interface CsvOption {
  readonly csv?: true
}

export interface ListOptions extends LimitOption, CsvOption {}

/** Adds `--csv` to the command of a list. */
export function withCsv(command: Command): Command {
  return command.option('--csv', 'all of it as CSV (RFC 4180), for spreadsheets and programs')
}

/** Adds `--limit` and `--csv` to the command of a list. */
export function withList(command: Command): Command {
  return withCsv(withLimit(command))
}

/** @throws PaychanError `ERR_USAGE` */
export function assertOneForm({ json }: Output, csv: true | undefined): void {
  if (!json || csv !== true) return
  throw new PaychanError('ERR_USAGE', 'Give --json or --csv: a result has one form.')
}

/**
 * Shows the newest entries of a list, and says so when there are more; as CSV all of them, unless a
 * limit is given.
 */
export async function showNewest<T>(
  context: Context,
  name: string,
  { limit: asked, csv }: ListOptions,
  list: (node: ApiClient, limit: number | undefined) => Promise<readonly T[]>,
  render: (entries: readonly T[], colors: Colors, width: number) => string,
  columns?: ReadonlyArray<CsvColumn<T>>
): Promise<void> {
  const { output } = context
  if (csv === true && columns !== undefined) {
    assertOneForm(output, csv)
    const all = await withNode(context, async (node) => await list(node, asked))
    output.text(renderCsv(columns, all))
    return
  }
  const limit = asked ?? DEFAULT_LIMIT
  // One more than is shown tells that there are more.
  const known = await withNode(context, async (node) => await list(node, limit + 1))
  const entries = known.slice(0, limit)
  const more = known.length > limit
  output.result({ [name]: entries, more }, (colors) => render(entries, colors, output.width))
  if (more) output.note(`These are the newest ${limit}; show more with --limit N.`)
}

/** The options that every command shows in its help. */
export function withCommonOptions(command: Command): Command {
  return command
    .option('--data <dir>', 'data directory (PAYCHAN_DATA; default: ~/.paychan)')
    .option('--json', 'print one JSON object; amounts are numbers of satoshis')
}

/** A parser for a whole number of at least `least`. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN
    if (!(value >= least)) {
      throw new InvalidArgumentError(`It must be a whole number, ${least} or more.`)
    }
    return value
  }
}
