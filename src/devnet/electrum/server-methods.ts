/**
 * `server.*`, the fees, and `devnet.*`, which no real server offers.
 */
import { PaychanError } from '../../types/errors.js'
import type { ChainBackend } from '../backend.js'
import { hash256, reversedHex } from '../transaction.js'
import {
  amount,
  compareVersions,
  ErrorCode,
  HIGHEST_VERSION,
  LOWEST_VERSION,
  negotiate,
  nonNegativeInteger,
  paymentScript,
  RpcError,
  text
} from './json-rpc.js'
import type { Methods } from './methods.js'

/* `server.*`, and the fees. */

const SOFTWARE = 'paychan-devnet 0.1.0'

/** Characters of an answer to a ping; `max_send` of ElectrumX is 1,000,000. */
const MAX_PONG = 1_000_000

/** Most entries, as in ElectrumX. */
const MAX_RECENT = 10

/** sat/kvB as a number of bitcoin per kilobyte. */
function btcPerKb(satPerKvB: bigint): number {
  return Number(satPerKvB) / 100_000_000
}

async function genesisHash(backend: ChainBackend): Promise<string | null> {
  const header = await backend.header(0)
  return header === undefined ? null : reversedHex(hash256(header))
}

export const serverMethods: Methods = {
  'server.version': {
    params: ['client_name?', 'protocol_version?'],
    run: async ({ session }, [, asked = LOWEST_VERSION]) => {
      if (session.version !== undefined) {
        throw new RpcError(ErrorCode.badRequest, 'server.version already sent')
      }
      session.version = negotiate(asked, session.isFresh)
      return [SOFTWARE, session.version]
    }
  },
  'server.features': {
    params: [],
    run: async ({ backend, session, host, port }) => ({
      genesis_hash: await genesisHash(backend),
      hosts: { [host]: { tcp_port: port, ssl_port: null } },
      protocol_max: HIGHEST_VERSION,
      protocol_min: LOWEST_VERSION,
      pruning: null,
      server_version: SOFTWARE,
      // Until 1.7, which names a script by itself.
      ...(compareVersions(session.version ?? LOWEST_VERSION, '1.7') >= 0
        ? {}
        : { hash_function: 'sha256' })
    })
  },
  'server.banner': {
    params: [],
    run: async () => 'A development chain on regtest: its coins are worth nothing.'
  },
  'server.donation_address': { params: [], run: async () => '' },
  'server.peers.subscribe': { params: [], run: async () => [] },
  /** From 1.7 on with a given length of the answer: its traffic tells an eavesdropper less. */
  'server.ping': {
    params: ['pong_len?', 'data?'],
    run: async ({ session }, [length = 0, data = '']) => {
      if (compareVersions(session.version ?? LOWEST_VERSION, '1.7') < 0) return null
      if (!/^[0-9a-fA-F]*$/.test(text(data))) {
        throw new RpcError(ErrorCode.badRequest, 'data should be hex')
      }
      const pong = nonNegativeInteger(length)
      if (pong > MAX_PONG) {
        throw new RpcError(ErrorCode.badRequest, `pong_len is at most ${MAX_PONG}`)
      }
      return { data: '0'.repeat(pong) }
    }
  },
  'blockchain.estimatefee': {
    params: ['number', 'mode?'],
    run: async ({ backend }, [target, mode]) => {
      // One estimate for both, from the waiting transactions.
      if (mode !== undefined && !/^(economical|conservative|unset)$/i.test(text(mode))) {
        throw new RpcError(
          ErrorCode.badRequest,
          `unknown estimate mode: ${text(mode).slice(0, 20)}`
        )
      }
      const rate = await backend.estimateFeeRate(Math.max(nonNegativeInteger(target), 1))
      return rate === undefined ? -1 : btcPerKb(rate)
    }
  },
  'blockchain.relayfee': {
    params: [],
    before: '1.6',
    run: async ({ backend }) => btcPerKb((await backend.feeRates()).relay)
  },
  /** A part of Bitcoin Core's `getmempoolinfo`. */
  'mempool.get_info': {
    params: [],
    since: '1.6',
    run: async ({ backend }) => {
      const { minimum, relay, incremental } = await backend.feeRates()
      return {
        mempoolminfee: btcPerKb(minimum),
        minrelaytxfee: btcPerKb(relay),
        incrementalrelayfee: btcPerKb(incremental)
      }
    }
  },
  'mempool.recent': {
    params: [],
    since: '1.7',
    run: async ({ backend }) =>
      (await backend.mempool())
        .slice(-MAX_RECENT)
        .reverse()
        .map(({ txid, fee, vsize }) => ({ txid, fee: Number(fee), vsize }))
  },
  'mempool.get_fee_histogram': {
    params: [],
    run: async ({ backend }) => {
      const sizes = new Map<number, number>()
      for (const { fee, vsize } of await backend.mempool()) {
        // In tenths: from Bitcoin Core 29.1 on they make a difference.
        const rate = Math.floor((Number(fee) * 10) / vsize) / 10
        sizes.set(rate, (sizes.get(rate) ?? 0) + vsize)
      }
      return [...sizes].sort(([a], [b]) => b - a)
    }
  }
}

/*
 * `devnet.*`: blocks and coins, which no real server offers. `paychan devnet mine | reorg | fund`
 * call these.
 */

/** Most blocks that one request may mine. */
const MAX_BLOCKS = 10_000

export const devnetMethods: Methods = {
  /**
   * Mines `blocks` (1 when left out), their coinbases to `address` or the devnet itself; answers
   * with the tip and the new blocks' hashes.
   */
  'devnet.mine': {
    params: ['blocks?', 'address?'],
    run: async ({ backend }, [blocks = 1, address]) => {
      const count = nonNegativeInteger(blocks)
      if (count > MAX_BLOCKS) {
        throw new RpcError(ErrorCode.badRequest, `at most ${MAX_BLOCKS} blocks at once`)
      }
      const mined = await backend.mine(
        count,
        address === undefined ? undefined : paymentScript(address)
      )
      return { ...(await backend.tip()), hashes: mined.map(({ hash }) => hash) }
    }
  },
  /**
   * Replaces the newest `depth` blocks by one more; `transactions` is `wait` (when left out),
   * `mine` or `drop`. Answers with the tip and the new blocks' hashes.
   */
  'devnet.reorg': {
    params: ['depth', 'transactions?'],
    run: async ({ backend }, [depth, transactions = 'wait']) => {
      if (transactions !== 'wait' && transactions !== 'mine' && transactions !== 'drop') {
        throw new RpcError(ErrorCode.badRequest, 'the transactions can wait, mine or drop')
      }
      const mined = await refusable(
        async () => await backend.reorg(nonNegativeInteger(depth), { transactions })
      )
      return { ...(await backend.tip()), hashes: mined.map(({ hash }) => hash) }
    }
  },
  /**
   * Pays satoshis to an address from the devnet's own coins. The transaction waits in the mempool:
   * mine a block to confirm it.
   */
  'devnet.fund': {
    params: ['address', 'sats'],
    run: async ({ backend }, [address, sats]) => {
      return {
        txid: await refusable(async () => await backend.fund(paymentScript(address), amount(sats)))
      }
    }
  },
  'devnet.info': {
    params: [],
    run: async ({ backend }) => {
      const waiting = await backend.mempool()
      return {
        ...(await backend.tip()),
        network: 'regtest',
        mempool: waiting.length,
        software: backend.software
      }
    }
  }
}

/** Reports the backend's refusals to the caller. */
async function refusable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof PaychanError) throw new RpcError(ErrorCode.badRequest, error.message)
    throw error
  }
}
