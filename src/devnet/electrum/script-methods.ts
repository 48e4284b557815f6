/**
 * `blockchain.scripthash.*`, and `blockchain.scriptpubkey.*`, which has taken its place in protocol
 * 1.7.
 */
import type { ScriptHash, Utxo } from '../backend.js'
import { scriptHashOf } from '../hashes.js'
import { ErrorCode, RpcError } from './json-rpc.js'
import type { Method, MethodContext, Methods } from './methods.js'
import { bytes, scriptHash } from './params.js'
import { historyRows, mempoolRows, statusOf } from './status.js'

/** How many scripts one connection may watch. */
const MAX_SUBSCRIPTIONS = 100_000

function sum(utxos: readonly Utxo[]): number {
  return Number(utxos.reduce((total, { value }) => total + value, 0n))
}

/** What both families do, by the last part of the name. */
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
    // Watched before it is looked up, so that no change falls between the two.
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
    // `unconfirmed` is what the mempool would change, so it may be negative.
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
