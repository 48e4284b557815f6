/** A node of a simulation: the real engine between simulated ports, across its restarts. */
import { nextSequence, signedBalance } from '../channel/ledger.js'
import type { Channel } from '../channel/state.js'
import { type Policy, defaultPolicy } from '../channel/policy.js'
import { Engine } from '../engine/engine.js'
import type { EngineEvent } from '../engine/context.js'
import type { FeeView } from '../engine/fee-estimates.js'
import type { Chain, Peers, Signer } from '../engine/ports.js'
import { toHex } from '../types/bytes.js'
import { STORE_FAILED } from '../types/errors.js'
import { feeRate, blockDelta } from '../types/units.js'
import { type Phantoms, Servers, type ServerSetup, type SharedFees } from '../testing/servers.js'
import type { SimChain } from '../testing/chain.js'
import type { Adversary } from './scenario/scenario.js'
import { type Calendar, Draws, Life, never, SimClock } from '../testing/calendar.js'
import { SimDisk } from '../testing/disk.js'
import type { SimNetwork } from '../testing/network.js'
import { SimView, type Watchers } from '../testing/view.js'
import { SimWallet, type Ownership } from '../testing/wallet.js'

/** The parts that the nodes of a simulation share. */
export interface NodeWorld {
  readonly calendar: Calendar
  readonly chain: SimChain
  readonly fees: SharedFees
  readonly network: SimNetwork
  readonly watchers: Watchers
  readonly phantoms: Phantoms
  readonly ownership: (node: SimNode) => Ownership
  readonly onEvent: (node: SimNode, event: EngineEvent) => void
  /** Called when its process is gone: its waiting callers get no answer. */
  readonly onGone: (node: SimNode) => void
  /** Called when a restart finds other data than the written. */
  readonly onForgotten: (node: SimNode, text: string) => void
}

export interface NodeInit {
  readonly name: string
  readonly group: string
  /** The adversaries that play it; none for an honest node. */
  readonly adversaries: ReadonlyArray<Adversary['kind']>
  readonly policy: Policy
  readonly servers: ServerSetup
  readonly seed: number
  readonly skewMs: number
  /** Number of commits that a crash may lose. */
  readonly losesWrites: number
  readonly signer: (node: SimNode) => Signer
  /** Wraps the engine's port to its peers, or to its chain, with an adversary's changes. */
  readonly peers?: (peers: Peers, node: SimNode) => Peers
  readonly chainOf?: (chain: Chain, node: SimNode) => Chain
  /** The same for the rates that it goes by. */
  readonly feesOf?: (fees: FeeView) => FeeView
}

/** Heights between which a node saw nothing, or was not there. */
export interface Absence {
  readonly kind: 'down' | 'blind'
  readonly from: number
  to: number
}

/** Milliseconds that an SSD's fsync takes. */
const COMMIT_MS = 2
/** The longest delay of news of a block or a transaction. */
const MOST_NEWS_DELAY_MS = 3_000

export class SimNode {
  readonly name: string
  readonly group: string
  readonly adversaries: ReadonlyArray<Adversary['kind']>
  readonly wallet: SimWallet
  readonly disk: SimDisk
  readonly signer: Signer
  /** The servers that it asks about the chain, and about fees. */
  readonly servers: Servers
  readonly absences: Absence[] = []
  /** Crashes across its restarts. */
  crashes = 0
  /** Number of commits that its disk has lost although it had called them safe. */
  lostWrites = 0
  /** The first height at which a block may concern it, unless something happens to it before. */
  wakeAt = 0
  engine: Engine | undefined
  view: SimView | undefined
  readonly #random: Draws
  readonly #newsDelayMs: number
  #life: Life | undefined
  /** The channels of a process that stopped in order. */
  #stopped: readonly Channel[] | undefined
  readonly #init: NodeInit
  readonly #world: NodeWorld

  constructor(init: NodeInit, world: NodeWorld) {
    this.#init = init
    this.#world = world
    this.name = init.name
    this.group = init.group
    this.adversaries = init.adversaries
    this.servers = new Servers(init.servers, world.chain, world.fees, world.phantoms)
    this.disk = new SimDisk({
      takes: { calendar: world.calendar, ms: COMMIT_MS },
      remembers: init.losesWrites
    })
    this.#random = new Draws(init.seed, `node ${init.name}`)
    this.#newsDelayMs = 50 + this.#random.unit() * MOST_NEWS_DELAY_MS
    this.signer = init.signer(this)
    this.wallet = new SimWallet(
      `${init.seed} ${init.name}`,
      world.chain,
      world.ownership(this),
      async (transaction) => {
        const { view } = this
        return view === undefined || !this.isUp ? await never() : await view.broadcast(transaction)
      }
    )
    world.network.join(init.name, {
      group: init.group,
      // A bug: the event that caused it fails, and so does the run.
      onError: (error) => {
        world.calendar.after(0, () => {
          throw error
        })
      }
    })
  }

  get honest(): boolean {
    return this.adversaries.length === 0
  }

  get isUp(): boolean {
    return this.#life?.alive === true
  }

