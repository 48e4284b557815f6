/**
 * Giving up an opening while it is under way: as long as T1 has not left, nobody has anything to
 * lose.
 */
import { PaychanError } from '../types/errors.js'
import type { ChannelActor } from './channel-actor.js'

/** What an opening ends with that its user gave up in time. */
function cancelled(): PaychanError {
  return new PaychanError(
    'ERR_CANCELLED',
    'The opening was cancelled by its user; nothing was funded.'
  )
}

/** @throws PaychanError `ERR_CANCELLED` */
export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw cancelled()
}

/** Waits for `work`, or until it is given up; what it still comes to then is handed to `undo`. */
export async function unlessCancelled<T>(
  signal: AbortSignal | undefined,
  work: Promise<T>,
  undo: (value: T) => void
): Promise<T> {
  if (signal === undefined) return await work
  return await new Promise<T>((resolve, reject) => {
    const onAbort = (): void => {
      work.then(undo, () => {}) // who asked has been told already
      reject(cancelled())
    }
    if (signal.aborted) {
      onAbort()
      return
    }
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', onAbort)
    })
  })
}

/**
 * Waits until a channel has arrived where `open` wants it. When the signal comes first, the
 * opening is abandoned, or it is too late: then it goes on, and only the wait ends.
 *
 * @throws PaychanError `ERR_CANCELLED`, `ERR_CANCEL_TOO_LATE` (facts: channel, txid), and why the
 *   channel did not arrive
 */
export async function arrivalUnlessCancelled(
  signal: AbortSignal | undefined,
  actor: ChannelActor,
  arrival: Promise<void>
): Promise<void> {
  if (signal === undefined) {
    await arrival
    return
  }
  let onAbort = (): void => {}
  const late = new Promise<never>((_resolve, reject) => {
    onAbort = () => {
      actor.post({ type: 'cancel' })
      void actor.idle().then(() => {
        const { state } = actor
        if (state.stage !== 'established') return // it is abandoned, and `arrival` says so
        const { txid } = state.outPoint
        reject(
          new PaychanError(
            'ERR_CANCEL_TOO_LATE',
            `Too late to cancel: the funding transaction ${txid} has left. The channel opens by itself; close it then with \`paychan close ${state.id.slice(0, 8)}\`.`,
            { channel: state.id, txid }
          )
        )
      })
    }
  })
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  try {
    await Promise.race([arrival, late])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
