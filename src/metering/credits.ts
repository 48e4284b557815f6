/**
 * What a seller's node is paid for its sessions, as it comes in: a unit that is not paid yet waits
 * a moment for its payment.
 */
import { randomBytes } from 'node:crypto'
import { SESSION_MEMO } from '../engine/requests.js'
import type { NodeApi, NodeEvent, PaymentInfo } from '../node/api.js'
import type { Satoshi } from '../types/units.js'
import type { Books } from './books.js'
import { sessionOfMemo } from './session-terms.js'
import { Sessions, type Standing, type Taking, type UnitOptions } from './sessions.js'

/** A part of a node; the whole of it fits, also one in another process. */
export interface PaidNode {
  readonly events: Pick<NodeApi['events'], 'on'> & {
    /**
     * What a node in another process has: the connection to it can break, and what it tells
     * meanwhile is missed. Without it no event is.
     */
    readonly follow?: (listener: (event: NodeEvent) => void) => Following
  }
  readonly payments: Pick<NodeApi['payments'], 'list'>
}

/** The events of a node in another process. */
export interface Following {
  /** Resolves once every event from now on is heard. */
  readonly ready: Promise<void>
  /** Resolves when no more are heard. */
  readonly closed: Promise<void>
  readonly stop: () => void
}

export interface CreditsOptions {
  readonly node: PaidNode
  /**
   * By which the seller knows its challenges again: that of the books, or a new one, when left out.
   */
  readonly secret?: Uint8Array
  /**
   * What survives a restart, of this seller alone (`ERR_GATE_RUNNING`); when left out, a restart
   * forgets what was paid ahead.
   */
  readonly books?: Books
  /**
   * Seconds for which a session lives; an hour when left out, `Infinity` for sessions without an
   * end.
   */
  readonly lifetime?: number
  /** Milliseconds that a unit waits for its payment; 2,000 when left out. */
  readonly patience?: number
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/** The way in which a unit waits for its payment. */
export interface Waiting {
  /** Milliseconds. */
  readonly patience?: number
  /** Is told, once, when it has to wait. */
  readonly onShort?: () => void
  /** Ends the wait: what it was for is over, and takes nothing that is paid from then on. */
  readonly signal?: AbortSignal
}

const PATIENCE_MS = 2_000
export const HOUR_S = 3_600
/** A look-up goes back so far: the event of a payment is not later than that. */
const LOOK_BACK_MS = 300_000
/** The clocks of this process and of its node differ by less. */
const SKEW_MS = 300_000
/** Payments are asked for in parts of so long, since a busy seller has many. */
const WINDOW_MS = 600_000

export class Credits {
  /** By which a seller knows its challenges again. */
  readonly secret: Uint8Array
  readonly #sessions: Sessions
  readonly #trusted: Set<string>
  readonly #waiting = new Map<string, Set<(isCredited: boolean) => void>>()
  #stop: () => void = () => {}
  /** Every event is heard once it resolves; undefined after the connection broke. */
  #hearing: Promise<void> | undefined
  /**
   * Since when events may have been missed, in milliseconds since 1970; undefined when none was.
   */
  #missedSince: number | undefined
  /** The payments of before the start are being counted, or are. */
  #resumed: Promise<void> | undefined
  #isResumed: boolean
  /** In milliseconds since 1970. */
  readonly #started: number
  /** The look-up that is to begin, and the one before it. */
  #nextLookUp: Promise<void> | undefined
  #lastLookUp: Promise<void> = Promise.resolve()
  #isStopped = false
  readonly #options: CreditsOptions

  constructor(options: CreditsOptions) {
    this.#options = options
    const { books, lifetime, secret = books?.secret ?? randomBytes(32) } = options
    books?.claim()
    this.secret = secret
    const areEndless = lifetime === Infinity
    this.#sessions = new Sessions(
      books === undefined
        ? { areEndless }
        : { areEndless, records: books.sessions, forgottenUpTo: books.forgottenUpTo }
    )
    this.#trusted = new Set(books?.trusted)
    this.#started = this.now()
    this.#isResumed = books === undefined
    // The first unit hears of what fails.
    this.resume().catch(() => {})
    this.#hear()
      .then(async () => {
        await this.#lookUp()
      })
      .catch(() => {})
  }

