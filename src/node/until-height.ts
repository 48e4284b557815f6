/** Waiting for a node, and for what it sees of the chain. */
import { PaychanError, STORE_FAILED } from '../types/errors.js'
import type { NodeApi, NodeInfo } from './api.js'
import { waitEnded } from './waiting.js'

/** Waits for events of a node until a condition holds. */
export async function until(
  { events }: Pick<NodeApi, 'events'>,
  condition: () => Promise<boolean>
): Promise<void> {
  for (;;) {
    let stop = (): void => {}
    const next = new Promise<void>((resolve) => {
      stop = events.on(() => {
        resolve()
      })
    })
    try {
      if (await condition()) return
      await next
    } finally {
      stop()
    }
  }
}

/** After these errors the node sees no block until a person acts. */
const IN_VAIN = new Set(['ERR_WRONG_CHAIN', 'ERR_WRONG_NETWORK'])

/** Milliseconds. No event tells that a node was stopped, so the node is asked. */
const LOOK_EVERY_MS = 1_000

/**
 * Does what `NodeApi.chain.untilHeight` promises, for a node in this process and for one behind the
 * local API.
 */
export async function untilHeight(
  node: Pick<NodeApi, 'info' | 'events'>,
  height: number,
  signal?: AbortSignal
): Promise<void> {
  if (signal?.aborted === true) throw waitEnded(signal, false)
  await new Promise<void>((resolve, reject) => {
    const stop = node.events.on((event) => {
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
      signal?.removeEventListener('abort', onAbort)
      how()
    }
    const onAbort = (): void => {
      settle(() => {
        if (signal !== undefined) reject(waitEnded(signal, true))
      })
    }
    signal?.addEventListener('abort', onAbort, { once: true })
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
