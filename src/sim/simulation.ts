/** A simulation, and one at work: a world of nodes, its events, and its observations. */
import type { EngineEvent } from '../engine/context.js'
import type { Tip } from '../engine/ports.js'
import { Calendar, Draws } from '../testing/calendar.js'
import { SimChain } from '../testing/chain.js'
import { keyMaker, type KeyMaker } from '../testing/keys.js'
import { fundingJudge } from '../testing/mempool.js'
import { SimNetwork } from '../testing/network.js'
import { ONE_HONEST, Phantoms, SharedFees } from '../testing/servers.js'
import { Watchers } from '../testing/view.js'
import type { ChannelId } from '../types/bytes.js'
import { blockHeight, type BlockHeight } from '../types/units.js'
import { badPeers, FreePeers } from './adversaries/bad-peers.js'
import type { Cheat } from './adversaries/cheat.js'
import { cheatOf } from './adversaries/make-cheat.js'
import { rateSource, START_HEIGHT } from './chain.js'
import { OpeningsDriver } from './drive/openings.js'
import { PaymentsDriver } from './drive/payments.js'
import { arrangeFaults, isMeant } from './faults.js'
import { Books } from './measure/books.js'

import { PaymentCounts, type PaymentOutcome } from './measure/payments.js'
import { Publications } from './measure/publications.js'

import { Samples } from './measure/samples.js'
import { coinsOf, type NodeInit, type NodeWorld, policyOf, SimNode } from './node.js'
import type { Plan } from './plan.js'
import type { Results } from './results.js'
import type { Adversary, Scenario } from './scenario/scenario.js'

/** Blocks before the beginning whose fees are known. */
const PAST = 12
/** Most nodes whose books are added up with every block; with more nodes, with every sample. */
const MOST_ADDED_UP = 100

