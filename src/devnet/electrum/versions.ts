/** The versions of the Electrum protocol, and the choice for a connection. */
import { ErrorCode, RpcError } from './json-rpc.js'
import { text } from './params.js'

/** The lowest supported version. */
export const LOWEST_VERSION = '1.4'

/**
 * The highest supported version. From 1.6 on `server.version` comes first, and headers are lists;
 * from 1.7 on scripts are named by themselves. (There is no 1.5.)
 */
export const HIGHEST_VERSION = '1.7'

/** For clients that ask before `server.version`, as allowed before 1.6. */
export const HIGHEST_WITHOUT_ORDER = '1.4.3'

/**
 * The highest version that both sides support.
 *
 * @param asked - one version, or the client's lowest and highest
 * @param first - true for the connection's first message
 * @throws RpcError when there is none; it closes the connection
 */
export function negotiate(asked: unknown, first: boolean): string {
  const [lowest, highest] =
    Array.isArray(asked) && asked.length === 2
      ? [text(asked[0]), text(asked[1])]
      : [text(asked), text(asked)]
  const most = first ? HIGHEST_VERSION : HIGHEST_WITHOUT_ORDER
  const chosen = compareVersions(highest, most) < 0 ? highest : most
  if (compareVersions(chosen, lowest) < 0 || compareVersions(chosen, LOWEST_VERSION) < 0) {
    throw new RpcError(
      ErrorCode.badRequest,
      `unsupported protocol version: ${JSON.stringify(asked)}`,
      true
    )
  }
  return chosen
}

/** Negative when version `a` is lower than `b`, 0 when they are the same. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [numbers(a), numbers(b)]
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

/** `1.4.2` as [1, 4, 2]. */
function numbers(version: string): number[] {
  if (!/^\d{1,4}(\.\d{1,4}){0,3}$/.test(version)) {
    throw new RpcError(
      ErrorCode.badRequest,
      `unsupported protocol version: ${version.slice(0, 20)}`,
      true
    )
  }
  return version.split('.').map(Number)
}
