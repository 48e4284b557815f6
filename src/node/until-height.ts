/** Waiting for the chain, for scripts and tests. */
import type { NodeApi } from './api.js'

/**
 * Resolves once the node has verified a block at `height`; its wallet and its channels have then
 * seen what that block brought. Works for a node in this process and for one behind the local API.
 *
 * @example
 * await devnet.mine(1)
 * await untilHeight(node, devnet.height)
 */
export async function untilHeight (node: Pick<NodeApi, 'info' | 'onEvent'>, height: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const stop = node.onEvent((event) => {
      if (event.type === 'chain' && event.height !== undefined && event.height >= height) settle(resolve)
    })
    const settle = (how: () => void): void => {
      stop()
      how()
    }
    node.info().then(({ chain }) => {
      if (chain.height !== undefined && chain.height >= height) settle(resolve)
    }, (error: unknown) => { settle(() => { reject(error instanceof Error ? error : new Error(String(error))) }) })
  })
}