export class Simulation {
  readonly calendar = new Calendar()
  readonly chain: SimChain
  readonly fees: SharedFees
  readonly books: Books
  readonly nodes: readonly SimNode[]
  readonly counts = new PaymentCounts()
  readonly publications: Publications
  readonly openings: OpeningsDriver
  readonly payments: PaymentsDriver
  readonly samples: Samples
  readonly begin = new Map<SimNode, number>()
  readonly cheats: Cheat[] = []
  readonly broken: Array<Results['broken'][number]> = []
  readonly thresholdAt: (height: number) => number
  /** Number of channels each opens, by name. */
  readonly #opens = new Map<string, number>()
  readonly #byName = new Map<string, SimNode>()
  readonly #network: SimNetwork
  readonly #watchers = new Watchers()
  readonly #phantoms = new Phantoms((script) => {
    for (const view of this.#watchers.of(script)) view.changed(script, view.seen)
  })
  #tip: Tip

  constructor(
    readonly scenario: Scenario,
    readonly plan: Plan,
    onOutcome: (outcome: PaymentOutcome) => void = () => {}
  ) {
    const { seed, chain, network, model } = scenario
    const rate = rateSource(chain.fees)
    const keys = keyMaker(seed, model)
    this.chain = new SimChain({
      start: START_HEIGHT,
      now: () => this.calendar.now,
      blockVsize: chain.blockVsize,
      relayRate: Number(chain.relay) / 1_000,
      rateAt: (height) => rate(Math.max(0, height - START_HEIGHT - 1)),
      judge: fundingJudge(keys.verify)
    })
    this.thresholdAt = (height) => this.chain.thresholdAt(height)
    this.#tip = this.chain.tip
    const past = Array.from({ length: PAST }, () => rate(0))
    this.fees = new SharedFees(past, chain.relay)
    this.books = new Books(this.chain)
    this.chain.keepBooks(this.books)
    this.#network = new SimNetwork({
      takes: { calendar: this.calendar, draws: new Draws(seed, 'network'), setup: network },
      sharesMessages: true
    })
    const world: NodeWorld = {
      calendar: this.calendar,
      chain: this.chain,
      fees: this.fees,
      network: this.#network,
      watchers: this.#watchers,
      phantoms: this.#phantoms,
      ownership: (node) => ({
        own: (_wallet, script, kind) => {
          this.books.own(node, script, kind)
        }
      }),
      onEvent: (node, event) => {
        this.#onEvent(node, event)
      },
      onGone: (node) => {
        this.payments.gone(node)
      },
      onForgotten: (node, text) => {
        this.break('restart', `${node.name}: ${text}`)
      }
    }
    for (const { client } of plan.openings) {
      this.#opens.set(client, (this.#opens.get(client) ?? 0) + 1)
    }
    this.nodes = plan.nodes.map((planned) => this.#node(planned, keys, world))
    this.publications = new Publications(this.chain, this.fees)
    const node = (name: string): SimNode => this.node(name)
    this.openings = new OpeningsDriver({
      plan,
      calendar: this.calendar,
      node,
      publications: this.publications
    })
    this.payments = new PaymentsDriver(plan, this.calendar, this.openings, this.counts, onOutcome)
    this.samples = new Samples({
      chain: this.chain,
      books: this.books,
      fees: this.fees,
      nodes: this.nodes,
      records: this.openings.records,
      payments: this.counts
    })
    this.chain.onChange(({ scripts, tip }) => {
      this.#onChange(scripts, tip, past)
    })
  }

  node(name: string): SimNode {
    const node = this.#byName.get(name)
    if (node === undefined) throw new Error(`the plan names no node ${name}`)
    return node
  }

  /** Starts all nodes, and puts the events on the calendar. */
  async start(): Promise<void> {
    const {
      scenario: { seed, chain, faults, sample },
      calendar
    } = this
    for (const node of this.nodes) await node.start()
    this.#nextBlock(new Draws(seed, 'blocks'))
    if (chain.reorgs !== undefined) this.#nextReorg(chain.reorgs, new Draws(seed, 'reorgs'))
    arrangeFaults(faults, this.nodes, {
      calendar,
      seed,
      start: (node) => {
        this.#restart(node)
      }
    })
    this.#sendStrangers()
    this.openings.begin()
    this.payments.begin()
    this.#sample(sample * 1_000)
  }

  break(rule: string, text: string): void {
    this.broken.push({ time: Math.round(this.calendar.now / 1_000), rule, text })
  }

  #node({ name, group }: Plan['nodes'][number], keys: KeyMaker, world: NodeWorld): SimNode {
    const { scenario } = this
    const setup = scenario.nodes.find((each) => each.name === group)
    if (setup === undefined) throw new Error(`the scenario has no group ${group}`)
    const meant = { name, group }
    const faults = scenario.faults.filter(({ who }) => isMeant(who, meant))
    const adversaries = scenario.adversaries.filter(({ who }) => isMeant(who, meant))
    const node: SimNode = new SimNode(
      {
        name,
        group,
        adversaries: adversaries.map(({ kind }) => kind),
        policy: policyOf(setup.policy),
        servers: scenario.servers.find(({ who }) => isMeant(who, meant)) ?? ONE_HONEST,
        seed: scenario.seed,
        skewMs: faults.reduce(
          (sum, fault) =>
            fault.kind === 'clock-skew'
              ? sum + 1_000 * new Draws(scenario.seed, `skew ${name}`).of(fault.seconds)
              : sum,
          0
        ),
        losesWrites: faults.reduce(
          (most, fault) => (fault.kind === 'crash' ? Math.max(most, fault.losesWrites) : most),
          0
        ),
        ...this.#badness(adversaries),
        signer: (owner) =>
          keys.signerFor(name, (script) => {
            this.books.own(owner, script, 'payout')
          })
      },
      world
    )
    this.#byName.set(name, node)
    this.#mint(node, Number(setup.coins), this.#opens.get(name) ?? 1)
    return node
  }

  /** The changes that an adversary makes. */
  #badness(adversaries: readonly Adversary[]): Pick<NodeInit, 'peers' | 'chainOf' | 'feesOf'> {
    if (adversaries.length === 0) return {}
    const cheats = adversaries.flatMap(
      (adversary) =>
        cheatOf(adversary, {
          chain: this.chain,
          fees: this.fees,
          calendar: this.calendar,
          phantoms: this.#phantoms
        }) ?? []
    )
    this.cheats.push(...cheats)
    return {
      peers: (peers) =>
        adversaries.reduce(
          (bad, adversary) =>
            badPeers(bad, adversary, {
              calendar: this.calendar,
              chain: this.chain,
              isAsking: () => cheats.some((cheat) => cheat.isAsking)
            }),
          peers
        ),
      chainOf: (chain, node) => cheats.reduce((bad, cheat) => cheat.chainOf(bad, node), chain),
      feesOf: (fees) => cheats.reduce((bad, cheat) => cheat.feesOf(bad), fees)
    }
  }

  #mint(node: SimNode, amount: number, channels: number): void {
    this.begin.set(node, amount)
    for (const value of coinsOf(amount, channels)) {
      this.chain.mint(Buffer.from(node.wallet.nextScript()).toString('hex'), value)
    }
  }

  #sendStrangers(): void {
    const {
      scenario: { seed, adversaries },
      calendar,
      chain,
      nodes
    } = this
    const targets = (): SimNode[] => nodes.filter(({ honest, isUp }) => honest && isUp)
    const strangers = new FreePeers({
      calendar,
      chain,
      network: this.#network,
      draws: new Draws(seed, 'strangers'),
      targets
    })
    for (const adversary of adversaries) {
      if (adversary.kind !== 'free-peers') continue
      for (const node of nodes) {
        if (isMeant(adversary.who, node)) strangers.begin(node, adversary.perHour)
      }
    }
  }

  #restart(node: SimNode): void {
    node.start().then(
      () => {
        this.openings.discoverAll(node)
      },
      (error: unknown) => {
        this.break('restart', `${node.name} does not start: ${String(error)}`)
      }
    )
  }

  #nextBlock(draws: Draws): void {
    this.calendar.after(1_000 * Math.max(1, draws.of(this.scenario.chain.interval)), () => {
      this.chain.mine()
      this.#nextBlock(draws)
    })
  }

  #nextReorg(reorgs: NonNullable<Scenario['chain']['reorgs']>, draws: Draws): void {
    this.calendar.after(1_000 * Math.max(1, draws.of(reorgs.every)), () => {
      this.chain.reorg(Math.max(1, Math.round(draws.of(reorgs.depth))))
      this.#nextReorg(reorgs, draws)
    })
  }

  #sample(ms: number): void {
    this.samples.take(this.calendar.now)
    this.#addUp()
    this.calendar.after(ms, () => {
      this.#sample(ms)
    })
  }

  #onChange(scripts: ReadonlySet<string>, isTip: boolean, past: readonly number[]): void {
    const before = this.#tip
    for (const script of scripts) {
      for (const view of this.#watchers.of(script)) view.changed(script, before)
    }
    if (!isTip) return
    this.#tip = this.chain.tip
    this.fees.update([...past, ...this.chain.newestThresholds(PAST)])
    // After a reorganisation heights repeat.
    if (this.chain.height <= before.height) for (const node of this.nodes) node.wakeAt = 0
    const height = blockHeight(this.chain.height)
    for (const node of this.nodes) if (node.wakeAt <= height && node.isUp) this.#wake(node, height)
    if (this.nodes.length <= MOST_ADDED_UP) this.#addUp()
  }

  #wake(node: SimNode, height: BlockHeight): void {
    const due = node.engine?.nextDue(height) ?? Infinity
    if (due <= height) node.view?.newTip()
    if (node.wallet.hasClaims) void node.wallet.sweep(this.fees.current.feeRate)
    node.wakeAt = node.wallet.hasClaims ? 0 : due
  }

  #addUp(): void {
    const fault = this.books.fault(this.nodes)
    if (fault !== undefined) this.break('conservation', fault)
  }

  /** True for a node that lost writes, and so may find unknown data. */
  #isForgetful(node: SimNode, channel: ChannelId | undefined): boolean {
    const record = channel === undefined ? undefined : this.openings.recordOf(channel)
    return (
      node.lostWrites > 0 ||
      (record !== undefined && record.client.lostWrites + record.server.lostWrites > 0)
    )
  }

  #onEvent(node: SimNode, event: EngineEvent): void {
    if (event.type === 'channel') this.openings.onEvent(node, event)
    if (event.type === 'alarm' && BUGS.has(event.code) && !this.#isForgetful(node, event.channel)) {
      this.break('alarm', `${node.name}: ${event.code} ${event.text}`)
    }
  }
}

/** Errors that no node may ever report, in any circumstances. */
const BUGS: ReadonlySet<string> = new Set([
  'ERR_INTERNAL',
  'ERR_STORE_CORRUPT',
  'ERR_FORGED_SPEND',
  'ERR_UNKNOWN_SPEND'
])