  /** Listens to the node no more. Units that wait are refused. */
  stop(): void {
    this.#isStopped = true
    this.#stop()
    for (const waiting of this.#waiting.values()) for (const wake of [...waiting]) wake(false)
  }

  now(): number {
    return this.#options.now?.() ?? Date.now()
  }

  /**
   * Takes a unit; waits for a payment that is not told yet, then looks for it itself where events
   * may have been missed. What is taken is in the books when this resolves.
   *
   * @throws PaychanError `ERR_STORE_FAILED`, and whatever `node.payments.list` does
   */
  async take(
    id: string,
    number: bigint | undefined,
    price: Satoshi,
    unit?: UnitOptions,
    { patience = this.#options.patience ?? PATIENCE_MS, onShort, signal }: Waiting = {}
  ): Promise<Taking> {
    await this.resume()
    const until = this.now() + patience
    const take = (): Taking =>
      signal?.aborted === true ? { kind: 'over' } : this.#sessions.take(id, number, price, unit)
    let taking = take()
    if (taking.kind === 'short') onShort?.()
    while (taking.kind === 'short' && (await this.#isCredited(id, until - this.now(), signal))) {
      taking = take()
    }
    if (signal?.aborted === true && taking.kind === 'short') return { kind: 'over' }
    if (taking.kind === 'short' && !this.#isStopped) {
      await this.#lookUp()
      taking = take()
    }
    if (taking.kind === 'taken') await this.#keep(id)
    return taking
  }

  giveBack(id: string, price: Satoshi): void {
    this.#sessions.giveBack(id, price)
    // The next unit hears of a disk that refuses.
    this.#keep(id).catch(() => {})
  }

  /** True for a channel that has had its units on trust. */
  isTrusted(channel: string): boolean {
    return this.#trusted.has(channel)
  }

  /** Lets a session spend this much before it is paid, once for a channel. */
  async trust(id: string, channel: string, amount: bigint): Promise<void> {
    if (this.#trusted.has(channel)) return
    this.#trusted.add(channel)
    this.#sessions.trust(id, amount, this.now())
    await this.#options.books?.keepTrusted(channel)
  }

  standing(id: string): Standing {
    return this.#sessions.standing(id)
  }

  async #keep(id: string): Promise<void> {
    const { books } = this.#options
    if (books === undefined) return
    // What was missed since then is not in them: a restart looks for it.
    const sessions = this.#sessions.takeRecords(id, this.#missedSince ?? this.now())
    if (sessions.length === 0) return
    const { forgottenUpTo } = this.#sessions
    await books.keep({ sessions, gone: this.#sessions.takeGone(), forgottenUpTo })
  }

  /**
   * Waits for the next payment to a session; false when none comes in time, or before the wait
   * ends.
   */
  async #isCredited(id: string, ms: number, signal?: AbortSignal): Promise<boolean> {
    if (ms <= 0 || this.#isStopped || signal?.aborted === true) return false
    const waiting = this.#waiting.get(id) ?? new Set()
    this.#waiting.set(id, waiting)
    return await new Promise<boolean>((resolve) => {
      const end = (isCredited: boolean): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', leave)
        waiting.delete(end)
        if (waiting.size === 0) this.#waiting.delete(id)
        resolve(isCredited)
      }
      const leave = (): void => {
        end(false)
      }
      const timer = setTimeout(end, ms, false)
      signal?.addEventListener('abort', leave)
      waiting.add(end)
    })
  }

  #credit(payment: PaymentInfo): void {
    const session = sessionOf(payment)
    if (session === undefined) return
    this.#sessions.credit(session, payment, this.now(), this.#toldAgainFrom())
    for (const wake of [...(this.#waiting.get(session) ?? [])]) wake(true)
  }

  /**
   * Counts, once, what the sessions of an earlier process were paid.
   *
   * @throws whatever `node.payments.list` does
   */
  async resume(): Promise<void> {
    const { books, lifetime = HOUR_S } = this.#options
    if (books === undefined) return
    this.#resumed ??= (
      lifetime === Infinity ? this.#countUnheard() : this.#count(lifetime * 1_000)
    ).then(
      () => {
        this.#isResumed = true
      },
      (error: unknown) => {
        this.#resumed = undefined
        throw error
      }
    )
    await this.#resumed
  }

  /** Counts what sessions without an end were paid since the newest record of theirs. */
  async #countUnheard(): Promise<void> {
    const { recordedAt } = this.#sessions
    if (recordedAt === undefined) return
    const listed = new Map<string, PaymentInfo[]>()
    for await (const payment of this.#payments(this.now() - recordedAt)) {
      const session = sessionOf(payment)
      if (session === undefined) continue
      const payments = listed.get(session)
      if (payments === undefined) listed.set(session, [payment])
      else payments.push(payment)
    }
    for (const [session, payments] of listed) {
      this.#sessions.creditUnheard(session, payments, this.now(), this.#toldAgainFrom())
    }
  }

  /**
   * No look-up tells of payments that were told before this, in milliseconds since 1970: each
   * begins somewhat before the time from which on events may have been missed, and until what was
   * paid before the start is counted all of this process may be told again.
   */
  #toldAgainFrom(): number {
    const since = this.#isResumed ? (this.#missedSince ?? this.now()) : this.#started
    return since - LOOK_BACK_MS - SKEW_MS
  }

  /** One look-up at a time: all who come while one is under way share the next. */
  async #lookUp(): Promise<void> {
    this.#nextLookUp ??= this.#lastLookUp.then(async () => {
      this.#nextLookUp = undefined
      await this.#catchUp()
    })
    const lookUp = this.#nextLookUp
    this.#lastLookUp = lookUp.catch(() => {})
    await lookUp
  }

