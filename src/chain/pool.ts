/**
 * The `Chain` port over several Electrum servers. Each has its own chain here, which verifies all
 * that the server says (`chain.ts`); the pool compares these chains. The tip is that of the chain
 * with the most work, a history holds all that any of them has proved, a broadcast goes to all, and
 * fees are the median. So one honest server is enough, and none has to be the right one.
 */
import {
  type ChainStatus,
  inBackground,
  type ScriptWatch,
  type RelayRates,
  type Tip,
  type Unsubscribe,
  type Verdict,
  type Weight
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
import { callSafely, Listeners, type Log, type PoolTimes, poolTimes, toLog } from './waiting.js'
import type { Anchor, HeaderChain } from './headers.js'
import {
  type Member,
  type Omission,
  PooledScript,
  PoolServer,
  type ServerAddress,
  workOf
} from './pooled-script.js'
import type { Transaction } from '../bitcoin/transaction.js'
import type { ProvedWatcher } from './script-watch.js'
import { PooledFees } from './fees.js'
import { TipSettling } from './tip-settling.js'

interface PoolInit extends Omit<ElectrumChainInit, 'url' | 'tls'> {
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
  readonly #fees: PooledFees
  #best: PoolServer | undefined
  /**
   * A buried block of the best chain, as last told, and the headers up to it: no server is asked
   * for them again.
   */
  #anchor: Anchor | undefined
  #known: HeaderChain | undefined
  readonly #settling: TipSettling
  #stopped = false

  constructor(init: PoolInit) {
    this.#init = init
    this.#times = poolTimes(init.network, init.times)
    this.#log = init.log ?? (() => {})
    this.#tips = new Listeners(this.#log)
    this.#statuses = new Listeners(this.#log)
    this.#anchor = init.anchor
    this.#known = init.known
    this.#settling = new TipSettling(init.clock, this.#times, () => {
      this.#compare()
    })
    this.#fees = new PooledFees(init.clock, this.#times.answers, {
      used: () => this.#used,
      throwNobody: (what) => this.#throwNobody(what)
    })
    this.#broadcasts = new Broadcasts(
      init.clock,
      this.#times.answers,
      (report) => {
        this.#tell(report)
      },
      toLog(this.#log)
    )
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
    this.#settling.stop()
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

  estimateFeeRate(target: BlockDelta): Promise<FeeRate> {
    return this.#fees.estimate(target)
  }

  relayRates(): Promise<RelayRates> {
    return this.#fees.relayRates()
  }

  async caughtUp(): Promise<void> {
    await Promise.all(
      this.#used.map(async ({ chain }) => {
        await chain.caughtUp()
      })
    )
  }

  get #used(): readonly PoolServer[] {
    return this.#servers.filter(({ isUsed }) => isUsed)
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
      this.#compare()
      // What it has proved, or left out, may count by now.
      for (const script of [...this.#scripts.values()]) if (script.isOpen) script.update()
    })
    chain.onStatus((status) => {
      if (server.chain !== chain) return
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
    this.#settling.noteWhoIsThere(this.#used, this.tip)
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
    if (
      best?.chain.tip !== undefined &&
      !this.#settling.isAwaited(best, best.chain.tip, this.#used, this.tip)
    ) {
      this.#follow(best, best.chain.tip)
    }
    for (const server of this.#servers) this.#watchLag(server)
    this.#setRetries()
    this.#setStatus()
  }

  #follow(best: PoolServer, tip: Tip): void {
    const before = this.tip
    const isExtension = before !== undefined && best.blockAt(before.height) === before.hash
    this.#settling.end()
    this.#best = best
    // Before the tip is told: what came with its block may have been proved by others earlier.
    for (const script of [...this.#scripts.values()]) {
      if (!isExtension || script.isOpen) script.update()
    }
    if (before?.hash === tip.hash) return
    this.tip = tip
    this.#settling.told()
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
        this.#dropForLag(server)
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
  }

  /** Drops a server, but not for ever: it may be repaired later. */
  #drop(server: PoolServer, fault: Error): void {
    if (!server.isUsed) return
    server.fault = fault
    this.#inBackground(() => server.chain.stop())
    server.droppedAt = this.#init.clock.now()
    const isAlone = !this.#isAnyUp
    this.#report(
      server,
      fault,
      isAlone
        ? `No other Electrum server is up. It is tried again in ${this.#times.retryAlone / 1000} s.`
        : `The others go on. It is tried again in ${this.#times.retry / 1000} s, or as soon as none of them is up.`
    )
    for (const script of [...this.#scripts.values()]) script.update()
    // Nothing waits for it any more.
    this.#compare()
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
    this.#inBackground(() => server.chain.start())
  }

  #inBackground(work: () => Promise<void>): void {
    inBackground(work, toLog(this.#log))
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
      statuses.includes('synced') && this.tip !== undefined && !this.#settling.isAway
        ? 'synced'
        : statuses.includes('synced') || statuses.includes('connecting')
          ? 'connecting'
          : 'down'
    if (status === this.status) return
    this.status = status
    this.#statuses.emit(status)
  }
}

function unknownServer(): never {
  throw new PaychanError('ERR_CONFIG_INVALID', 'There is no Electrum server.')
}
