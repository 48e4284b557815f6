/** The end of a caller's wait, and the news that it hears meanwhile. */
import { setMaxListeners } from 'node:events'
import { PaychanError } from '../types/errors.js'

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
