/**
 * The `Chain` port over several Electrum servers. Each has its own chain here, which verifies all
 * that the server says (`chain.ts`); the pool compares these chains. The tip is that of the chain
 * with the most work, a history holds all that any of them has proved, a broadcast goes to all, and
 * fees are the median. So one honest server is enough, and none has to be the right one.
 */
import type {
  Chain,
  ChainStatus,
  ScriptWatch,
  RelayRates,
  Tip,
  Unsubscribe,
  Verdict,
  Weight
} from '../engine/ports.js'
import { toHex } from '../types/bytes.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import type { BlockDelta, FeeRate } from '../types/units.js'
import {
  createElectrumChain,
  type ElectrumChain,
  type ElectrumChainInit,
  type ServerReport,
  type ServerStatus
} from './chain.js'
import { Broadcasts } from './broadcasting.js'
import { LAST_GOOD_MS } from './estimate.js'
import { gather, lowerMedian, nextBlockOf } from './waiting.js'
import { callSafely, Listeners, type Log } from './listeners.js'
import type { Anchor, HeaderChain } from './headers.js'
import {
  type Member,
  type Omission,
  PooledScript,
  PoolServer,
  type Said,
  type ServerAddress,
  workOf
} from './pooled-script.js'
import type { Transaction } from '../bitcoin/transaction.js'
import { DEFAULT_POOL_TIMES, type PoolTimes, REGTEST_ROW } from './timeouts.js'
import type { ProvedWatcher } from './script-watch.js'

export interface PoolInit extends Omit<ElectrumChainInit, 'url' | 'tls'> {
  /** At least one; the first are preferred where several are as good. */
  readonly servers: readonly ServerAddress[]
  readonly times?: Partial<PoolTimes>
}

/** Errors of a server that make us drop it, beside those found by comparing. */
const FAULTS = new Set([
  'ERR_CHAIN_LIED',
  'ERR_CHAIN_BEHIND',
  'ERR_WRONG_NETWORK',
  'ERR_WRONG_CHAIN',
  'ERR_ELECTRUM_PROTOCOL',
  'ERR_TLS_FINGERPRINT'
])

/**
 * @throws PaychanError `ERR_INVALID_ELECTRUM_URL`
 * @example
 * const servers = [{ url: 'tls://a.example:50002' }, { url: 'tls://b.example:50002' }]
 * const chain = createServerPool({ servers, network: 'signet', clock, random })
 * await chain.start()
 */
export function createServerPool(init: PoolInit): ElectrumChain {
  const [first, ...others] = init.servers
  if (first !== undefined && others.length === 0) return createElectrumChain({ ...init, ...first })
  return new ServerPool(init)
}

/** Two blocks in a minute come in a day; a third one is rare enough to wait with. */
const TOLD_IN_A_ROW = 2

interface Settling {
  readonly cancel: Unsubscribe
  isOver: boolean
}

class ServerPool implements ElectrumChain {
  status: ChainStatus = 'connecting'
  tip: Tip | undefined
  readonly #init: PoolInit
  readonly #times: PoolTimes
  readonly #log: Log
  readonly #servers: readonly PoolServer[]
  readonly #scripts = new Map<string, PooledScript>()
  readonly #tips: Listeners<Tip>
  readonly #statuses: Listeners<ChainStatus>
  readonly #looks = new Map<PooledScript, Unsubscribe>()
  readonly #broadcasts: Broadcasts
  #best: PoolServer | undefined
  /**
   * A buried block of the best chain, as last told, and the headers up to it: no server is asked
   * for them again.
   */
  #anchor: Anchor | undefined
  #known: HeaderChain | undefined
  /** Set while a new tip waits for the other servers. */
  #settling: Settling | undefined
  /** The times at which the last two tips were told. */
  #toldAt: readonly number[] = []
  /** Time since which no server was there: like a start, until all that were there are back. */
  #awaySince: number | undefined
  #stopped = false

