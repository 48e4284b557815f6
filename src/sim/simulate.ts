/** Runs a scenario from its beginning to its end, and puts the results together. */
import type { SimChain } from '../testing/chain.js'
import type { AttackRecord } from './adversaries/cheat.js'
import { START_HEIGHT } from './chain.js'
import { Accounts } from './measure/accounts.js'
import type { TransactionKind } from './measure/books.js'
import { capitalTotals, type ChannelRecord } from './measure/channels.js'
import { checkAtEnd, checkNow } from './measure/invariants.js'
import { type PaymentOutcome, rounded } from './measure/payments.js'
import { bucketsOf } from './measure/publications.js'
import type { Plan } from './plan.js'
import type { Attack, ChainTotals, NodeResult, Results } from './results.js'
import type { Scenario } from './scenario/scenario.js'
import { Simulation } from './simulation.js'

const REPORTS = 200

/** The results so far; `complete` when the simulation reached its end. */
function resultsOf(simulation: Simulation, complete: boolean): Results {
  const {
    scenario,
    plan,
    chain,
    books,
    calendar,
    counts,
    openings,
    payments,
    publications,
    samples,
    begin,
    nodes,
    broken
  } = simulation
  payments.end()
  checkAtEnd(simulation)
  const attacks = simulation.cheats.flatMap((cheat) => [...cheat.attacks.values()])
  const accounts = new Accounts({
    chain,
    books,
    nodes,
    records: openings.records,
    publications,
    begin,
    payments: (node) => payments.byNode.get(node) ?? { asked: 0, made: 0 },
    publishedOld: (record, node) =>
      attacks.some(
        (attack) => attack.node === node && attack.channel === record.id && attack.txids.size > 0
      ),
    thresholdAt: simulation.thresholdAt,
    start: START_HEIGHT,
    broken: (rule, text) => {
      simulation.break(rule, text)
    }
  })
  const nodeResults = accounts.nodes()
  const seconds = calendar.now / 1_000
  const spentAt = new Map(
    openings.records.map((record, n) => [record, accounts.channels[n]?.spentAt ?? undefined])
  )
  const races = publications.results((record) => spentAt.get(record))
  return {
    format: 'paychan-simulation',
    version: 1,
    scenario: headingOf(scenario, plan),
    complete,
    simulated: rounded(seconds),
    events: calendar.events,
    payments: counts.totals(seconds),
    chain: chainTotals(simulation),
    capital: capitalTotals(samples.curves.capital, accounts.channels),
    groups: groupsOf(
      scenario.nodes.map(({ name }) => name),
      nodeResults
    ),
    nodes: nodeResults,
    channels: accounts.channels,
    losses: accounts.losses,
    attacks: attacksOf(attacks, chain, (id) => openings.recordOf(id)),
    risk: bucketsOf(races),
    races,
    series: samples.curves.series,
    broken
  }
}

/** The heading that names the scenario. */
export function headingOf(
  { name, description, seed, duration, model }: Scenario,
  { nodes, openings }: Plan
): Results['scenario'] {
  return {
    name,
    description,
    seed,
    days: rounded(duration / 86_400),
    nodes: nodes.length,
    channels: openings.length,
    model
  }
}

export function groupsOf(
  names: readonly string[],
  nodes: readonly NodeResult[]
): Results['groups'] {
  return names.map((name) => {
    const members = nodes.filter(({ group }) => group === name)
    const sum = (of: (node: NodeResult) => number): number =>
      members.reduce((all, node) => all + of(node), 0)
    return {
      name,
      honest: members.every(({ honest }) => honest),
      nodes: members.length,
      made: sum(({ payments }) => payments.made),
      asked: sum(({ payments }) => payments.asked),
      fees: sum(({ fees }) => fees),
      lost: sum(({ lost }) => lost),
      gained: sum(({ gained }) => gained)
    }
  })
}

