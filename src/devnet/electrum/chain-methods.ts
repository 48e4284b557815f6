/**
 * `blockchain.block.*`, `blockchain.headers.subscribe` and `blockchain.transaction.*`.
 */
import { concat } from 'uint8arrays'
import { hashFromTxid, toHex, type Txid } from '../../types/bytes.js'
import type { ChainBackend, LocatedTransaction } from '../backend.js'
import {
  decodeTransaction,
  hash256,
  merkleBranch,
  merkleRoot,
  reversedHex
} from '../transaction.js'
import { scriptAddress } from '../miner-wallet.js'
import {
  boolean,
  bytes,
  compareVersions,
  ErrorCode,
  nonNegativeInteger,
  RpcError,
  transactionHash
} from './json-rpc.js'
import type { Methods } from './methods.js'

/* `blockchain.block.*` and `blockchain.headers.subscribe`. */

/** As in ElectrumX: the headers of one period of difficulty. */
const MAX_HEADERS = 2_016

async function headerAt(backend: ChainBackend, height: number): Promise<Uint8Array> {
  const header = await backend.header(height)
  if (header === undefined) {
    throw new RpcError(ErrorCode.badRequest, `height ${height} out of range`)
  }
  return header
}

/** The tip as `blockchain.headers.subscribe` tells it. */
export async function tipHeader(backend: ChainBackend): Promise<{ hex: string; height: number }> {
  const { height } = await backend.tip()
  return { hex: toHex(await headerAt(backend, height)), height }
}

/**
 * Proves that a header is among all up to `cpHeight`: the root over their hashes, and the branch to
 * it.
 */
async function checkpointProof(
  backend: ChainBackend,
  height: number,
  cpHeight: number
): Promise<{ branch: string[]; root: string }> {
  const { height: tip } = await backend.tip()
  if (height > cpHeight || cpHeight > tip) {
    throw new RpcError(
      ErrorCode.badRequest,
      `require header height ${height} <= cp_height ${cpHeight} <= chain height ${tip}`
    )
  }
  const hashes: Uint8Array[] = []
  for (let each = 0; each <= cpHeight; each++) hashes.push(hash256(await headerAt(backend, each)))
  return {
    branch: merkleBranch(hashes, height).map(reversedHex),
    root: reversedHex(merkleRoot(hashes))
  }
}

export const blockMethods: Methods = {
  'blockchain.headers.subscribe': {
    params: [],
    run: async ({ backend, session }) => {
      session.headers = true
      return await tipHeader(backend)
    }
  },
  'blockchain.block.header': {
    params: ['height', 'cp_height?'],
    run: async ({ backend }, [at, cp = 0]) => {
      const height = nonNegativeInteger(at)
      const cpHeight = nonNegativeInteger(cp)
      const header = toHex(await headerAt(backend, height))
      return cpHeight === 0
        ? header
        : { header, ...(await checkpointProof(backend, height, cpHeight)) }
    }
  },
  'blockchain.block.headers': {
    params: ['start_height', 'count', 'cp_height?'],
    run: async ({ backend, session }, [start, wanted, cp = 0]) => {
      const first = nonNegativeInteger(start)
      const count = Math.min(nonNegativeInteger(wanted), MAX_HEADERS)
      const cpHeight = nonNegativeInteger(cp)
      const headers: Uint8Array[] = []
      while (headers.length < count) {
        const header = await backend.header(first + headers.length)
        if (header === undefined) break
        headers.push(header)
      }
      const list = session.version !== undefined && compareVersions(session.version, '1.6') >= 0
      const answer = {
        ...(list ? { headers: headers.map(toHex) } : { hex: toHex(concat(headers)) }),
        count: headers.length,
        max: MAX_HEADERS
      }
      if (headers.length === 0 || cpHeight === 0) return answer
      return {
        ...answer,
        ...(await checkpointProof(backend, first + headers.length - 1, cpHeight))
      }
    }
  }
}

/* `blockchain.transaction.*`. */

/** `MAX_PACKAGE_COUNT` of Bitcoin Core. */
const MAX_PACKAGE = 25

async function txidsAt(backend: ChainBackend, height: number): Promise<readonly Txid[]> {
  const txids = await backend.blockTxids(height)
  if (txids === undefined) throw new RpcError(ErrorCode.badRequest, `height ${height} out of range`)
  return txids
}

function branchOf(txids: readonly Txid[], position: number): string[] {
  return merkleBranch(txids.map(hashFromTxid), position).map(reversedHex)
}

