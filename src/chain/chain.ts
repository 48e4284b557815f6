/**
 * The `Chain` port over an Electrum server. The server is asked, not believed: headers are checked
 * for work, confirmations for their proof, estimates for their bounds. Connections come and go
 * underneath without the users of the port having to know.
 */
import { SpendJudge } from '../bitcoin/owner-spend.js'
import type { Transaction } from '../bitcoin/transaction.js'
import type { Ecdsa } from '../bitcoin/keys.js'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import {
  type Chain,
  type ChainStatus,
  type Clock,
  contained,
  type Random,
  type RelayRates,
  type ScriptWatch,
  type Tip,
  type Unsubscribe,
  type Verdict,
  type Weight,
  within
} from '../engine/ports.js'
import { Allowance } from '../types/allowance.js'
import { codeOf, messageOf, type PaychanError } from '../types/errors.js'
import type { BlockDelta, BlockHeight, FeeRate } from '../types/units.js'
import { ElectrumClient, ServerCalls } from './electrum/client.js'
import { parseEndpoint, type Proxy, type TlsTrust } from './electrum/endpoint.js'
import { type ElectrumSession, scriptHashOf } from './electrum/session.js'
import {
  callSafely,
  type ChainTimeouts,
  DEFAULT_TIMEOUTS,
  Listeners,
  type Log,
  type ServerReport,
  Slots,
  toLog
} from './waiting.js'
import { FALLBACK_FEE_RATE, REGTEST_FALLBACK_FEE_RATE, ServerFees } from './fees.js'
import { clockBehind } from './header.js'
import { type AnnouncedTip, HeaderFollower } from './header-sync.js'
import { ANCHOR_DEPTH, HeaderChain, wrongChain, type Anchor } from './headers.js'
import { chainParams } from './params.js'
import {
  WatchedScript,
  type ProvedWatcher,
  type WatchContext,
  type WatchSession
} from './script-watch.js'
import { ServerBroadcasts } from './broadcasting.js'
import { RefusalBudget, SharedFetches, UnprovedBudget } from './shared-costs.js'

export type { ServerReport } from './waiting.js'

export interface ElectrumChainInit {
  /** `tcp://HOST:PORT` or `tls://HOST:PORT` */
  readonly url: string
  /** The authorities or certificates to trust with TLS; the usual authorities when left out. */
  readonly tls?: TlsTrust
  /** The proxy for all connections. */
  readonly proxy?: Proxy | undefined
  readonly network: Network
  readonly clock: Clock
  readonly random: Random
  readonly log?: Log
  readonly onReport?: (report: ServerReport) => void
  /** Checks the signatures of transactions that a server shows as waiting in its mempool. */
  readonly verify?: Ecdsa['verify']
  readonly timeouts?: Partial<ChainTimeouts>
  /**
   * A block that must be in the chain: the one last given to `onAnchor`. A server without it is not
   * used (`ERR_WRONG_CHAIN`).
   */
  readonly anchor?: Anchor | undefined
  /** Headers that were verified before: only later ones are fetched. */
  readonly known?: HeaderChain | undefined
  /**
   * Called now and then with the block to give as `anchor` at the next start, and with its chain:
   * the headers up to the block may be kept for `known`.
   */
  readonly onAnchor?: (anchor: Anchor, headers: HeaderChain) => void
  /** The fee rate while no server ever gave an estimate: 10 sat/vB, on regtest 1 sat/vB. */
  readonly fallbackFeeRate?: FeeRate
}

/** Enough to keep the connection busy (`maxOutstanding` requests are under way at most). */
const SCRIPTS_AT_ONCE = 64

/**
 * COST-8: looks at histories that a server may cause by saying that they have changed. A look at a
 * short one takes a millisecond at the most: a server that lies about it has a fifth of a core.
 */
const LOOKS = { burst: 5_000, perSecond: 200 }

/**
 * Number of times that a server may hang up while a tip waits for its histories: after these the
 * tip is told first (COST-3).
 */
const MOST_HANG_UPS = 4

/** The state of one server. */
export interface ServerStatus {
  /** `tcp://HOST:PORT` or `tls://HOST:PORT`. */
  readonly url: string
  /** `dropped`: for an answer that it gave, and for a while; `problem` says why. */
  readonly state: 'used' | 'connecting' | 'down' | 'dropped'
  /** The height of its tip; undefined before it has shown one. */
  readonly height: BlockHeight | undefined
  /** A sentence for people; undefined while there is none. */
  readonly problem: string | undefined
}

