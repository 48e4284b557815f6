/** `blockchain.scripthash.*`. */
import type { Utxo } from '../backend.js'
import { ErrorCode, RpcError } from './json-rpc.js'
import type { Methods } from './methods.js'
import { scriptHash } from './params.js'
import { historyRows, mempoolRows, statusOf } from './status.js'

/** How many scripts one connection may watch. */
const MAX_SUBSCRIPTIONS = 100_000

function sum (utxos: readonly Utxo[]): number {
  return Number(utxos.reduce((total, { value }) => total + value, 0n))
}

export const scriptMethods: Methods = {
  'blockchain.scripthash.subscribe': {
    params: ['scripthash'],
    run: async ({ backend, session }, [value]) => {
      const script = scriptHash(value)
      if (session.scripts.size >= MAX_SUBSCRIPTIONS) throw new RpcError(ErrorCode.badRequest, `too many subscriptions (at most ${MAX_SUBSCRIPTIONS})`)
      // Watched before it is looked up, so that no change falls between the two.
      session.scripts.set(script, null)
      const status = statusOf(await backend.scriptHistory(script))
      session.scripts.set(script, status)
      return status
    }
  },
  'blockchain.scripthash.unsubscribe': {
    params: ['scripthash'],
    since: '1.4.2',
    run: async ({ session }, [value]) => session.scripts.delete(scriptHash(value))
  },
  'blockchain.scripthash.get_history': {
    params: ['scripthash'],
    run: async ({ backend }, [value]) => historyRows(await backend.scriptHistory(scriptHash(value)))
  },
  'blockchain.scripthash.get_mempool': {
    params: ['scripthash'],
    run: async ({ backend }, [value]) => mempoolRows(await backend.scriptHistory(scriptHash(value)))
  },
  'blockchain.scripthash.listunspent': {
    params: ['scripthash'],
    run: async ({ backend }, [value]) => {
      const { unspent } = await backend.scriptCoins(scriptHash(value))
      return unspent.map(({ outPoint, value, height }) => ({ tx_hash: outPoint.txid, tx_pos: outPoint.vout, height: height ?? 0, value: Number(value) }))
    }
  },
  'blockchain.scripthash.get_balance': {
    params: ['scripthash'],
    run: async ({ backend }, [value]) => {
      const { unspent, spentByMempool } = await backend.scriptCoins(scriptHash(value))
      const confirmed = unspent.filter(({ height }) => height !== undefined)
      const waiting = unspent.filter(({ height }) => height === undefined)
      // `unconfirmed` is what the mempool would change, so it may be negative.
      return { confirmed: sum(confirmed) + sum(spentByMempool), unconfirmed: sum(waiting) - sum(spentByMempool) }
    }
  }
}