/** The fields of Bitcoin Core's `getrawtransaction` that clients read. */
async function describe(found: LocatedTransaction, backend: ChainBackend): Promise<object> {
  const tx = decodeTransaction(found.raw)
  const { block } = found
  return {
    txid: tx.txid,
    hash: tx.wtxid,
    version: tx.version,
    size: tx.raw.length,
    vsize: tx.vsize,
    weight: tx.weight,
    locktime: tx.locktime,
    vin: tx.inputs.map(({ outPoint, scriptSig, sequence, witness }) =>
      tx.coinbase
        ? { coinbase: toHex(scriptSig), txinwitness: witness.map(toHex), sequence }
        : {
            txid: outPoint.txid,
            vout: outPoint.vout,
            scriptSig: { hex: toHex(scriptSig) },
            txinwitness: witness.map(toHex),
            sequence
          }
    ),
    vout: tx.outputs.map(({ value, script }, n) => ({
      value: Number(value) / 100_000_000,
      n,
      scriptPubKey: { hex: toHex(script), address: scriptAddress(script) }
    })),
    hex: toHex(tx.raw),
    ...(block === undefined
      ? {}
      : {
          blockhash: block.hash,
          confirmations: (await backend.tip()).height - block.height + 1,
          time: block.time,
          blocktime: block.time
        })
  }
}

export const transactionMethods: Methods = {
  'blockchain.transaction.broadcast': {
    params: ['raw_tx'],
    run: async ({ backend }, [raw]) => {
      const result = await backend.submit(bytes(raw))
      if (result.accepted) return result.txid
      throw new RpcError(
        ErrorCode.badRequest,
        `the transaction was rejected by network rules.\n\n${result.reason}\n[${String(raw)}]`
      )
    }
  },
  'blockchain.transaction.broadcast_package': {
    params: ['raw_txs', 'verbose?'],
    since: '1.6',
    run: async ({ backend }, [raws, verbose = false]) => {
      boolean(verbose)
      if (!Array.isArray(raws) || raws.length === 0 || raws.length > MAX_PACKAGE) {
        throw new RpcError(ErrorCode.badRequest, `a package has 1 to ${MAX_PACKAGE} transactions`)
      }
      const { refused } = await backend.submitPackage(raws.map(bytes))
      return refused.length === 0
        ? { success: true }
        : { success: false, errors: refused.map(({ txid, reason }) => ({ txid, error: reason })) }
    }
  },
  /** Each is judged alone, as if it were sent. */
  'blockchain.transaction.testmempoolaccept': {
    params: ['raw_txs'],
    since: '1.7',
    run: async ({ backend }, [raws]) => {
      if (!Array.isArray(raws) || raws.length === 0 || raws.length > MAX_PACKAGE) {
        throw new RpcError(
          ErrorCode.badRequest,
          `1 to ${MAX_PACKAGE} transactions can be tested at once`
        )
      }
      return await Promise.all(
        raws.map(async (each) => {
          const raw = bytes(each)
          const result = await backend.test(raw)
          const { txid, wtxid } = decodeTransaction(raw)
          return {
            txid,
            wtxid,
            allowed: result.accepted,
            ...(result.accepted ? {} : { reason: result.reason })
          }
        })
      )
    }
  },
  'blockchain.transaction.get': {
    params: ['tx_hash', 'verbose?'],
    run: async ({ backend }, [hash, verbose = false]) => {
      const wantsDetails = boolean(verbose)
      const found = await backend.transaction(transactionHash(hash))
      if (found === undefined) {
        throw new RpcError(
          ErrorCode.daemon,
          'daemon error: No such mempool or blockchain transaction.'
        )
      }
      return wantsDetails ? await describe(found, backend) : toHex(found.raw)
    }
  },
  'blockchain.transaction.get_merkle': {
    params: ['tx_hash', 'height'],
    run: async ({ backend }, [hash, at]) => {
      const txid = transactionHash(hash)
      const height = nonNegativeInteger(at)
      const txids = await txidsAt(backend, height)
      const pos = txids.findIndex((each) => each === txid)
      if (pos === -1) {
        throw new RpcError(ErrorCode.badRequest, `tx ${txid} not in block at height ${height}`)
      }
      return { block_height: height, merkle: branchOf(txids, pos), pos }
    }
  },
  'blockchain.transaction.id_from_pos': {
    params: ['height', 'tx_pos', 'merkle?'],
    run: async ({ backend }, [at, pos, merkle = false]) => {
      const height = nonNegativeInteger(at)
      const position = nonNegativeInteger(pos)
      const wantsBranch = boolean(merkle)
      const txids = await txidsAt(backend, height)
      const txid = txids[position]
      if (txid === undefined) {
        throw new RpcError(
          ErrorCode.badRequest,
          `no tx at position ${position} in block at height ${height}`
        )
      }
      return wantsBranch ? { tx_hash: txid, merkle: branchOf(txids, position) } : txid
    }
  }
}
