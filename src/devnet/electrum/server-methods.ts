/** `server.*`, and the fees. */
import type { ChainBackend } from '../backend.js'
import { hash256, reversedHex } from '../hashes.js'
import { ErrorCode, RpcError } from './json-rpc.js'
import type { Methods } from './methods.js'
import { nonNegativeInteger, text } from './params.js'

/** The one protocol version that is spoken here. */
export const PROTOCOL_VERSION = '1.4'

export const SOFTWARE = 'paychan-devnet 0.1.0'

/** sat/kvB as a number of bitcoin per kilobyte. */
function btcPerKb (satPerKvB: bigint): number {
  return Number(satPerKvB) / 100_000_000
}

async function genesisHash (backend: ChainBackend): Promise<string | null> {
  const header = await backend.header(0)
  return header === undefined ? null : reversedHex(hash256(header))
}

/** `1.4.2` as [1, 4, 2]. */
function versionNumbers (value: unknown): number[] {
  const version = text(value)
  if (!/^\d{1,4}(\.\d{1,4}){0,3}$/.test(version)) throw new RpcError(ErrorCode.badRequest, `unsupported protocol version: ${version.slice(0, 20)}`, true)
  return version.split('.').map(Number)
}

/** Negative when version `a` is lower than `b`, 0 when they are the same. */
function compareVersions (a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

export const serverMethods: Methods = {
  'server.version': {
    params: ['client_name?', 'protocol_version?'],
    run: async ({ session }, [, asked = PROTOCOL_VERSION]) => {
      if (session.version !== undefined) throw new RpcError(ErrorCode.badRequest, 'server.version already sent')
      const [lowest, highest] = (Array.isArray(asked) && asked.length === 2 ? asked : [asked, asked]).map(versionNumbers)
      const ours = versionNumbers(PROTOCOL_VERSION)
      if (lowest === undefined || highest === undefined || compareVersions(lowest, ours) > 0 || compareVersions(highest, ours) < 0) {
        throw new RpcError(ErrorCode.badRequest, `unsupported protocol version: ${JSON.stringify(asked)}`, true)
      }
      session.version = PROTOCOL_VERSION
      return [SOFTWARE, PROTOCOL_VERSION]
    }
  },
  'server.features': {
    params: [],
    run: async ({ backend, host, port }) => ({
      genesis_hash: await genesisHash(backend),
      hosts: { [host]: { tcp_port: port, ssl_port: null } },
      protocol_max: PROTOCOL_VERSION,
      protocol_min: PROTOCOL_VERSION,
      pruning: null,
      server_version: SOFTWARE,
      hash_function: 'sha256'
    })
  },
  'server.banner': { params: [], run: async () => 'A development chain on regtest: its coins are worth nothing.' },
  'server.donation_address': { params: [], run: async () => '' },
  'server.peers.subscribe': { params: [], run: async () => [] },
  'server.ping': { params: [], run: async () => null },
  'blockchain.estimatefee': {
    params: ['number'],
    run: async ({ backend }, [target]) => {
      const rate = await backend.estimateFeeRate(Math.max(nonNegativeInteger(target), 1))
      return rate === undefined ? -1 : btcPerKb(rate)
    }
  },
  'blockchain.relayfee': { params: [], run: async ({ backend }) => btcPerKb((await backend.feeRates()).relay) },
  /** Of protocol 1.6, where Bitcoin Core's `getmempoolinfo` is its source; told to clients of 1.4 as well if they ask. */
  'mempool.get_info': {
    params: [],
    run: async ({ backend }) => {
      const { minimum, relay, incremental } = await backend.feeRates()
      return { mempoolminfee: btcPerKb(minimum), minrelaytxfee: btcPerKb(relay), incrementalrelayfee: btcPerKb(incremental) }
    }
  },
  'mempool.get_fee_histogram': {
    params: [],
    run: async ({ backend }) => {
      const sizes = new Map<number, number>()
      for (const { fee, vsize } of await backend.mempool()) {
        const rate = Math.floor(Number(fee) / vsize)
        sizes.set(rate, (sizes.get(rate) ?? 0) + vsize)
      }
      return [...sizes].sort(([a], [b]) => b - a)
    }
  }
}
