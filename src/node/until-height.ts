/** Waiting for the chain, for scripts and tests. */
import { PaychanError, STORE_FAILED } from '../types/errors.js'
import type { NodeApi, NodeInfo } from './api.js'

/** After these errors the node sees no block until a person acts. */
const IN_VAIN = new Set(['ERR_WRONG_CHAIN', 'ERR_WRONG_NETWORK'])

/** Milliseconds. No event tells that a node was stopped, so the node is asked. */
const LOOK_EVERY_MS = 1_000

/**
 * Resolves once the node has verified a block at `height`, and its wallet and channels have seen
 * that block. Works for a node in this process and for one behind the local API.
 *
 * @throws PaychanError `ERR_WRONG_CHAIN`, `ERR_WRONG_NETWORK`, `ERR_STORE_FAILED`,
 *   `ERR_NODE_STOPPED`, `ERR_NODE_NOT_RUNNING`: it would wait for ever
 * @example
 * await devnet.mine(1)
 * await untilHeight(node, devnet.height)
 */
export async function untilHeight(
  node: Pick<NodeApi, 'info' | 'onEvent'>,
  height: number
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const stop = node.onEvent((event) => {
      if (event.type === 'chain') look()
      if (event.type === 'alarm' && event.code === STORE_FAILED) {
        settle(() => {
          reject(PaychanError.of(event.code, event.text, event.facts))
        })
      }
    })
    const settle = (how: () => void): void => {
      stop()
      clearInterval(timer)
      how()
    }
    const look = (): void => {
      node.info().then(
        ({ chain }) => {
          if (chain.height !== undefined && chain.height >= height) settle(resolve)
          else if (isInVain(chain)) {
            settle(() => {
              reject(PaychanError.of(chain.lastErrorCode ?? '', chain.lastError ?? '', { height }))
            })
          }
        },
        (error: unknown) => {
          settle(() => {
            reject(error instanceof Error ? error : new Error(String(error)))
          })
        }
      )
    }
    const timer = setInterval(look, LOOK_EVERY_MS)
    look()
  })
}

function isInVain({ status, lastErrorCode = '' }: NodeInfo['chain']): boolean {
  return status === 'down' && IN_VAIN.has(lastErrorCode)
}