function chainTotals({ chain, books, counts, openings }: Simulation): ChainTotals {
  const transactions: Record<TransactionKind, number> = {
    funding: 0,
    close: 0,
    settlement: 0,
    refund: 0,
    sweep: 0,
    other: 0
  }
  const spends = new Map<string, TransactionKind>()
  for (const record of openings.records) {
    const spend = record.outPoint === undefined ? undefined : chain.spenderOf(record.outPoint)
    const state = record.newest()
    if (spend === undefined || state === undefined) continue
    const isClose = [record.stateOf(record.client), record.stateOf(record.server)].some((side) =>
      side?.closes.some(({ txid }) => txid === spend.txid)
    )
    spends.set(
      spend.txid,
      isClose ? 'close' : spend.lockTime === state.terms.refundHeight ? 'refund' : 'settlement'
    )
  }
  for (const transaction of books.confirmed) {
    const isFunding = transaction.outputs.some(({ script }) => books.isFunding(script))
    const sweeps = transaction.version === 2
    transactions[
      isFunding ? 'funding' : (spends.get(transaction.txid) ?? (sweeps ? 'sweep' : 'other'))
    ] += 1
  }
  return {
    blocks: chain.height - START_HEIGHT,
    reorgs: chain.reorgs,
    transactions,
    fees: books.fees,
    feesPerPayment: rounded(books.fees / Math.max(1, counts.made))
  }
}

/** The gains of attacks. */
function attacksOf(
  attacks: readonly AttackRecord[],
  chain: SimChain,
  recordOf: (id: AttackRecord['channel']) => ChannelRecord | undefined
): Attack[] {
  return attacks.flatMap((attack) => {
    const record = recordOf(attack.channel)
    if (record?.outPoint === undefined) return []
    const spend = chain.spenderOf(record.outPoint)
    const succeeded = spend?.height !== undefined && attack.txids.has(spend.txid)
    return [
      {
        node: attack.node.name,
        kind: attack.kind,
        channel: record.number,
        height: attack.height,
        profit: succeeded ? attack.gain - spend.fee : 0,
        succeeded
      }
    ]
  })
}

/*
 * Runs a scenario in virtual time: the same scenario, plan and seed give the same results, byte for
 * byte.
 */

/** The progress of a simulation. Only the last two fields depend on the wall clock. */
export interface Progress {
  /** Seconds of virtual time so far, and in all. */
  readonly time: number
  readonly duration: number
  readonly events: number
  readonly payments: number
  readonly height: number
  /** Measured since the report before. */
  readonly eventsPerSecond: number
  /** Seconds; undefined without a basis for an estimate. */
  readonly left: number | undefined
}

export interface SimulateOptions {
  /** Called some hundred times, at equal intervals of virtual time. */
  readonly onProgress?: (progress: Progress) => void
  /** Ends the run early: the result is the state at that time, with `complete: false`. */
  readonly signal?: AbortSignal
  /**
   * Receives each payment once its outcome is known, in the order of that; at the latest at the
   * end, as unknown.
   */
  readonly onOutcome?: (outcome: PaymentOutcome) => void
  /** Checks the invariants of any moment after each event: for small worlds. */
  readonly checked?: boolean
}

/**
 * @example
 * const onProgress = ({ time, duration }) => console.log(time / duration)
 * const results = await simulate(scenario, plan, { onProgress })
 */
export async function simulate(
  scenario: Scenario,
  plan: Plan,
  { onProgress, signal, onOutcome, checked }: SimulateOptions = {}
): Promise<Results> {
  const simulation = new Simulation(scenario, plan, onOutcome)
  if (checked === true) {
    simulation.calendar.afterEach = () => {
      if (simulation.broken.length === 0) checkNow(simulation)
    }
  }
  await simulation.start()
  const { calendar, counts, chain } = simulation
  const end = scenario.duration * 1_000
  const began = performance.now()
  let last = { wall: began, events: 0 }
  const isStopped = (): boolean => signal?.aborted === true
  for (let n = 1; n <= REPORTS && !isStopped(); n++) {
    await calendar.run((end * n) / REPORTS, isStopped)
    if (onProgress === undefined) continue
    const wall = performance.now()
    const done = calendar.now / end
    onProgress({
      time: calendar.now / 1_000,
      duration: scenario.duration,
      events: calendar.events,
      payments: counts.made,
      height: chain.height,
      eventsPerSecond: Math.round(
        (calendar.events - last.events) / Math.max(0.001, (wall - last.wall) / 1_000)
      ),
      left: done > 0 ? (((wall - began) / 1_000) * (1 - done)) / done : undefined
    })
    last = { wall, events: calendar.events }
  }
  return resultsOf(simulation, !isStopped())
}
