/**
 * EVID-6: how long a new tip waits until the other servers have told what came with its block; and,
 * before the first tip and after a time without any server, until they have told where they stand.
 */
import type { Clock, Tip, Unsubscribe } from '../engine/ports.js'
import { LAST_GOOD_MS } from './fees.js'
import { type PoolServer, workOf } from './pooled-script.js'
import type { PoolTimes } from './waiting.js'

/** Two blocks in a minute come in a day; a third one is rare enough to wait with. */
const TOLD_IN_A_ROW = 2

interface Settling {
  readonly cancel: Unsubscribe
  isOver: boolean
}

export class TipSettling {
  /** Set while a new tip waits for the other servers. */
  #settling: Settling | undefined
  /** The times at which the last two tips were told. */
  #toldAt: readonly number[] = []
  /** Time since which no server was there: like a start, until all that were there are back. */
  #awaySince: number | undefined
  readonly #clock: Clock
  readonly #times: Pick<PoolTimes, 'first' | 'row' | 'settle'>
  readonly #look: () => void

  /** @param look - called when the time is over: the tip waits no longer */
  constructor(clock: Clock, times: Pick<PoolTimes, 'first' | 'row' | 'settle'>, look: () => void) {
    this.#clock = clock
    this.#times = times
    this.#look = look
  }

  /** True after a time without any server, until those that were there are back. */
  get isAway(): boolean {
    return this.#awaySince !== undefined
  }

  /** Notes which servers are there, and since when none is. */
  noteWhoIsThere(used: readonly PoolServer[], tip: Tip | undefined): void {
    const now = this.#clock.now()
    const there = used.filter(({ chain }) => chain.status === 'synced')
    for (const server of there) server.thereAt = now
    if (there.length === 0 && tip !== undefined) this.#awaySince ??= now
  }

  /** A chain is followed: nothing waits any more. */
  end(): void {
    this.#settling = undefined
    this.#awaySince = undefined
  }

  /** A new tip is told. */
  told(): void {
    this.#toldAt = [...this.#toldAt, this.#clock.now()].slice(-TOLD_IN_A_ROW)
  }

  stop(): void {
    this.#settling?.cancel()
  }

  /** True when a server that was there before all were gone is not back yet. */
  #isMissed({ chain, thereAt }: PoolServer): boolean {
    return (
      chain.status !== 'synced' &&
      thereAt !== undefined &&
      this.#awaySince !== undefined &&
      this.#awaySince - thereAt < LAST_GOOD_MS
    )
  }

  #isInRow(at: number): boolean {
    return this.#clock.now() - at < this.#times.row
  }

  /** True when a server has gone only now. */
  #wasThere({ chain, thereAt }: PoolServer): boolean {
    return chain.status !== 'synced' && thereAt !== undefined && this.#isInRow(thereAt)
  }

  /**
   * EVID-6: true while other servers are still to tell what came with the block; or, before the
   * first tip and after a time without any server, where they stand at all. More blocks do not
   * lengthen the wait.
   */
  isAwaited(
    best: PoolServer,
    { hash }: Tip,
    used: readonly PoolServer[],
    tip: Tip | undefined
  ): boolean {
    // Nobody is there, and there is nothing new: the wait begins with the first who is back.
    if (
      this.#awaySince !== undefined &&
      hash === tip?.hash &&
      !used.some(({ chain }) => chain.status === 'synced')
    ) {
      return true
    }
    const isFirst = tip === undefined || this.#awaySince !== undefined
    const isRow =
      this.#toldAt.length === TOLD_IN_A_ROW && this.#toldAt.every((at) => this.#isInRow(at))
    const isAwaited = isFirst
      ? used.some((server) => server.chain.status === 'connecting' || this.#isMissed(server))
      : hash !== tip.hash &&
        used.some(
          (server) =>
            (server.chain.status === 'synced' && workOf(server) < workOf(best)) ||
            (isRow && this.#wasThere(server))
        )
    if (!isAwaited) {
      this.#settling?.cancel()
      this.#settling = undefined
      return false
    }
    this.#settling ??= this.#settle(
      isFirst ? this.#times.first : isRow ? this.#times.row : this.#times.settle
    )
    return !this.#settling.isOver
  }

  #settle(ms: number): Settling {
    const settling: Settling = {
      isOver: false,
      cancel: this.#clock.after(ms, () => {
        settling.isOver = true
        this.#look()
      })
    }
    return settling
  }
}
