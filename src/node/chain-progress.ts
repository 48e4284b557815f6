/** Reports on a node's chain, and on the progress of the histories that the node watches. */
import type { ElectrumChain } from '../chain/chain.js'
import type { Clock, Unsubscribe } from '../engine/ports.js'
import type { NodeEvent } from './api.js'
import { alarm, PaychanError } from '../types/errors.js'

/**
 * Tells of every tip and status, of a changed chain, and of histories that take long to read; until
 * it is stopped.
 */
export function tellOfChain(
  chain: ElectrumChain,
  clock: Clock,
  emit: (event: NodeEvent) => void
): Unsubscribe {
  const tell = (): void => {
    emit({
      type: 'chain',
      status: chain.status,
      height: chain.tip?.height,
      reason: chain.status === 'synced' ? undefined : chain.lastError
    })
    if (chain.status === 'down' && chain.lastErrorCode === 'ERR_WRONG_CHAIN') {
      const error = new PaychanError('ERR_WRONG_CHAIN', chain.lastError ?? '')
      emit({ ...alarm(error), channel: undefined })
    }
  }
  chain.onTip(tell)
  chain.onStatus(tell)
  const progress = new HistoryProgress(chain, clock, emit)
  return () => {
    progress.stop()
  }
}

/*
 * Progress of the watched histories: after a start, and after every reconnection, the server is
 * asked for all of them again, and ten thousand take a while. A quick reading is not reported.
 */

/** Number of histories known in their current state on the server, and their total. */
interface Histories {
  readonly known: number
  readonly total: number
}

/** Milliseconds before the first line, and between two lines. */
export const PROGRESS_MS = 1_000

/**
 * Progress while histories are being read; undefined when all are known, and as long as the server
 * has told none.
 */
export function historiesOf({
  watches: { known, total }
}: Pick<ElectrumChain, 'watches'>): Histories | undefined {
  return known === 0 || known >= total ? undefined : { known, total }
}

export class HistoryProgress {
  #cancel: Unsubscribe | undefined
  /**
   * True when the last look found them half read: reading takes longer than from one look to the
   * next.
   */
  #isLong = false
  /** The count told last; undefined at first. */
  #told: number | undefined
  readonly #stopListening: Unsubscribe
  readonly #chain: Pick<ElectrumChain, 'watches' | 'status' | 'onStatus'>
  readonly #clock: Clock
  readonly #emit: (event: Extract<NodeEvent, { type: 'histories' }>) => void

  /**
   * @example
   * const show = ({ known, total }) => console.log(`${known} of ${total}`)
   * const progress = new HistoryProgress(chain, clock, show)
   * progress.stop()
   */
  constructor(
    chain: Pick<ElectrumChain, 'watches' | 'status' | 'onStatus'>,
    clock: Clock,
    emit: (event: Extract<NodeEvent, { type: 'histories' }>) => void
  ) {
    this.#chain = chain
    this.#clock = clock
    this.#emit = emit
    // After each change of connection, everything is to be read again.
    this.#stopListening = chain.onStatus(() => {
      this.#look()
    })
    this.#look()
  }

  stop(): void {
    this.#stopListening()
    this.#cancel?.()
  }

  #look(): void {
    this.#cancel ??= this.#clock.after(PROGRESS_MS, () => {
      this.#cancel = undefined
      this.#tick()
    })
  }

  #tick(): void {
    const { known, total } = this.#chain.watches
    if (known < total) {
      // Without a server none are known, and there is nothing to tell: the status says so.
      const isReading = known > 0
      if (isReading && this.#isLong && known !== this.#told) this.#tell(known, total)
      this.#isLong = isReading
      this.#look()
      return
    }
    if (this.#told !== undefined) this.#tell(known, total)
    this.#told = undefined
    this.#isLong = false
    if (this.#chain.status !== 'synced') this.#look()
  }

  #tell(known: number, total: number): void {
    this.#told = known
    this.#emit({ type: 'histories', known, total })
  }
}
