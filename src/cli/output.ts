/**
 * The one writer of results. Without `--json`: text for people on stdout, progress and errors on
 * stderr. With `--json`: exactly one JSON object on stdout, the result or `{ "error": ... }`, and
 * nothing on stderr. With it the exit codes, and what a waiting person is shown.
 */
import pc from 'picocolors'
import { ERROR_KINDS, kindOf } from '../types/error-codes.js'
import { toErrorRecord } from '../types/errors.js'
import { printable } from '../words/text.js'
import type { Io, Sink } from './io.js'
import { type Colors, cut } from './table.js'

export type { Colors } from './table.js'

export interface Output {
  readonly json: boolean
  readonly colors: Colors
  /** Width of a result, in columns. */
  readonly width: number
  /** The result of a command: `data` for `--json`, `text` for people. */
  result: (data: object, text: (colors: Colors) => string) => void
  /** One of many: a line of newline-delimited JSON, or a line of text. */
  line: (data: object, text: (colors: Colors) => string) => void
  /** The whole result, as it is: a file for other programs. */
  text: (whole: string) => void
  /** Shows work under way, on stderr. On a terminal each line replaces the one before. */
  progress: (text: string) => void
  /** A remark beside the result, on stderr. */
  note: (text: string) => void
  error: (error: unknown) => void
}

/** Amounts become numbers: 21 million bitcoin are 2.1 x 10^15 sat, below 2^53 = 9.0 x 10^15. */
function toJson(value: unknown): unknown {
  if (value === undefined) return null
  if (typeof value === 'bigint') return Number(value)
  if (Array.isArray(value)) return value.map(toJson)
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, toJson(field)]))
  }
  return value
}

/** The usual width of a terminal, for output without one. */
export const USUAL_WIDTH = 80

/**
 * Colours for a terminal whose user has not refused them; `https://no-color.org`: set and not empty
 * means none. Piped output is plain even when the environment says `CI` or `FORCE_COLOR`: programs
 * read it.
 */
export function colorsFor({ isTTY }: Pick<Sink, 'isTTY'>, env: Io['env']): Colors {
  return pc.createColors(isTTY && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb')
}

export function createOutput(io: Io, json: boolean): Output {
  const colors = json ? pc.createColors(false) : colorsFor(io.stdout, io.env)
  const stderrColors = colorsFor(io.stderr, io.env)
  let progressWidth = 0

  function writeJson(data: object): void {
    io.stdout.write(`${JSON.stringify(toJson(data))}\n`)
  }

  /** Takes an unfinished progress line off the terminal. */
  function clearProgress(): void {
    if (progressWidth > 0) io.stderr.write(`\r${' '.repeat(progressWidth)}\r`)
    progressWidth = 0
  }

  function emit(data: object, text: (colors: Colors) => string): void {
    clearProgress()
    if (json) writeJson(data)
    else io.stdout.write(`${text(colors)}\n`)
  }

  return {
    json,
    colors,
    width: io.stdout.columns ?? USUAL_WIDTH,
    result: emit,
    line: emit,
    text: (whole) => {
      clearProgress()
      io.stdout.write(whole)
    },
    progress: (text) => {
      if (json) return
      clearProgress()
      const whole = printable(text)
      if (!io.stderr.isTTY) {
        io.stderr.write(`${whole}\n`)
        return
      }
      // A wrapped line cannot be cleared, and a letter in the last column wraps on some terminals.
      const shown = cut(whole, (io.stderr.columns ?? USUAL_WIDTH) - 1)
      io.stderr.write(shown)
      progressWidth = shown.length
    },
    note: (text) => {
      clearProgress()
      if (!json) io.stderr.write(`${printable(text)}\n`)
    },
    error: (error) => {
      clearProgress()
      const record = toErrorRecord(error)
      if (json) writeJson({ error: record })
      else {
        io.stderr.write(
          `${stderrColors.red('error:')} ${printable(record.message)} ${stderrColors.dim(`(${record.code})`)}\n`
        )
      }
    }
  }
}

/* The exit codes of `paychan`, for scripts. */

export const EXIT = {
  ok: 0,
  refused: ERROR_KINDS.refused.exit,
  usage: ERROR_KINDS.usage.exit,
  storeFailed: ERROR_KINDS.disk.exit
} as const

/** The exit code of an error, by the kind of its code. */
export function exitCodeOf(errorCode: string): number {
  return ERROR_KINDS[kindOf(errorCode)].exit
}

/** Ends a command that has reported everything itself. */
export class Exit extends Error {
  constructor(readonly exitCode: number) {
    super(`exit ${exitCode}`)
  }
}

/** For `paychan --help`. */
export const EXIT_CODES_HELP = `Exit codes:
  0  done
  1  refused, or failed in another way
  2  wrong usage: command, argument, amount or configuration
  3  the node is not running
  4  the peer cannot be reached, or does not speak paychan
  5  the chain is not available (no Electrum server answers)
  6  the disk failed or is full: \`start\` has stopped the node; make room, then start it again`

/* Tells a waiting person what the wait is for. */

/** Milliseconds; longer than a person expects for an immediate answer. */
const PATIENCE_MS = 1_500

interface Patience {
  /** Begins the wait anew, after an event. */
  restart: () => void
  stop: () => void
}

/** Shows `waiting for ...` when nothing has happened for a while. */
export function startPatience(io: Io, output: Output, waitsFor: () => string): Patience {
  let cancel = (): void => {}
  const restart = (): void => {
    cancel()
    cancel = io.after(PATIENCE_MS, () => {
      output.progress(`waiting for ${waitsFor()} ...`)
    })
  }
  restart()
  return {
    restart,
    stop: () => {
      cancel()
    }
  }
}

/* Handles the first Ctrl-C as an orderly stop. */

interface Interrupted {
  /** Resolves with the name of the first signal. */
  readonly signal: Promise<string>
  /** Stops listening: the next signal ends the process at once. */
  dispose: () => void
}

/**
 * Waits for SIGINT or SIGTERM. After the first signal nothing listens any more, so that a second
 * Ctrl-C ends a process that hangs while stopping.
 */
export function untilInterrupted(io: Io): Interrupted {
  let dispose = (): void => {}
  const signal = new Promise<string>((resolve) => {
    dispose = io.onInterrupt((name) => {
      dispose()
      resolve(name)
    })
  })
  return {
    signal,
    dispose: () => {
      dispose()
    }
  }
}
