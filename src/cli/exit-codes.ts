/** What the exit code of `paychan` tells a script. */

export const EXIT = { ok: 0, refused: 1, usage: 2, notRunning: 3, peerUnreachable: 4, chainUnavailable: 5, storeFailed: 6 } as const

const BY_CODE = new Map<string, number>([
  ['ERR_USAGE', EXIT.usage], ['ERR_INVALID_AMOUNT', EXIT.usage], ['ERR_NETWORK_NOT_SUPPORTED', EXIT.usage], ['ERR_MAINNET_REFUSED', EXIT.usage],
  ['ERR_CONFIG_INVALID', EXIT.usage], ['ERR_CONFIG_UNKNOWN_KEY', EXIT.usage], ['ERR_CONFIG_UNREADABLE', EXIT.usage],
  ['ERR_SOCKET_PATH_TOO_LONG', EXIT.usage], ['ERR_INVALID_MULTIADDR', EXIT.usage], ['ERR_INVALID_LISTEN', EXIT.usage], ['ERR_LISTEN_FAILED', EXIT.usage], ['ERR_INVALID_ADDRESS', EXIT.usage], ['ERR_INVALID_HEIGHT', EXIT.usage],
  ['ERR_INVALID_PEER', EXIT.usage], ['ERR_INVALID_PAYMENT_ID', EXIT.usage], ['ERR_INVALID_MEMO', EXIT.usage], ['ERR_MEMO_TOO_LONG', EXIT.usage],
  ['ERR_INVALID_FEERATE', EXIT.usage], ['ERR_INVALID_REQUEST', EXIT.usage], ['ERR_INVALID_GAP', EXIT.usage], ['ERR_INVALID_LABEL', EXIT.usage],
  ['ERR_INVALID_TARGET', EXIT.usage], ['ERR_INVALID_OUTPOINT', EXIT.usage], ['ERR_INVALID_URI', EXIT.usage],
  ['ERR_SCENARIO_INVALID', EXIT.usage], ['ERR_NO_SCENARIO', EXIT.usage], ['ERR_TOO_MANY_NODES', EXIT.usage], ['ERR_OUTPUT_EXISTS', EXIT.usage], ['ERR_OUTPUT_UNWRITABLE', EXIT.usage],
  ['ERR_NODE_NOT_RUNNING', EXIT.notRunning],
  ['ERR_PEER_UNREACHABLE', EXIT.peerUnreachable], ['ERR_PEER_UNKNOWN', EXIT.peerUnreachable], ['ERR_NO_PAYCHAN', EXIT.peerUnreachable],
  ['ERR_CHAIN_UNAVAILABLE', EXIT.chainUnavailable],
  ['ERR_STORE_FAILED', EXIT.storeFailed]
])

/** The exit code of an error by its code: 2 for a PSBT that is wrong, 1 for every other refusal. */
export function exitCodeOf (errorCode: string): number {
  return BY_CODE.get(errorCode) ?? (errorCode.startsWith('ERR_PSBT_') ? EXIT.usage : EXIT.refused)
}

/** Ends a command that has reported everything itself. */
export class Exit extends Error {
  constructor (readonly exitCode: number) { super(`exit ${exitCode}`) }
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
