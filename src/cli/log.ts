/**
 * The log of a node that runs: a line is data with one text for people. `--log-format json` makes
 * one JSON object of it, with the unit in the name of each value that has one.
 */
import { isLogged, type LogConfig, type LogLevel } from '../daemon/log-levels.js'
import type { Facts } from '../types/errors.js'
import type { Colors, Output } from './output.js'

export type Fact = string | number | boolean | readonly string[] | NestedFacts | undefined

interface NestedFacts {
  readonly [name: string]: Fact
}

/** A line of the log. */
export interface Entry {
  readonly level: Exclude<LogLevel, 'silent'>
  /** Its subject: one word. */
  readonly event: string
  /** Fields that are undefined are left out. */
  readonly facts: NestedFacts
  readonly text: (colors: Colors) => string
}

export class Log {
  readonly #output: Output
  readonly #config: LogConfig

  constructor(output: Output, config: LogConfig) {
    this.#output = output
    this.#config = config
  }

  /** True when entries of this level are written. */
  takes(level: LogLevel): boolean {
    return isLogged(level, this.#config.level)
  }

  /** True when its lines are JSON. */
  get isForPrograms(): boolean {
    return this.#config.format === 'json'
  }

  /** True when `--json` shows each event as it is, also those that share a line of the log. */
  get isEachEvent(): boolean {
    return this.#output.json && this.#config.format === 'text'
  }

  /** @param data - what `--json` shows of it; its facts when left out */
  write(entry: Entry, data: object = { event: entry.event, ...entry.facts }): void {
    if (!this.takes(entry.level)) return
    if (this.#config.format === 'json') this.#output.text(jsonLine(entry))
    else this.#output.line(data, entry.text)
  }

  /** As `write`, but for people it is a remark beside the log, and for `--json` nothing. */
  note(entry: Entry): void {
    if (this.#config.format === 'json') this.write(entry)
    else if (this.takes(entry.level)) this.#output.note(entry.text(this.#output.colors))
  }
}

function jsonLine({ level, event, facts }: Entry): string {
  return `${JSON.stringify({ time: new Date().toISOString(), level, event, ...facts })}\n`
}

/** Facts of an error by names with units: amounts are bigints there, in satoshis. */
export function withUnits(facts: Facts): NestedFacts {
  return Object.fromEntries(
    Object.entries(facts).map(([name, value]) =>
      typeof value === 'bigint' ? [`${name}Sat`, Number(value)] : [name, value]
    )
  )
}
