/**
 * What is fuzzed: a piece of code that reads what others made, and what must be true of it whatever
 * they made.
 */
import { ProtocolError } from '../../protocols/paychan/1.0/index.js'
import { messageOf, PaychanError } from '../../src/types/errors.js'

export interface Target {
  readonly name: string
  /** Good inputs, from which others are made. */
  readonly seeds: () => readonly Uint8Array[]
  /** What inputs are made of besides. */
  readonly words?: readonly string[]
  /**
   * Returns, or refuses by an error with a code of its own. Everything else is a fault, as is an
   * assertion that fails.
   */
  readonly run: (input: Uint8Array) => void | Promise<void>
}

/** What is thrown on purpose: with a code, and a sentence for people. */
export function isRefusal(error: unknown): boolean {
  return (
    (error instanceof PaychanError &&
      error.code.startsWith('ERR_') &&
      error.code !== 'ERR_INTERNAL') ||
    error instanceof ProtocolError
  )
}

/** Calls what may not refuse: there is nobody to refuse it to. */
export function neverThrows<T>(what: string, call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw new Error(`${what} throws: ${messageOf(error)}`, { cause: error })
  }
}

/** A result, or undefined when it was refused. */
export function unlessRefused<T>(call: () => T): T | undefined {
  try {
    return call()
  } catch (error) {
    if (isRefusal(error)) return undefined
    throw error
  }
}

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
