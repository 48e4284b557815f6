/** The output of a simulation. */
import type { Plan } from './plan.js'
import type { Results } from './results.js'
import { renderReport } from './report/index.js'
import { existsSync } from 'node:fs'
import { mkdir, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import { type PaymentOutcome, rounded } from './measure/payments.js'

export const OUTPUT_FILES = [
  'results.json',
  'run.json',
  'channels.csv',
  'payments.csv',
  'report.html'
] as const

export interface Finished {
  readonly results: Results
  readonly plan: Plan
  readonly outcomes: Outcomes
  /**
   * The figures that depend on the machine: not part of the results, which are the same everywhere.
   */
  readonly run: object
}

/** Writes the files, and gives their paths. @throws PaychanError `ERR_OUTPUT_UNWRITABLE` */
export async function writeResults(
  directory: string,
  { results, plan, outcomes, run }: Finished
): Promise<string[]> {
  // Files are written one after the other: a written one stays, even if the next fails.
  const contents: Readonly<Record<(typeof OUTPUT_FILES)[number], () => string | Iterable<string>>> =
    {
      'results.json': () => `${JSON.stringify(results)}\n`,
      'run.json': () => `${JSON.stringify(run, null, 2)}\n`,
      'channels.csv': () => channelsCsv(results),
      'payments.csv': () => paymentsCsv(plan, results.simulated, outcomes),
      'report.html': () => renderReport(results)
    }
  const paths: string[] = []
  for (const name of OUTPUT_FILES) paths.push(await writeOutput(directory, name, contents[name]()))
  return paths
}

/** The directory for a simulation's results. */

/**
 * Makes the directory, and refuses one with results in it.
 *
 * @throws PaychanError `ERR_OUTPUT_EXISTS` (facts: path), `ERR_OUTPUT_UNWRITABLE`
 */
export async function prepareDirectory(
  path: string,
  names: readonly string[],
  force: boolean
): Promise<void> {
  const existing = names.find((name) => existsSync(join(path, name)))
  if (existing !== undefined && !force) {
    throw new PaychanError(
      'ERR_OUTPUT_EXISTS',
      `${join(path, existing)} is there already. Name another directory, or add --force to overwrite it.`,
      { path }
    )
  }
  await attempt(path, async () => {
    await mkdir(path, { recursive: true })
  })
}

/** A file, whole or piece by piece. @throws PaychanError `ERR_OUTPUT_UNWRITABLE` */
export async function writeOutput(
  directory: string,
  name: string,
  content: string | Iterable<string>
): Promise<string> {
  const path = join(directory, name)
  await attempt(path, async () => {
    if (typeof content === 'string') {
      await writeFile(path, content)
      return
    }
    const file = await open(path, 'w')
    try {
      for (const piece of content) await file.write(piece)
    } finally {
      await file.close()
    }
  })
  return path
}

async function attempt(path: string, write: () => Promise<void>): Promise<void> {
  try {
    await write()
  } catch (cause) {
    throw new PaychanError(
      'ERR_OUTPUT_UNWRITABLE',
      `${path} cannot be written (${codeOf(cause) === 'ERR_INTERNAL' ? messageOf(cause) : codeOf(cause)}). Name another directory with --out.`,
      { path },
      { cause }
    )
  }
}

/**
 * A simulation as tables (RFC 4180) for spreadsheets and notebooks; `docs/simulate.md` compares the
 * columns with those of sim-ln and CLoTH.
 */

/** Number of rows joined per write: a write for each would take most of the time. */
const CHUNK = 1_000

type Cell = string | number | bigint | null

function* csv(header: readonly string[], rows: Iterable<readonly Cell[]>): Generator<string> {
  let lines = [header.join(',')]
  for (const row of rows) {
    // Names and numbers: nothing in them needs quotes.
    lines.push(row.map((cell) => (cell === null ? '' : String(cell))).join(','))
    if (lines.length === CHUNK) {
      yield `${lines.join('\n')}\n`
      lines = []
    }
  }
  if (lines.length > 0) yield `${lines.join('\n')}\n`
}

/** Every channel, with its outcome. */
export function channelsCsv({ channels }: Pick<Results, 'channels'>): Generator<string> {
  return csv(
    [
      'id',
      'client',
      'server',
      'capacity_sat',
      'step_blocks',
      'funded_height',
      'spent_height',
      'end',
      'turns',
      'payments_forth',
      'payments_back',
      'volume_forth_sat',
      'volume_back_sat'
    ],
    channels.map(
      ({
        number,
        client,
        server,
        capacity,
        step,
        fundedAt,
        spentAt,
        end,
        turns,
        payments,
        volume
      }) => [
        number,
        client,
        server,
        capacity,
        step,
        fundedAt,
        spentAt,
        end,
        turns,
        payments.forth,
        payments.back,
        volume.forth,
        volume.back
      ]
    )
  )
}

/** Every payment requested up to a time, and its outcome. */
export function paymentsCsv(
  plan: Plan,
  until: number,
  outcomes: Pick<Outcomes, 'of'>
): Generator<string> {
  return csv(
    ['id', 'sender', 'receiver', 'amount_sat', 'start_ms', 'status', 'error', 'seconds', 'channel'],
    rows(plan, until, outcomes)
  )
}

function* rows(
  plan: Plan,
  until: number,
  outcomes: Pick<Outcomes, 'of'>
): Generator<readonly Cell[]> {
  let id = 0
  const payments = plan.payments()
  for (let next = payments.next(); next.done !== true; next = payments.next()) {
    const { time, opening, direction, amount } = next.value
    if (time > until) return
    const { client = '', server = '' } = plan.openings[opening] ?? {}
    const [sender, receiver] = direction === 'forth' ? [client, server] : [server, client]
    const { status = null, code = null, seconds, channel = null } = outcomes.of(id) ?? {}
    yield [
      id++,
      sender,
      receiver,
      amount,
      Math.round(time * 1_000),
      status,
      code,
      seconds === undefined ? null : rounded(seconds),
      channel
    ]
  }
}

/**
 * The outcomes of all payments of a simulation, by index in the plan: a few bytes for each, since
 * there may be millions.
 */
const STATUSES = ['made', 'failed', 'unknown', 'off'] as const
const FIRST_ROOM = 1_024
/** Stands for no channel. */
const NONE = -1

export class Outcomes {
  /** 1 more than the index in `STATUSES`; 0: no outcome. */
  #statuses = new Uint8Array(FIRST_ROOM)
  #codes = new Uint16Array(FIRST_ROOM)
  #seconds = new Float64Array(FIRST_ROOM)
  #channels = new Int32Array(FIRST_ROOM)
  /** The error codes so far; the first is none. */
  readonly #names = ['']

  /** For the simulator's `onOutcome`. */
  readonly add = ({ id, status, code = '', seconds, channel = NONE }: PaymentOutcome): void => {
    this.#reserve(id + 1)
    this.#statuses[id] = STATUSES.indexOf(status) + 1
    this.#codes[id] = this.#numberOf(code)
    this.#seconds[id] = seconds ?? NaN
    this.#channels[id] = channel
  }

  /** Undefined when it has no outcome. */
  of(id: number): PaymentOutcome | undefined {
    const status = STATUSES[(this.#statuses[id] ?? 0) - 1]
    if (status === undefined) return undefined
    const code = this.#names[this.#codes[id] ?? 0] ?? ''
    const seconds = this.#seconds[id] ?? NaN
    const channel = this.#channels[id] ?? NONE
    return {
      id,
      status,
      ...(code === '' ? {} : { code }),
      ...(Number.isNaN(seconds) ? {} : { seconds }),
      ...(channel === NONE ? {} : { channel })
    }
  }

  #numberOf(code: string): number {
    const known = this.#names.indexOf(code)
    return known === -1 ? this.#names.push(code) - 1 : known
  }

  #reserve(size: number): void {
    if (size <= this.#statuses.length) return
    const room = Math.max(size, 2 * this.#statuses.length)
    this.#statuses = grown(this.#statuses, new Uint8Array(room))
    this.#codes = grown(this.#codes, new Uint16Array(room))
    this.#seconds = grown(this.#seconds, new Float64Array(room))
    this.#channels = grown(this.#channels, new Int32Array(room))
  }
}

function grown<T extends { set: (from: T) => void }>(from: T, to: T): T {
  to.set(from)
  return to
}