export interface ElectrumChain extends Chain {
  /** Resolves at once; connecting goes on in the background, for ever. */
  start: () => Promise<void>
  readonly watchScript: (scriptPubKey: Uint8Array, watcher: ProvedWatcher) => ScriptWatch
  /** Ends the connection. Watches fall silent, waiting calls reject. */
  stop: () => Promise<void>
  /** The address of the server; with several servers, of the one whose tip is the best. */
  readonly server: string
  readonly servers: readonly ServerStatus[]
  /**
   * Number of watched scripts, and number of those whose current history is known: fewer after a
   * start or a reconnection, for a while.
   */
  readonly watches: { readonly known: number; readonly total: number }
  /** The verified headers; with several servers, those of the chain with the most work. */
  readonly headers: HeaderChain
  /** The reason why there is no usable server, as a sentence; undefined while there is one. */
  readonly lastError: string | undefined
  /** The code of `lastError`. */
  readonly lastErrorCode: string | undefined
}

/**
 * @throws PaychanError `ERR_INVALID_ELECTRUM_URL`
 * @example
 * const url = 'tcp://127.0.0.1:50001'
 * const chain = createElectrumChain({ url, network: 'regtest', clock, random })
 * await chain.start()
 * chain.onTip(({ height }) => console.log(height))
 */
export function createElectrumChain(init: ElectrumChainInit): ElectrumChain {
  return new VerifyingChain(init)
}

class VerifyingChain implements ElectrumChain {
  readonly server: string
  status: ChainStatus = 'connecting'
  tip: Tip | undefined
  lastError: string | undefined
  lastErrorCode: string | undefined
  readonly #clock: Clock
  readonly #log: Log
  readonly #timeouts: ChainTimeouts
  readonly #headers: HeaderChain
  readonly #onAnchor: (anchor: Anchor, headers: HeaderChain) => void
  readonly #follower: HeaderFollower
  readonly #client: ElectrumClient
  readonly #scripts = new Map<string, WatchedScript>()
  readonly #tips: Listeners<Tip>
  readonly #statuses: Listeners<ChainStatus>
  /** The session whose server's tip is verified; watches use it. */
  #session: ElectrumSession | undefined
  #announcing = false
  /** Resolves once the tip that is being made known is told. */
  #announced: Promise<void> = Promise.resolve()
  #isClockTold = false
  readonly #report: (error: PaychanError) => void
  /** Milliseconds that the newest tip has waited for histories, in sessions that ended. */
  #waited = 0
  readonly #calls: ServerCalls
  readonly #sending: ServerBroadcasts
  readonly #fees: ServerFees
  /** The parts that all watches share. */
  readonly #watching: WatchContext
  #cancelAsking: Unsubscribe = () => {}
  #stopped = false