  /** Starts a new process on the data of its disk. */
  async start(): Promise<void> {
    if (this.isUp) return
    const { calendar, chain, network, watchers } = this.#world
    const { servers } = this
    this.#present('down')
    const life = new Life()
    this.#life = life
    this.wakeAt = 0
    this.view = new SimView(
      { chain, servers, watchers, repeatsTips: true, takes: { calendar, ms: this.#newsDelayMs } },
      life
    )
    const peers = network.peersFor(this.name, life)
    this.engine = new Engine({
      network: 'regtest',
      policy: this.#init.policy,
      store: this.disk.storeFor(life),
      chain: this.#init.chainOf?.(this.view, this) ?? this.view,
      peers: this.#init.peers?.(peers, this) ?? peers,
      wallet: this.wallet,
      signer: this.signer,
      clock: new SimClock(calendar, life, this.#init.skewMs),
      random: this.#random,
      initialFeeRate: feeRate(servers.current.feeRate),
      fees: this.#init.feesOf?.(servers) ?? servers,
      watchesRisk: false,
      isListening: () => false,
      onChange: () => {
        this.wakeAt = 0
      },
      onEvent: (event) => {
        if (!life.alive) return
        this.#world.onEvent(this, event)
        if (event.type === 'alarm' && event.code === STORE_FAILED) {
          calendar.after(0, () => {
            this.crash()
          })
        }
      }
    })
    await this.engine.start()
    this.#compare(this.engine)
  }

  /** Checks that a process finds the data of the one before it, which stopped in order. */
  #compare(engine: Engine): void {
    const before = this.#stopped
    this.#stopped = undefined
    for (const state of before ?? []) {
      // Of most failed openings no channel is kept (OPEN-11, OPEN-13).
      if (state.stage === 'abandoned' && (state.role === 'server' || !state.outPoint)) continue
      const now = engine.find(state.id)
      if (textOf(now) !== textOf(state)) {
        this.#world.onForgotten(
          this,
          `of channel ${state.id} ${textOf(state)} was written, and ${textOf(now)} was read`
        )
      }
    }
  }

  /** Kills the process. */
  crash(lostCommits = 0): void {
    if (!this.isUp) return
    this.crashes += 1
    this.#gone()
    if (lostCommits > 0) this.lostWrites += this.disk.lose(lostCommits)
  }

  /** Stops the process in order. */
  async stop(): Promise<void> {
    const life = this.#life
    if (life?.alive !== true) return
    await this.engine?.stop()
    if (life.isOver()) return
    this.#stopped = this.engine?.states()
    this.#gone()
  }

  /** Its servers of the chain are gone, or lie, until `see`. */
  blind(hiding: 'down' | 'mempool' | 'all'): void {
    if (this.absences.at(-1)?.to !== Infinity) {
      this.absences.push({ kind: 'blind', from: this.#world.chain.height, to: Infinity })
    }
    if (hiding === 'down') this.view?.setStatus('down')
    else this.view?.hide(hiding)
  }

  see(): void {
    this.#present('blind')
    this.view?.hide('nothing')
    this.view?.setStatus('synced')
  }

  #gone(): void {
    this.#present('blind')
    this.absences.push({ kind: 'down', from: this.#world.chain.height, to: Infinity })
    this.#life?.end()
    this.#world.onGone(this)
  }

  #present(kind: Absence['kind']): void {
    const last = this.absences.at(-1)
    if (last?.kind === kind && last.to === Infinity) last.to = this.#world.chain.height
  }
}

/**
 * The parts of a channel that a restart must not change: money, turns, signed closes. Streams may
 * change; so may the acknowledgements of signed payments (they may be written later, and are asked
 * for again), and a publication, which begins at once when it is due.
 */
function textOf(channel: Channel | undefined): string {
  if (channel?.stage !== 'established') return channel?.stage ?? 'nothing'
  const { terms, outPoint, ledger, ended, closes } = channel
  return JSON.stringify(
    [
      signedBalance(ledger, terms),
      nextSequence(ledger),
      ledger.turn,
      ended,
      closes,
      outPoint,
      terms
    ],
    (_, value: unknown) => {
      if (typeof value === 'bigint') return value.toString()
      if (value instanceof Uint8Array) return toHex(value)
      // Records keep the fields of an object in another order.
      return typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
        : value
    }
  )
}

/** The terms of a simulated node for its channels. */

/**
 * More than are open at once in any scenario: hundreds of clients that begin together are no
 * strangers.
 */
const NO_BOUND = 1_000_000

/**
 * The defaults of a node on mainnet; a scenario may use narrower steps than any node would take
 * there.
 */
export function policyOf(changes: Partial<Policy>): Policy {
  return {
    ...defaultPolicy('mainnet'),
    minStep: blockDelta(1),
    maxPendingInAll: NO_BOUND,
    maxUnfundedInAll: NO_BOUND,
    ...changes
  }
}

/** Most coins of a node at the beginning, one for each channel that it opens. */
const MOST_COINS = 64

/**
 * Splits a wallet's initial amount into about equal coins, so that channels can be funded at the
 * same time.
 *
 * @example coinsOf(100, 3) // [34, 33, 33]
 */
export function coinsOf(amount: number, channels: number): number[] {
  if (amount === 0) return []
  const count = Math.min(MOST_COINS, Math.max(1, channels))
  const each = Math.floor(amount / count)
  return Array.from({ length: count }, (_, n) => (n === 0 ? amount - each * (count - 1) : each))
}
