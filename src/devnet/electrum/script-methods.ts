/**
 * The methods for watching: `blockchain.scripthash.*`, `blockchain.scriptpubkey.*` and
 * `blockchain.outpoint.*`.
 */
import { fromString } from 'uint8arrays'
import { toHex, type Txid } from '../../types/bytes.js'
import type { ChainBackend, ScriptHash, ScriptHistory, Utxo } from '../backend.js'
import { decodeTransaction, scriptHashOf, sha256 } from '../transaction.js'
import {
  bytes,
  ErrorCode,
  nonNegativeInteger,
  RpcError,
  scriptHash,
  transactionHash
} from './json-rpc.js'
import type { Method, MethodContext, Methods, SessionState } from './methods.js'

/* `blockchain.scripthash.*`, and its replacement in protocol 1.7, `blockchain.scriptpubkey.*`. */

/** Most scripts, and most outpoints, that one connection may watch. */
const MAX_SUBSCRIPTIONS = 100_000

function sum(utxos: readonly Utxo[]): number {
  return Number(utxos.reduce((total, { value }) => total + value, 0n))
}

/** The methods of both families, by the last part of the name. */
const RUNS: Readonly<
  Record<string, (context: MethodContext, script: ScriptHash) => Promise<unknown>>
> = {
  subscribe: async ({ backend, session }, script) => {
    if (session.scripts.size >= MAX_SUBSCRIPTIONS) {
      throw new RpcError(
        ErrorCode.badRequest,
        `too many subscriptions (at most ${MAX_SUBSCRIPTIONS})`
      )
    }
    // Watched before it is looked up, so that no change is missed between the two.
    session.scripts.set(script, null)
    const status = statusOf(await backend.scriptHistory(script))
    session.scripts.set(script, status)
    return status
  },
  unsubscribe: async ({ session }, script) => session.scripts.delete(script),
  get_history: async ({ backend }, script) => historyRows(await backend.scriptHistory(script)),
  get_mempool: async ({ backend }, script) => mempoolRows(await backend.scriptHistory(script)),
  listunspent: async ({ backend }, script) => {
    const { unspent } = await backend.scriptCoins(script)
    return unspent.map(({ outPoint, value, height }) => ({
      tx_hash: outPoint.txid,
      tx_pos: outPoint.vout,
      height: height ?? 0,
      value: Number(value)
    }))
  },
  get_balance: async ({ backend }, script) => {
    const { unspent, spentByMempool } = await backend.scriptCoins(script)
    const confirmed = unspent.filter(({ height }) => height !== undefined)
    const waiting = unspent.filter(({ height }) => height === undefined)
    // `unconfirmed` is the change by the mempool, so it may be negative.
    return {
      confirmed: sum(confirmed) + sum(spentByMempool),
      unconfirmed: sum(waiting) - sum(spentByMempool)
    }
  }
}

export const scriptMethods: Methods = Object.fromEntries(
  Object.entries(RUNS).flatMap(([name, run]): Array<[string, Method]> => [
    [
      `blockchain.scripthash.${name}`,
      {
        params: ['scripthash'],
        ...(name === 'unsubscribe' ? { since: '1.4.2' } : {}),
        before: '1.7',
        run: async (context, [value]) => await run(context, scriptHash(value))
      }
    ],
    [
      `blockchain.scriptpubkey.${name}`,
      {
        params: ['spk'],
        since: '1.7',
        run: async (context, [value]) => await run(context, scriptHashOf(bytes(value)))
      }
    ]
  ])
)

/* `blockchain.outpoint.*` of protocol 1.7: the state of one output. */

/**
 * The message of `blockchain.outpoint.subscribe`. Heights as in histories: 0 and -1 are the
 * mempool's.
 */
interface OutPointStatus {
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

/** The script to look an output up by, also for an output that does not exist yet. */
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
      // Watched before it is looked up, so that no change is missed between the two.
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

/* The status by which Electrum clients notice a change of a script's history. */

/**
 * A row of `blockchain.scripthash.get_history`. Height 0: in the mempool; -1: there, with
 * unconfirmed parents.
 */
interface HistoryRow {
  readonly tx_hash: string
  readonly height: number
  readonly fee?: number
}

function mempoolRows({ mempool }: ScriptHistory): HistoryRow[] {
  return mempool.map(({ txid, fee, unconfirmedParents }) => ({
    tx_hash: txid,
    height: unconfirmedParents ? -1 : 0,
    fee: Number(fee)
  }))
}

function historyRows(history: ScriptHistory): HistoryRow[] {
  return [
    ...history.confirmed.map(({ txid, height }) => ({ tx_hash: txid, height })),
    ...mempoolRows(history)
  ]
}

/** The SHA256 of `txid:height:` of all rows in their order, as hex; null when there are none. */
export function statusOf(history: ScriptHistory): string | null {
  const rows = historyRows(history)
  if (rows.length === 0) return null
  return toHex(sha256(fromString(rows.map((row) => `${row.tx_hash}:${row.height}:`).join(''))))
}
