/** Waiting for a node: the end of a caller's wait, events, and heights of the chain. */
import { setMaxListeners } from 'node:events'
import { PaychanError, STORE_FAILED } from '../types/errors.js'
import type { EventsApi, NodeInfo } from './answers.js'

/** The options of every call that waits for a peer, a server or a block. */
export interface WaitOptions {
  /**
   * Ends the wait, and not what the call has begun: then it rejects with `ERR_WAIT_ENDED` (facts:
   * begun). Aborted before the call, nothing is begun.
   */
  readonly signal?: AbortSignal | undefined
}

/**
 * Waits for work until the signal comes. The work goes on, and nobody hears how it ends.
 *
 * @throws PaychanError `ERR_WAIT_ENDED` (facts: begun)
 */
export async function unlessAborted<T>(
  signal: AbortSignal | undefined,
  work: () => Promise<T>
): Promise<T> {
  if (signal === undefined) return await work()
  if (signal.aborted) throw waitEnded(signal, false)
  // One signal may end thousands of payments; that is not a leak for Node to warn of.
  setMaxListeners(Number.POSITIVE_INFINITY, signal)
  return await new Promise<T>((resolve, reject) => {
    const onAbort = (): void => {
      reject(waitEnded(signal, true))
    }
    signal.addEventListener('abort', onAbort, { once: true })
    work()
      .then(resolve, reject)
      .finally(() => {
        signal.removeEventListener('abort', onAbort)
      })
  })
}

/** The error of a call whose signal came before its answer; the cause is the signal's reason. */
export function waitEnded({ reason }: AbortSignal, begun: boolean): PaychanError {
  return new PaychanError(
    'ERR_WAIT_ENDED',
    begun
      ? 'The wait was ended by its signal. What the call has begun goes on: look at the lists of payments, channels and transactions before you call again, or pay again with the same id.'
      : 'The signal had come before the call: nothing was begun.',
    { begun },
    { cause: reason }
  )
}

/* Waiting for a node, and for what it sees of the chain. */

/** Waits for events of a node until a condition holds. */
export async function until(
  { events }: { readonly events: EventsApi },
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
  node: { readonly info: () => Promise<NodeInfo>; readonly events: EventsApi },
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
