/** Broken rules of the protocol, and refusals: how they are raised, and how the peer is told. */
import {
  MAX_ERROR_TEXT_BYTES,
  plainText,
  type ErrorMessage
} from '../../protocols/paychan/1.0/index.js'
import { isErrorCode, kindOf, type ErrorCode } from '../types/error-codes.js'
import { PaychanError, type Facts } from '../types/errors.js'

/** Raised by a check; `rule` is the id in protocols/paychan/1.0/spec.md. */
export class Violation extends PaychanError {
  constructor(
    readonly rule: string,
    code: ErrorCode,
    message: string,
    facts: Facts = {}
  ) {
    super(code, message, { ...facts, rule })
  }

  /** The error of a pure helper, as the violation of a rule. */
  static by(rule: string, { code, message, facts }: PaychanError): Violation {
    return new Violation(rule, code as ErrorCode, message, facts)
  }
}

/**
 * The code by which this side goes on to speak of a peer's fatal `Error`. A peer may name any: one
 * that says that the disk of this node has failed, or that its user wants to settle, must have no
 * effect here. So only the code of a rule is taken over (ERR-6).
 */
export function codeOfPeer(code: string): ErrorCode {
  return isErrorCode(code) && kindOf(code) === 'rule' ? code : 'ERR_PEER_STOPPED'
}

/** Throws unless a rule holds. A text with amounts in it is a function: mostly nobody reads it. */
export function must(
  holds: boolean,
  rule: string,
  code: ErrorCode,
  message: string | (() => string),
  facts?: Facts
): asserts holds {
  if (holds) return
  throw new Violation(rule, code, typeof message === 'string' ? message : message(), facts)
}

/**
 * Runs a check. Returns its result, or the violation that it threw; a `PaychanError` of a pure
 * helper becomes a violation of the rule that `rule` names for its code. A bug is thrown on.
 */
export function attempt<T>(
  rule: string | ((code: string) => string),
  check: () => T
): T | Violation {
  try {
    return check()
  } catch (error) {
    if (error instanceof Violation) return error
    if (error instanceof PaychanError) {
      return Violation.by(typeof rule === 'string' ? rule : rule(error.code), error)
    }
    throw error
  }
}

/** The `Error` message that tells the peer. ERR-1: text without secrets, at most 1,000 bytes. */
export function errorMessage(
  error: { code: string; message: string; rule?: string },
  fatal: boolean
): ErrorMessage {
  return {
    type: 'Error',
    code: error.code,
    rule: error.rule ?? '',
    text: plainText(error.message, MAX_ERROR_TEXT_BYTES),
    fatal
  }
}
