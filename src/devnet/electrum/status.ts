/** What Electrum clients compare to see whether a script's history has changed. */
import { fromString } from 'uint8arrays'
import { toHex } from '../../types/bytes.js'
import type { ScriptHistory } from '../backend.js'
import { sha256 } from '../hashes.js'

/**
 * A row of `blockchain.scripthash.get_history`. Height 0: in the mempool; -1: there, with
 * unconfirmed parents.
 */
export interface HistoryRow {
  readonly tx_hash: string
  readonly height: number
  readonly fee?: number
}

export function mempoolRows({ mempool }: ScriptHistory): HistoryRow[] {
  return mempool.map(({ txid, fee, unconfirmedParents }) => ({
    tx_hash: txid,
    height: unconfirmedParents ? -1 : 0,
    fee: Number(fee)
  }))
}

export function historyRows(history: ScriptHistory): HistoryRow[] {
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
