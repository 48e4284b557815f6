/** `blockchain.outpoint.*` of protocol 1.7: what has become of one output. */
import type { Txid } from '../../types/bytes.js'
import type { ChainBackend, ScriptHash } from '../backend.js'
import { scriptHashOf } from '../hashes.js'
import { decodeTransaction } from '../transaction.js'
import { ErrorCode, RpcError } from './json-rpc.js'
import type { Methods, SessionState } from './methods.js'
import { bytes, nonNegativeInteger, transactionHash } from './params.js'
import { historyRows } from './status.js'

/** How many outpoints one connection may watch. */
const MAX_SUBSCRIPTIONS = 100_000

/**
 * `blockchain.outpoint.subscribe` tells this. Heights as in histories: 0 and -1 are the mempool's.
 */
export interface OutPointStatus {
  readonly funder_height?: number
  readonly spender_txhash?: Txid
  readonly spender_height?: number
}

/** Empty as long as no transaction has made the output. */
export async function outPointStatus(
  backend: ChainBackend,
  txid: string,
  vout: number
): Promise<OutPointStatus> {
  const funder = await backend.transaction(txid)
  const output = funder === undefined ? undefined : decodeTransaction(funder.raw).outputs[vout]
  if (output === undefined) return {}
  const rows = historyRows(await backend.scriptHistory(scriptHashOf(output.script)))
  const heightOf = (id: string): number => rows.find((row) => row.tx_hash === id)?.height ?? 0
  for (const { tx_hash: id, height } of rows) {
    const found = await backend.transaction(id)
    const spends =
      found !== undefined &&
      decodeTransaction(found.raw).inputs.some(({ spends }) => spends === `${txid}:${vout}`)
    if (spends) {
      return { funder_height: heightOf(txid), spender_txhash: found.txid, spender_height: height }
    }
  }
  return { funder_height: heightOf(txid) }
}

/** Under which script an output is found, also one that does not exist yet. */
async function scriptOf(
  backend: ChainBackend,
  txid: string,
  vout: number,
  hint: Uint8Array
): Promise<ScriptHash> {
  const funder = await backend.transaction(txid)
  return scriptHashOf(
    (funder === undefined ? undefined : decodeTransaction(funder.raw).outputs[vout]?.script) ?? hint
  )
}

/** The outpoints that a connection watches and that a change of these scripts may concern. */
export function touchedOutPoints(
  { outPoints }: SessionState,
  touched: ReadonlySet<ScriptHash>
): string[] {
  return [...outPoints].flatMap(([key, { script }]) => (touched.has(script) ? key : []))
}

export const outPointMethods: Methods = {
  'blockchain.outpoint.subscribe': {
    params: ['tx_hash', 'txout_idx', 'spk_hint'],
    since: '1.7',
    run: async ({ backend, session }, [hash, index, hint]) => {
      const [txid, vout] = [transactionHash(hash), nonNegativeInteger(index)]
      if (session.outPoints.size >= MAX_SUBSCRIPTIONS) {
        throw new RpcError(
          ErrorCode.badRequest,
          `too many subscriptions (at most ${MAX_SUBSCRIPTIONS})`
        )
      }
      const watched = {
        txid,
        vout,
        script: await scriptOf(backend, txid, vout, bytes(hint)),
        told: ''
      }
      // Watched before it is looked up, so that no change falls between the two.
      session.outPoints.set(`${txid}:${vout}`, watched)
      const status = await outPointStatus(backend, txid, vout)
      watched.told = JSON.stringify(status)
      return status
    }
  },
  'blockchain.outpoint.get_status': {
    params: ['tx_hash', 'txout_idx', 'spk_hint'],
    since: '1.7',
    run: async ({ backend }, [hash, index, hint]) => {
      bytes(hint)
      return await outPointStatus(backend, transactionHash(hash), nonNegativeInteger(index))
    }
  },
  'blockchain.outpoint.unsubscribe': {
    params: ['tx_hash', 'txout_idx'],
    since: '1.7',
    run: async ({ session }, [hash, index]) =>
      session.outPoints.delete(`${transactionHash(hash)}:${nonNegativeInteger(index)}`)
  }
}
