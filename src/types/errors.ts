/** The one class of errors that people and programs are meant to read. */

import type { ErrorCode } from './error-codes.js'

/** The facts of an error by name: amounts, heights, ids. Never a secret. */
export type Facts = Readonly<Record<string, string | number | bigint | boolean | undefined>>

/**
 * An error with a code that stays the same between releases, a sentence that says what to do next,
 * and the facts behind that sentence.
 *
 * @example
 * const text = 'Asked to pay 500 sat, but 400 sat are left.'
 * throw new PaychanError('ERR_INSUFFICIENT_BALANCE', text, { asked: 500n, left: 400n })
 */
export class PaychanError extends Error {
  override readonly name = 'PaychanError'

  /** One of `ErrorCode`; an error from another release may have a newer code. */
  readonly code: string

  constructor(
    code: ErrorCode,
    message: string,
    readonly facts: Facts = {},
    options?: ErrorOptions
  ) {
    super(message, options)
    this.code = code
  }

  /** Makes an error with a code from elsewhere: another error, a record, another process. */
  static of(
    code: string,
    message: string,
    facts: Facts = {},
    options?: ErrorOptions
  ): PaychanError {
    return new PaychanError(code as ErrorCode, message, facts, options)
  }
}

/** The code of a fatal error: the disk refused a write, and the node stops as a whole. */
export const STORE_FAILED = 'ERR_STORE_FAILED'

/** What was thrown, as an error: anything can be thrown. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(messageOf(thrown))
}

/** The sentence of a thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The reason why `fetch` failed: it says so only in the cause of its error. */
export function fetchFailure(error: unknown): string {
  return messageOf(error instanceof Error && error.cause instanceof Error ? error.cause : error)
}

/** The code of a thrown value; `ERR_INTERNAL` when it has none. */
export function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  return 'ERR_INTERNAL'
}

/**
 * An error that nobody waits for, as an event: people and programs get its code, its facts and its
 * sentence. Alarms of one code have one cause, unless their facts name another `rule` or `cause`.
 */
export interface AlarmEvent {
  /** Tells it from other events. */
  readonly type: 'alarm'
  /** One of `ErrorCode`; `docs/errors.md` says what to do. */
  readonly code: string
  /** A sentence for people; programs go by `code` and `facts`. */
  readonly text: string
  /** Amounts in satoshis, heights, ids; what there is differs by code. */
  readonly facts: Facts
}

export function alarm(error: unknown): AlarmEvent {
  return { type: 'alarm', code: codeOf(error), text: messageOf(error), facts: factsOf(error) }
}

/** The facts of a thrown value; none when it is not an error of this software. */
export function factsOf(error: unknown): Facts {
  return error instanceof PaychanError ? error.facts : {}
}

/** An error as plain data, for the local API and for `--json`. */
export interface ErrorRecord {
  code: string
  message: string
  facts: Record<string, string | number | boolean>
}

/** Turns a thrown value into plain data (amounts, which are bigints, become decimal strings). */
export function toErrorRecord(error: unknown): ErrorRecord {
  const facts: ErrorRecord['facts'] = {}
  if (error instanceof PaychanError) {
    for (const [name, value] of Object.entries(error.facts)) {
      if (value !== undefined) facts[name] = typeof value === 'bigint' ? value.toString() : value
    }
  }
  return { code: codeOf(error), message: messageOf(error), facts }
}

/**
 * Makes the compiler prove that a switch has a case for everything; throws if the proof was wrong.
 */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`)
}
