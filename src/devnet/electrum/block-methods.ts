/** `blockchain.block.*` and `blockchain.headers.subscribe`. */
import { concat } from 'uint8arrays'
import { toHex } from '../../types/bytes.js'
import type { ChainBackend } from '../backend.js'
import { hash256, reversedHex } from '../hashes.js'
import { merkleBranch, merkleRoot } from '../merkle.js'
import { ErrorCode, RpcError } from './json-rpc.js'
import type { Methods } from './methods.js'
import { nonNegativeInteger } from './params.js'
import { compareVersions } from './versions.js'

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
 * That a header is among all up to `cpHeight`: the root over their hashes, and the branch to it.
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