  constructor(init: ElectrumChainInit) {
    const endpoint = parseEndpoint(init.url)
    this.server = init.url
    this.#clock = init.clock
    this.#log = init.log ?? (() => {})
    this.#timeouts = { ...DEFAULT_TIMEOUTS, ...init.timeouts }
    this.#report = ({ code, message }) => {
      this.#log(message)
      init.onReport?.({ code, text: message, server: init.url })
    }
    this.#tips = new Listeners(this.#log)
    this.#statuses = new Listeners(this.#log)
    this.#headers =
      init.known?.upTo(init.known.height) ??
      new HeaderChain(chainParams(init.network), init.anchor, () => init.clock.now())
    this.#headers.anchor = init.anchor
    this.#onAnchor = init.onAnchor ?? (() => {})
    this.#follower = new HeaderFollower(this.#headers, (from) => {
      this.#headersChanged(from)
    })
    const refusals = new RefusalBudget(init.clock)
    this.#watching = {
      headers: this.#headers,
      clock: init.clock,
      random: init.random,
      retry: this.#retry,
      log: this.#log,
      slots: new Slots(SCRIPTS_AT_ONCE),
      allowance: new Allowance(LOOKS, init.clock.now()),
      shared: new SharedFetches(),
      unproved: new UnprovedBudget(this.#report, init.clock, refusals),
      judge: init.verify === undefined ? undefined : new SpendJudge(init.verify),
      catchUp: (session) => this.#catchUp(session),
      onUnused: (scriptHash) => {
        this.#scripts.delete(scriptHash)
      }
    }
    const { connect, request, silence, ping } = this.#timeouts
    this.#client = new ElectrumClient(
      {
        endpoint,
        trust: init.tls ?? {},
        proxy: init.proxy,
        clock: init.clock,
        random: init.random,
        connectTimeout: connect,
        requestTimeout: request,
        silence,
        pingInterval: ping,
        backoff: this.#retry,
        onRefused: () => {
          refusals.refused()
        }
      },
      {
        onSession: (session) => this.#attach(session),
        // A failure has closed the session, which is all that is to be done about it.
        onTip: (session, tip) => {
          this.#follow(session, tip).catch(() => {})
        },
        onStatus: (_session, scriptHash) => {
          this.#scripts.get(scriptHash)?.statusChanged()
        },
        onDown: (reason, retryMs) => {
          this.#down(reason, retryMs)
        }
      }
    )
    this.#calls = new ServerCalls(this.#client, init.clock, this.#timeouts.call, () =>
      `no Electrum server at ${this.server} answered within ${this.#timeouts.call / 1000} s. ${this.lastError ?? ''}`.trim()
    )
    this.#sending = new ServerBroadcasts(this.server, this.#calls, init.clock, refusals)
    this.#fees = new ServerFees(
      this.#calls,
      init.clock,
      this.#log,
      init.fallbackFeeRate ??
        (init.network === 'regtest' ? REGTEST_FALLBACK_FEE_RATE : FALLBACK_FEE_RATE)
    )
  }

  get headers(): HeaderChain {
    return this.#headers
  }

  get servers(): readonly ServerStatus[] {
    return [
      {
        url: this.server,
        state: this.status === 'synced' ? 'used' : this.status,
        height: this.tip?.height,
        problem: this.lastError
      }
    ]
  }

  get watches(): ElectrumChain['watches'] {
    let known = 0
    for (const script of this.#scripts.values()) if (script.isKnown) known++
    return { known, total: this.#scripts.size }
  }

  async start(): Promise<void> {
    this.#client.start()
  }

  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    this.#cancelAsking()
    this.#sending.stop()
    this.#calls.stop()
    this.#session = undefined
    for (const script of this.#scripts.values()) script.detach()
    await this.#client.stop()
    this.#setStatus('down')
  }

  onTip(listener: (tip: Tip) => void): Unsubscribe {
    const stop = this.#tips.add(listener)
    if (this.tip !== undefined) listener(this.tip)
    return stop
  }

  onStatus(listener: (status: ChainStatus) => void): Unsubscribe {
    return this.#statuses.add(listener)
  }

  watchScript(scriptPubKey: Uint8Array, watcher: ProvedWatcher): ScriptWatch {
    const scriptHash = scriptHashOf(scriptPubKey)
    const known = this.#scripts.get(scriptHash)
    if (known !== undefined) return known.add(watcher)
    const script = new WatchedScript(scriptPubKey, this.#watching)
    this.#scripts.set(scriptHash, script)
    if (this.#session !== undefined) script.attach(this.#session)
    return script.add(watcher)
  }

  broadcast(transaction: Transaction, weight?: Weight): Promise<Verdict> {
    return this.#sending.broadcast(transaction, weight)
  }

  estimateFeeRate(target: BlockDelta): Promise<FeeRate> {
    return this.#fees.estimate(target)
  }

  relayRates(): Promise<RelayRates> {
    return this.#fees.relayRates()
  }

  async caughtUp(): Promise<void> {
    const session = this.#session
    if (session === undefined) return
    const answered = this.#calls.answered()
    // A failure has closed the session. What the server has told before this is known then.
    await this.#catchUp(session).catch(() => {})
    if (this.#session === session) await this.#settled(session)
    await this.#announced
    await answered
  }

  get #retry(): { firstMs: number; mostMs: number } {
    return { firstMs: this.#timeouts.retryFirst, mostMs: this.#timeouts.retryMost }
  }

  /** Sets up a fresh connection: its tip must be verified before anything else is asked. */
  async #attach(session: ElectrumSession): Promise<void> {
    if (this.tip === undefined) this.#setStatus('connecting')
    await this.#catchUp(session)
    if (!session.isOpen || this.#stopped) return
    this.#checkHeight()
    this.#session = session
    this.lastError = undefined
    this.lastErrorCode = undefined
    const waiting: WatchedScript[] = []
    for (const script of this.#scripts.values()) {
      if (script.canWait) waiting.push(script)
      else script.attach(session)
    }
    for (const script of waiting) script.attach(session)
    this.#announce()
    this.#askAgain(session)
  }

  /**
   * Asks for a server's tip as often as the server is pinged: it may lose the news of a block, and
   * nothing here shall wait for the next one.
   */
  #askAgain(session: ElectrumSession): void {
    this.#cancelAsking()
    this.#cancelAsking = this.#clock.after(this.#timeouts.ping, () => {
      if (session !== this.#session || !session.isOpen) return
      // A failure has closed the session.
      this.#catchUp(session).then(
        () => {
          this.#announce()
        },
        () => {}
      )
      this.#askAgain(session)
    })
  }

  /** Asks for the server's tip and follows it. A server whose headers are refused is dropped. */
  async #catchUp(session: WatchSession): Promise<void> {
    await this.#follow(session, await session.subscribeHeaders())
  }

  async #follow(session: WatchSession, tip: AnnouncedTip): Promise<void> {
    try {
      await this.#follower.follow(session, tip)
    } catch (error) {
      session.close(asError(error))
      throw error
    }
  }

  #headersChanged(from: number): void {
    for (const script of this.#scripts.values()) script.blocksReplaced(from)
    this.#announce()
  }

  /**
   * Refuses a chain that has not come as far as our anchor: it cannot be judged, and is of no use.
   *
   * @throws PaychanError `ERR_WRONG_CHAIN`
   */
  #checkHeight(): void {
    const { anchor, height } = this.#headers
    if (anchor !== undefined && height < anchor.height) {
      throw wrongChain(
        `ends at height ${height}, before block ${anchor.hash} at height ${anchor.height}, or it is still far behind`,
        { height, known: anchor.height }
      )
    }
  }

  /** Says once that our clock is far behind. */
  #checkClock(): void {
    const { params, height } = this.#headers
    const tip = this.#headers.headerAt(height)
    if (this.#isClockTold || tip === undefined) return
    const behind = clockBehind(params, tip, this.#clock.now() / 1_000)
    if (behind === undefined) return
    this.#isClockTold = true
    this.#report(behind)
  }

  /** Moves the anchor in large steps: one write in a hundred blocks. */
  #moveAnchor(): void {
    const height = this.#headers.height - ANCHOR_DEPTH
    const hash = height < 1 ? undefined : this.#headers.hashAt(height)
    if (
      hash === undefined ||
      height < (this.#headers.anchor?.height ?? 1 - ANCHOR_DEPTH) + ANCHOR_DEPTH
    ) {
      return
    }
    this.#headers.anchor = { height, hash }
    callSafely(this.#log, () => {
      this.#onAnchor({ height, hash }, this.#headers)
    })
  }

  /** Makes the verified tip known, after the histories that change with it (but not for ever). */
  #announce(): void {
    if (!this.#announcing) this.#announced = contained(() => this.#announceAll(), toLog(this.#log))
  }

  async #announceAll(): Promise<void> {
    this.#announcing = true
    try {
      for (let session = this.#session; session !== undefined; session = this.#session) {
        const tip = this.#headers.tip
        if (tip.hash === this.tip?.hash && this.status === 'synced') return
        const patience = this.#timeouts.settle - this.#waited
        if (patience > 0) {
          const begun = this.#clock.now()
          await within(this.#clock, patience, this.#settled(session), () => {})
          if (this.#session !== session) {
            // A server that hangs up over the histories must not keep the height from us.
            const least = this.#timeouts.settle / MOST_HANG_UPS
            this.#waited += Math.max(this.#clock.now() - begun, least)
            continue
          }
        }
        // Blocks may have come, and this one may be gone, while the histories were fetched.
        if (this.#headers.hashAt(tip.height) !== tip.hash) continue
        if (tip.hash !== this.tip?.hash) {
          this.tip = tip
          this.#checkClock()
          this.#moveAnchor()
          this.#tips.emit(tip)
          this.#sending.look()
        }
        this.#waited = 0
        this.#setStatus('synced')
      }
    } finally {
      this.#announcing = false
    }
  }

  async #settled(session: ElectrumSession): Promise<void> {
    // Whatever the server sent before it answers this has been received by then.
    await session.ping().catch(() => {})
    const working: Array<Promise<void>> = []
    for (const script of this.#scripts.values()) {
      const work = script.settled()
      if (work !== undefined) working.push(work)
    }
    await Promise.all(working)
  }

  #down(reason: Error, retryMs: number): void {
    this.#session = undefined
    for (const script of this.#scripts.values()) script.detach()
    const isNews = this.lastErrorCode !== codeOf(reason)
    this.lastError = reason.message
    this.lastErrorCode = codeOf(reason)
    this.#log(`${reason.message} Trying ${this.server} again in ${(retryMs / 1000).toFixed(1)} s.`)
    // Also of a server that was not there before, and breaks the protocol now: who compares servers
    // has to hear of it.
    if (this.status === 'down' && isNews) this.#statuses.emit('down')
    this.#setStatus('down')
  }

  #setStatus(status: ChainStatus): void {
    if (status === this.status) return
    this.status = status
    this.#statuses.emit(status)
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(messageOf(error))
}
