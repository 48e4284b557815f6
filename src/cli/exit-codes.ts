/** The exit codes of `paychan`, for scripts. */
import { ERROR_KINDS, kindOf } from '../types/error-codes.js'

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
