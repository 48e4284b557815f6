/**
 * Which of the methods that we use each version of the Electrum protocol has. ElectrumX charges for
 * a method that it does not know a hundred times what it charges for one that it does, and hangs up
 * when too much has come together. Reference:
 * https://electrum-protocol.readthedocs.io/en/latest/protocol-changes.html
 */

/** The lowest and the highest version that we speak; the server chooses. */
export const PROTOCOL_VERSIONS = ['1.4', '1.7'] as const

/** The second number of a version: 4, 6, 7. (There is no 1.5.) */
export type ProtocolVersion = 4 | 5 | 6 | 7

const ALL = [4, 5, 6, 7] as const

/** For each method the versions that have it. */
const METHODS = {
  'server.version': ALL,
  'server.ping': ALL,
  'blockchain.headers.subscribe': ALL,
  'blockchain.block.headers': ALL,
  'blockchain.scripthash.subscribe': [4, 5, 6],
  'blockchain.scripthash.get_history': [4, 5, 6],
  'blockchain.scriptpubkey.subscribe': [7],
  'blockchain.scriptpubkey.get_history': [7],
  'blockchain.outpoint.subscribe': [7],
  'blockchain.transaction.get': ALL,
  'blockchain.transaction.get_merkle': ALL,
  'blockchain.transaction.broadcast': ALL,
  'blockchain.transaction.broadcast_package': [6, 7],
  'blockchain.transaction.testmempoolaccept': [7],
  'blockchain.estimatefee': ALL,
  'blockchain.relayfee': [4, 5],
  'mempool.get_fee_histogram': ALL,
  'mempool.get_info': [6, 7]
} as const satisfies Readonly<Record<string, readonly ProtocolVersion[]>>

export type MethodName = keyof typeof METHODS

export function hasMethod(version: ProtocolVersion, method: MethodName): boolean {
  const versions: readonly ProtocolVersion[] = METHODS[method]
  return versions.includes(version)
}

/** What a server has chosen, such as `1.4.2`; undefined for what we do not speak. */
export function protocolVersion(text: string): ProtocolVersion | undefined {
  const minor = /^1\.(\d)(?:\.\d{1,3})*$/.exec(text)?.[1]
  return ALL.find((version) => String(version) === minor)
}