  constructor(init: PoolInit) {
    this.#init = init
    this.#times = {
      ...DEFAULT_POOL_TIMES,
      ...(init.network === 'regtest' ? { row: REGTEST_ROW } : {}),
      ...init.times
    }
    this.#log = init.log ?? (() => {})
    this.#tips = new Listeners(this.#log)
    this.#statuses = new Listeners(this.#log)
    this.#anchor = init.anchor
    this.#known = init.known
    this.#broadcasts = new Broadcasts(init.clock, this.#times.answers, (report) => {
      this.#tell(report)
    })
    this.#servers = init.servers.map((address) => new PoolServer(address, this.#connect(address)))
    for (const server of this.#servers) this.#listen(server)
  }

  get server(): string {
    return (this.#best ?? this.#servers[0])?.url ?? ''
  }

  get servers(): readonly ServerStatus[] {
    return this.#servers.flatMap(({ chain, fault }) =>
      chain.servers.map((status) =>
        fault === undefined
          ? status
          : { ...status, state: 'dropped' as const, problem: fault.message }
      )
    )
  }

  get watches(): ElectrumChain['watches'] {
    const each = this.#used.map(({ chain }) => chain.watches.known)
    return { known: Math.max(0, ...each), total: this.#scripts.size }
  }

  get lastError(): string | undefined {
    if (this.status === 'synced') return undefined
    const problems = this.servers.flatMap(({ url, problem }) =>
      problem === undefined ? [] : `${url}: ${problem}`
    )
    return problems.length === 0 ? undefined : problems.join(' ')
  }

  get lastErrorCode(): string | undefined {
    if (this.status === 'synced') return undefined
    return this.#servers
      .map(({ fault, chain }) => (fault === undefined ? chain.lastErrorCode : codeOf(fault)))
      .find((code) => code !== undefined)
  }

  get headers(): ElectrumChain['headers'] {
    return (this.#best ?? this.#servers[0] ?? unknownServer()).chain.headers
  }

  async start(): Promise<void> {
    await Promise.all(
      this.#servers.map(async ({ chain }) => {
        await chain.start()
      })
    )
  }

  async stop(): Promise<void> {
    this.#stopped = true
    for (const cancel of this.#looks.values()) cancel()
    for (const script of this.#scripts.values()) script.stop()
    this.#settling?.cancel()
    for (const { lag, retry } of this.#servers) {
      lag?.cancel()
      retry?.cancel()
    }
    await Promise.all(
      this.#servers.map(async ({ chain }) => {
        await chain.stop()
      })
    )
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
    const key = toHex(scriptPubKey)
    const known = this.#scripts.get(key)
    if (known !== undefined) return known.add(watcher)
    const script = new PooledScript(Uint8Array.from(scriptPubKey), {
      log: this.#log,
      best: (height) =>
        (this.#best ?? this.#used.find(({ blockAt }) => blockAt(height) !== undefined))?.blockAt(
          height
        ),
      onError: (member, error) => this.#watchFailed(member, error),
      onDifference: (which) => {
        this.#lookLater(which)
      },
      onOmission: (omission) => {
        this.#dropFor(omission)
      },
      later: (callback) => this.#init.clock.after(this.#times.retry, callback),
      onUnused: () => {
        this.#scripts.delete(key)
        this.#looks.get(script)?.()
        this.#looks.delete(script)
      }
    })
    this.#scripts.set(key, script)
    const watch = script.add(watcher)
    for (const server of this.#used) script.attach(server)
    return watch
  }

  async broadcast(transaction: Transaction, weight: Weight = 'money'): Promise<Verdict> {
    const used = this.#used
    return used.length === 0
      ? this.#throwNobody('broadcast the transaction')
      : await this.#broadcasts.send(used, transaction, weight)
  }

  async estimateFeeRate(target: BlockDelta): Promise<FeeRate> {
    const rates = await this.#ask(
      questionOf(target),
      async (chain) => await chain.estimateFeeRate(target),
      ({ said }) => saidOf(said, target)
    )
    return (
      (target === 1 ? nextBlockOf(rates) : lowerMedian(rates)) ??
      this.#throwNobody('estimate the fee')
    )
  }

  async relayRates(): Promise<RelayRates> {
    const rates = await this.#ask(
      'ask for the relay fee',
      async (chain) => await chain.relayRates()
    )
    const [minimum, incremental] = [
      lowerMedian(rates.map((rate) => rate.minimum)),
      lowerMedian(rates.map((rate) => rate.incremental))
    ]
    return minimum === undefined || incremental === undefined
      ? this.#throwNobody('ask for the relay fee')
      : { minimum, incremental }
  }

  get #used(): readonly PoolServer[] {
    return this.#servers.filter(({ isUsed }) => isUsed)
  }

  /**
   * Asks all servers. A server that is silent, or away for a moment, counts with its last answer:
   * else the fastest server would decide alone.
   *
   * @param instead - what it has said that will do in the place of an answer, the best first
   */
  async #ask<T>(
    what: string,
    ask: (chain: Chain) => Promise<T>,
    instead: (server: PoolServer) => ReadonlyArray<Said | undefined> = ({ said }) => [
      said.get(what)
    ]
  ): Promise<T[]> {
    const used = this.#used
    if (used.length === 0) this.#throwNobody(what)
    const synced = used.filter(({ chain }) => chain.status === 'synced')
    const heard = new Set<PoolServer>()
    const answers = await gather(
      this.#init.clock,
      this.#times.answers,
      (synced.length === 0 ? used : synced).map(async (server) => {
        const value = await ask(server.chain)
        heard.add(server)
        server.said.set(what, { value, at: this.#init.clock.now() })
        return value
      })
    )
    const isRecent = (last: Said | undefined): last is Said =>
      last !== undefined && this.#init.clock.now() - last.at < LAST_GOOD_MS
    const recent = used.flatMap((server) =>
      heard.has(server)
        ? []
        : instead(server)
            .filter(isRecent)
            .slice(0, 1)
            .map(({ value }) => value as T)
    )
    return [...answers, ...recent]
  }

  #throwNobody(what: string): never {
    throw this.#nobody(what)
  }

  #nobody(what: string): PaychanError {
    return new PaychanError(
      'ERR_CHAIN_UNAVAILABLE',
      `Could not ${what}: none of the Electrum servers can be used. ${this.lastError ?? ''}`.trim()
    )
  }

  #connect(address: ServerAddress): ElectrumChain {
    // Only the best chain's are told (`#moveAnchor`).
    return createElectrumChain({
      ...this.#init,
      ...address,
      known: this.#known,
      anchor: this.#anchor,
      onAnchor: () => {}
    })
  }

  #listen(server: PoolServer): void {
    const { chain } = server
    chain.onTip(() => {
      if (server.chain !== chain) return
      this.#compare()
      // What it has proved, or left out, may count by now.
      for (const script of [...this.#scripts.values()]) if (script.isOpen) script.update()
    })
    chain.onStatus((status) => {
      if (server.chain !== chain || this.#stopped) return
      if (status === 'down' && FAULTS.has(chain.lastErrorCode ?? '')) {
        this.#drop(server, PaychanError.of(chain.lastErrorCode ?? '', chain.lastError ?? ''))
      }
      this.#compare()
    })
  }

  /**
   * The chain with the most work; of equals the one already followed, so that they do not take
   * turns.
   */
  #compare(): void {
    if (this.#stopped) return
    this.#noteWhoIsThere()
    const candidates = this.#used.filter(({ chain }) => chain.tip !== undefined)
    const best =
      candidates.reduce<PoolServer | undefined>(
        (a, b) =>
          a === undefined ||
          workOf(b) > workOf(a) ||
          (workOf(b) === workOf(a) && a !== this.#best && b === this.#best)
            ? b
            : a,
        undefined
      ) ?? this.#best
    if (best?.chain.tip !== undefined && !this.#isSettling(best, best.chain.tip)) {
      this.#follow(best, best.chain.tip)
    }
    for (const server of this.#servers) this.#watchLag(server)
    this.#setRetries()
    this.#setStatus()
  }

  #noteWhoIsThere(): void {
    const now = this.#init.clock.now()
    const there = this.#used.filter(({ chain }) => chain.status === 'synced')
    for (const server of there) server.thereAt = now
    if (there.length === 0 && this.tip !== undefined) this.#awaySince ??= now
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
    return this.#init.clock.now() - at < this.#times.row
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
  #isSettling(best: PoolServer, { hash }: Tip): boolean {
    // Nobody is there, and there is nothing new: the wait begins with the first who is back.
    if (
      this.#awaySince !== undefined &&
      hash === this.tip?.hash &&
      !this.#used.some(({ chain }) => chain.status === 'synced')
    ) {
      return true
    }
    const isFirst = this.tip === undefined || this.#awaySince !== undefined
    const isRow =
      this.#toldAt.length === TOLD_IN_A_ROW && this.#toldAt.every((at) => this.#isInRow(at))
    const isAwaited = isFirst
      ? this.#used.some((server) => server.chain.status === 'connecting' || this.#isMissed(server))
      : hash !== this.tip?.hash &&
        this.#used.some(
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
      cancel: this.#init.clock.after(ms, () => {
        settling.isOver = true
        this.#compare()
      })
    }
    return settling
  }

  #follow(best: PoolServer, tip: Tip): void {
    const before = this.tip
    const isExtension = before !== undefined && best.blockAt(before.height) === before.hash
    this.#settling = undefined
    this.#awaySince = undefined
    this.#best = best
    // Before the tip is told: what came with its block may have been proved by others earlier.
    for (const script of [...this.#scripts.values()]) {
      if (!isExtension || script.isOpen) script.update()
    }
    if (before?.hash === tip.hash) return
    this.tip = tip
    this.#toldAt = [...this.#toldAt, this.#init.clock.now()].slice(-TOLD_IN_A_ROW)
    this.#moveAnchor(best)
    this.#tips.emit(tip)
  }

  /** Keeps the anchor of the best server. Each server's chain finds a new one now and then. */
  #moveAnchor({ chain: { headers } }: PoolServer): void {
    const { anchor } = headers
    if (anchor === undefined || anchor.height <= (this.#anchor?.height ?? 0)) return
    this.#anchor = anchor
    this.#known = headers.upTo(anchor.height)
    callSafely(this.#log, () => {
      this.#init.onAnchor?.(anchor, headers)
    })
  }

  /**
   * Gives a server time to come to where the best one was when it fell behind: so a server that is
   * always a block late is not dropped.
   */
  #watchLag(server: PoolServer): void {
    const best = this.#best
    const isBehind =
      server.isUsed &&
      server.chain.status === 'synced' &&
      best !== undefined &&
      workOf(server) < workOf(best)
    if (!isBehind || workOf(server) >= (server.lag?.work ?? 0n)) {
      server.lag?.cancel()
      server.lag = undefined
    }
    if (!isBehind) return
    server.lag ??= {
      work: workOf(best),
      cancel: this.#init.clock.after(this.#times.lag, () => {
        server.lag = undefined
        this.#dropForLag(server)
        this.#compare()
      })
    }
  }

  #dropForLag(server: PoolServer): void {
    const [{ tip: theirs }, { tip: best }] = [server.chain, this]
    if (theirs === undefined || best === undefined) return
    const isOnBranch = this.#best?.blockAt(theirs.height) !== theirs.hash
    const what = isOnBranch
      ? `follows a chain with less work than the one that ${this.server} has shown`
      : `is stuck at height ${theirs.height}, while ${this.server} has shown block ${best.height}`
    this.#drop(
      server,
      new PaychanError(
        'ERR_CHAIN_BEHIND',
        `The Electrum server ${server.url} ${what}, for more than ${this.#times.lag / 1000} s.`,
        { height: theirs.height, known: best.height }
      )
    )
  }

  /** While another server can be asked, the matter stays between this server and us. */
  #watchFailed(member: Member, error: Error): boolean {
    this.#log(`${member.url}: ${error.message}`)
    const server = this.#servers.find((each) => each === member)
    const othersLeft = this.#used.some((each) => each !== server && each.chain.status !== 'down')
    if (othersLeft && server !== undefined && FAULTS.has(codeOf(error))) this.#drop(server, error)
    return !othersLeft
  }

  #lookLater(script: PooledScript): void {
    if (this.#stopped || this.#looks.has(script)) return
    this.#looks.set(
      script,
      this.#init.clock.after(this.#times.omission, () => {
        this.#looks.delete(script)
        script.askAgain()
      })
    )
  }

  #dropFor({ member, hidden, shownBy }: Omission): void {
    const {
      transaction: { txid },
      height
    } = hidden
    const server = this.#servers.find((each) => each === member)
    if (server === undefined) return
    this.#drop(
      server,
      new PaychanError(
        'ERR_CHAIN_LIED',
        `The Electrum server ${server.url} leaves out transaction ${txid}, which ${shownBy.url} has proved to be in block ${height ?? 0}.`,
        { txid, height, shownBy: shownBy.url }
      )
    )
    this.#compare()
  }

  /** Drops a server, but not for ever: it may be repaired later. */
  #drop(server: PoolServer, fault: Error): void {
    if (this.#stopped || !server.isUsed) return
    server.fault = fault
    server.lag?.cancel()
    server.lag = undefined
    void server.chain.stop()
    server.droppedAt = this.#init.clock.now()
    const isAlone = !this.#isAnyUp
    this.#report(
      server,
      fault,
      isAlone
        ? `No other Electrum server is up. It is tried again in ${this.#times.retryAlone / 1000} s.`
        : `The others go on. It is tried again in ${this.#times.retry / 1000} s, or as soon as none of them is up.`
    )
    this.#setRetries()
    for (const script of [...this.#scripts.values()]) script.update()
  }

  /** True when a server is up, or on the way: one that hangs is down before long. */
  get #isAnyUp(): boolean {
    return this.#used.some(({ chain }) => chain.status !== 'down')
  }

  /**
   * Sets the times at which dropped servers are tried again. They depend on how the others are now,
   * not on how they were at the drop.
   */
  #setRetries(): void {
    const wait = this.#isAnyUp ? this.#times.retry : this.#times.retryAlone
    for (const server of this.#servers) {
      if (server.isUsed || server.retry?.at === server.droppedAt + wait) continue
      server.retry?.cancel()
      const at = server.droppedAt + wait
      server.retry = {
        at,
        cancel: this.#init.clock.after(Math.max(0, at - this.#init.clock.now()), () => {
          this.#tryAgain(server)
        })
      }
    }
  }

  #tryAgain(server: PoolServer): void {
    server.retry = undefined
    server.chain = this.#connect(server.address)
    server.fault = undefined
    this.#listen(server)
    for (const script of this.#scripts.values()) script.attach(server)
    void server.chain.start()
  }

  #report(server: PoolServer, fault: Error, next: string): void {
    const text = `${messageOf(fault)} ${server.url} is not used any more. ${next}`
    this.#tell({ code: codeOf(fault), text, server: server.url })
  }

  #tell(report: ServerReport): void {
    this.#log(report.text)
    this.#init.onReport?.(report)
  }

  #setStatus(): void {
    const statuses = this.#used.map(({ chain }) => chain.status)
    // Before the first tip nothing is known of which servers may tell more.
    const status =
      statuses.includes('synced') && this.tip !== undefined && this.#awaySince === undefined
        ? 'synced'
        : statuses.includes('synced') || statuses.includes('connecting')
          ? 'connecting'
          : 'down'
    if (status === this.status) return
    this.status = status
    this.#statuses.emit(status)
  }
}

function questionOf(target: number): string {
  return `estimate the fee for ${target} blocks`
}

/**
 * A server's answers for so many blocks, and for fewer, which are no cheaper: a wallet asks once in
 * a month for the fee of a sweep.
 */
function saidOf(said: PoolServer['said'], target: number): ReadonlyArray<Said | undefined> {
  return Array.from({ length: target }, (_, sooner) => said.get(questionOf(target - sooner)))
}

function unknownServer(): never {
  throw new PaychanError('ERR_CONFIG_INVALID', 'There is no Electrum server.')
}
