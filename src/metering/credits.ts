/**
 * What a seller's node is paid for its sessions, as it comes in: a unit that is not paid yet waits a
 * moment for its payment.
 */
import type { NodeApi, PaymentInfo } from '../node/api.js'
import type { Satoshi } from '../types/units.js'
import { Sessions, type Standing, type Taking } from './sessions.js'
import { memoOf, sessionOfMemo } from './session-terms.js'

/** A part of a node; the whole of it fits, also one in another process. */
export type PaidNode = Pick<NodeApi, 'events'> & {
  readonly payments: Pick<NodeApi['payments'], 'list'>
}

export interface CreditsOptions {
  readonly node: PaidNode
  /** Milliseconds that a unit waits for its payment; 2,000 when left out. */
  readonly patience?: number
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

const PATIENCE_MS = 2_000
/** A look-up goes back so far: the event of a payment is not later than that. */
const LOOK_BACK_MS = 300_000

export class Credits {
  readonly #sessions = new Sessions()
  readonly #waiting = new Map<string, Set<(isCredited: boolean) => void>>()
  readonly #stop: () => void
  #isStopped = false

  constructor(private readonly options: CreditsOptions) {
    this.#stop = options.node.events.on((event) => {
      if (event.type === 'payment') this.#credit(event.payment)
    })
  }

  /** Listens to the node no more. Units that wait are refused. */
  stop(): void {
    this.#isStopped = true
    this.#stop()
    for (const waiting of this.#waiting.values()) for (const wake of [...waiting]) wake(false)
  }

  now(): number {
    return this.options.now?.() ?? Date.now()
  }

  /**
   * Takes a unit; waits for a payment that is not told yet, then looks for it itself: no event comes
   * while the connection to the node is broken, say.
   */
  async take(id: string, number: bigint, price: Satoshi): Promise<Taking> {
    const { patience = PATIENCE_MS } = this.options
    const until = this.now() + patience
    let taking = this.#sessions.take(id, number, price)
    while (taking.kind === 'short' && (await this.#isCredited(id, until - this.now()))) {
      taking = this.#sessions.take(id, number, price)
    }
    if (taking.kind !== 'short' || this.#isStopped) return taking
    await this.#lookUp(id)
    return this.#sessions.take(id, number, price)
  }

  giveBack(id: string, price: Satoshi): void {
    this.#sessions.giveBack(id, price)
  }

  trust(id: string, amount: bigint): void {
    this.#sessions.trust(id, amount)
  }

  standing(id: string): Standing {
    return this.#sessions.standing(id)
  }

  /** Waits for the next payment to a session; false when none comes in time. */
  async #isCredited(id: string, ms: number): Promise<boolean> {
    if (ms <= 0 || this.#isStopped) return false
    const waiting = this.#waiting.get(id) ?? new Set()
    this.#waiting.set(id, waiting)
    return await new Promise<boolean>((resolve) => {
      const end = (isCredited: boolean): void => {
        clearTimeout(timer)
        waiting.delete(end)
        if (waiting.size === 0) this.#waiting.delete(id)
        resolve(isCredited)
      }
      const timer = setTimeout(end, ms, false)
      waiting.add(end)
    })
  }

  #credit({ id, direction, status, memo, amount }: PaymentInfo): void {
    if (direction !== 'received' || status !== 'acknowledged') return
    const session = sessionOfMemo(memo)
    if (session === undefined) return
    this.#sessions.credit(session, { id, amount }, this.now())
    for (const wake of [...(this.#waiting.get(session) ?? [])]) wake(true)
  }

  async #lookUp(id: string): Promise<void> {
    const since = this.now() - LOOK_BACK_MS
    const memo = memoOf(id)
    const list = await this.options.node.payments.list({ memo, since, direction: 'received' })
    for (const payment of list) if (payment.memo === memo) this.#credit(payment)
  }
}