  /**
   * Counts what was missed: hears the node again first, so nothing is missed from then on. Whoever
   * asks without a payment has the node look for one no more than once for each time that it was
   * away.
   */
  async #catchUp(): Promise<void> {
    // What is in the books has to be known first: it is told once more.
    await this.resume()
    if (this.#missedSince === undefined || this.#isStopped) return
    const hearing = this.#hearing ?? this.#hear()
    await hearing
    await this.#count(this.now() - this.#missedSince)
    if (this.#hearing === hearing) this.#missedSince = undefined
  }

  /** Hears of payments from now on, as long as the connection to the node holds. */
  #hear(): Promise<void> {
    const { events } = this.#options.node
    const listener = (event: NodeEvent): void => {
      if (event.type === 'payment') this.#credit(event.payment)
    }
    if (events.follow === undefined) {
      this.#stop = events.on(listener)
      return Promise.resolve()
    }
    const { ready, closed, stop } = events.follow(listener)
    this.#stop = stop
    this.#hearing = ready
    this.#missedSince ??= this.now()
    closed.then(
      () => {
        this.#hearing = undefined
        this.#missedSince ??= this.now()
      },
      () => {}
    )
    return ready
  }

  async #count(ms: number): Promise<void> {
    for await (const payment of this.#payments(ms)) this.#credit(payment)
  }

  /** The payments to sessions in so many milliseconds, and somewhat before; the oldest first. */
  async *#payments(ms: number): AsyncGenerator<PaymentInfo> {
    const { list } = this.#options.node.payments
    const now = this.now()
    for (let since = now - ms - LOOK_BACK_MS; since < now; since += WINDOW_MS) {
      const until = since + WINDOW_MS
      const part = { since, ...(until < now ? { until } : {}) }
      const payments = await list({ memo: SESSION_MEMO, direction: 'received', ...part })
      yield* payments.reverse()
    }
  }
}

/** The session that a payment pays for; undefined when it pays for none. */
function sessionOf({ direction, status, memo }: PaymentInfo): string | undefined {
  return direction === 'received' && status === 'acknowledged' ? sessionOfMemo(memo) : undefined
}
