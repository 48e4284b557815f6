/**
 * `devnet.*`: what no real server offers, blocks and coins. `paychan devnet mine | reorg | fund`
 * call these.
 */
import { PaychanError } from '../../types/errors.js'
import { ErrorCode, RpcError } from './json-rpc.js'
import type { Methods } from './methods.js'
import { amount, nonNegativeInteger, paymentScript } from './params.js'

/** How many blocks one request may mine. */
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

/** What the backend refuses is told to the caller. */
async function refusable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof PaychanError) throw new RpcError(ErrorCode.badRequest, error.message)
    throw error
  }
}
