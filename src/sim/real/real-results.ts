/** The results of a run with real nodes, in the shape of those of virtual time. */
import { parseTransaction, type Transaction } from '../../bitcoin/transaction.js'
import type { Devnet } from '../../devnet/index.js'
import { toHex } from '../../types/bytes.js'
import { codeOf } from '../../types/errors.js'
import { START_HEIGHT } from '../chain.js'
import type { NodePayments } from '../drive/payments.js'
import { capitalTotals, channelResult } from '../measure/channels.js'
import { isForOff, PaymentCounts, type PaymentOutcome, rounded } from '../measure/payments.js'
import { groupsOf, headingOf } from '../simulate.js'
import { Curves } from '../measure/samples.js'
import type { Plan } from '../plan.js'
import type { PlannedPayment } from '../plan/traffic.js'
import type { ChainTotals, ChannelResult, NodeResult, Results } from '../results.js'
import type { Scenario } from '../scenario/scenario.js'
import type { Places, RealChannel } from './places.js'
import type { RealNode } from './real-node.js'
import type { RealWorld } from './real-world.js'

/* The nodes' transactions in the blocks of a devnet, and their fees. */

interface MinedTransaction {
  readonly txid: string
  readonly fee: number
}

interface ReadBlock {
  readonly header: string
  readonly transactions: readonly MinedTransaction[]
}

class RealChain {
  readonly #blocks: ReadBlock[] = []
  readonly #from: number
  readonly #devnet: Devnet

  constructor(devnet: Devnet, from: number) {
    this.#devnet = devnet
    this.#from = from
  }

  get transactions(): readonly MinedTransaction[] {
    return this.#blocks.flatMap(({ transactions }) => transactions)
  }

  get fees(): number {
    return this.transactions.reduce((sum, { fee }) => sum + fee, 0)
  }

  /** Reads up to the tip. Blocks hold only a coinbase and the nodes' transactions. */
  async read(): Promise<void> {
    await this.#dropTakenBack()
    while (this.#height < this.#devnet.height) {
      const height = this.#height + 1
      const [, ...txids] = (await this.#devnet.backend.blockTxids(height)) ?? []
      this.#blocks.push({
        header: await this.#header(height),
        transactions: await Promise.all(
          txids.map(async (txid) => ({
            txid,
            fee: await this.#feeOf(await this.#transaction(txid))
          }))
        )
      })
    }
  }

  get #height(): number {
    return this.#from + this.#blocks.length
  }

  async #dropTakenBack(): Promise<void> {
    for (
      let last = this.#blocks.at(-1);
      last !== undefined && last.header !== (await this.#header(this.#height));
      last = this.#blocks.at(-1)
    ) {
      this.#blocks.pop()
    }
  }

  async #header(height: number): Promise<string> {
    return toHex((await this.#devnet.backend.header(height)) ?? new Uint8Array(0))
  }

  async #feeOf(transaction: Transaction): Promise<number> {
    let fee = -Number(transaction.paidTo())
    for (const { outPoint } of transaction.inputs) {
      const parent = await this.#transaction(outPoint.txid)
      fee += Number(parent.outputs[outPoint.vout]?.value ?? 0)
    }
    return fee
  }

  async #transaction(txid: string): Promise<Transaction> {
    const found = await this.#devnet.transaction(txid)
    if (found === undefined) throw new Error(`the devnet has no transaction ${txid}`)
    return parseTransaction(found.raw)
  }
}

/** Starts at the present tip. */
function chainOf(devnet: Devnet): RealChain {
  return new RealChain(devnet, devnet.height)
}

interface RealRunParts {
  readonly scenario: Scenario
  readonly plan: Plan
  readonly world: RealWorld
  readonly places: Places
  readonly payments: RealPayments
  readonly samples: RealSamples
  readonly complete: boolean
  /** Seconds of virtual time. */
  readonly simulated: number
}

/** Errors that no node may ever report. */
const BUGS: ReadonlySet<string> = new Set([
  'ERR_INTERNAL',
  'ERR_STORE_CORRUPT',
  'ERR_STORE_FAILED',
  'ERR_FORGED_SPEND',
  'ERR_UNKNOWN_SPEND',
  'ERR_WALLET',
  'ERR_PEERS'
])

export async function realResults(parts: RealRunParts): Promise<Results> {
  const {
    scenario,
    plan,
    world,
    places,
    payments: { counts },
    samples,
    complete,
    simulated
  } = parts
  await samples.chain.read()
  const broken = world.alarms
    .filter(({ code }) => BUGS.has(code))
    .map(({ node, code, text }) => ({
      time: Math.round(simulated),
      rule: 'alarm',
      text: `${node}: ${code} ${text}`
    }))
  const nodes = await Promise.all(world.nodes.map(async (node) => await nodeResult(node, parts)))
  const fault = await booksFault(nodes, parts)
  if (fault !== undefined) broken.push({ time: Math.round(simulated), rule: 'books', text: fault })
  const channels = places.channels.map((channel) =>
    channelResult(channel, {
      end: endOf(channel),
      turns: channel.turns,
      fundedAt: channel.fundedAt,
      spentAt: channel.spentAt
    })
  )
  return {
    format: 'paychan-simulation',
    version: 1,
    scenario: { ...headingOf(scenario, plan), model: false },
    complete,
    simulated: rounded(simulated),
    events: counts.asked + world.devnet.height - START_HEIGHT,
    payments: counts.totals(simulated),
    chain: chainTotals(parts, await sweepsOf(world)),
    capital: capitalTotals(samples.curves.capital, channels),
    groups: groupsOf(
      scenario.nodes.map(({ name }) => name),
      nodes
    ),
    nodes,
    channels,
    losses: [],
    attacks: [],
    risk: [],
    races: [],
    series: samples.curves.series,
    broken
  }
}

/** A node's balance is its own report; fees are the change that payments do not explain. */
async function nodeResult(node: RealNode, { places, payments }: RealRunParts): Promise<NodeResult> {
  const volume = (isPayer: boolean): number =>
    places.channels.reduce(
      (sum, { client, server, forth, back }) =>
        sum +
        ((isPayer ? client : server) === node ? forth.volume : 0) +
        ((isPayer ? server : client) === node ? back.volume : 0),
      0
    )
  const { name, group, begin } = node
  const [sent, received] = [volume(true), volume(false)]
  const end = Number((await node.api.wallet.balance()).total)
  return {
    name,
    group,
    honest: true,
    begin,
    end,
    sent,
    received,
    fees: begin + received - sent - end,
    lost: 0,
    gained: 0,
    payments: payments.byNode.get(name) ?? { asked: 0, made: 0 },
    crashes: node.crashes
  }
}

async function sweepsOf({ nodes }: RealWorld): Promise<Set<string>> {
  const all = await Promise.all(nodes.map(async ({ api }) => await api.wallet.transactions()))
  return new Set(
    all
      .flat()
      .filter(({ kind }) => kind === 'sweep')
      .map(({ txid }) => txid)
  )
}

/** All nodes see the same only while nothing waits in the mempool. */
async function booksFault(
  nodes: readonly NodeResult[],
  { world, payments, samples }: RealRunParts
): Promise<string | undefined> {
  if ((await world.devnet.backend.mempool()).length > 0 || payments.counts.unknown > 0) {
    return undefined
  }
  const fees = nodes.reduce((sum, node) => sum + node.fees, 0)
  const negative = nodes.find((node) => node.fees < 0)
  if (negative !== undefined) {
    return `${negative.name} has ${-negative.fees} sat more than its payments explain`
  }
  return fees === samples.chain.fees
    ? undefined
    : `the nodes have ${fees} sat less than their payments explain, and paid ${samples.chain.fees} sat of fees`
}

function chainTotals(
  { world, places, payments, samples: { chain } }: RealRunParts,
  sweeps: ReadonlySet<string>
): ChainTotals {
  const transactions: Record<keyof ChainTotals['transactions'], number> = {
    funding: 0,
    close: 0,
    settlement: 0,
    refund: 0,
    sweep: 0,
    other: 0
  }
  const kinds = new Map<string, keyof ChainTotals['transactions']>()
  for (const { info } of places.channels) {
    if (info?.spend !== undefined) {
      kinds.set(info.spend.txid, info.spend.kind === 'unknown' ? 'other' : info.spend.kind)
    }
  }
  // A transaction that funds a channel counts as its funding also when it closes another one.
  for (const { info } of places.channels) {
    if (info?.funding !== undefined) kinds.set(info.funding.txid, 'funding')
  }
  for (const { txid } of chain.transactions) {
    transactions[kinds.get(txid) ?? (sweeps.has(txid) ? 'sweep' : 'other')] += 1
  }
  return {
    blocks: world.devnet.height - START_HEIGHT,
    reorgs: world.reorgs,
    transactions,
    fees: chain.fees,
    feesPerPayment: rounded(chain.fees / Math.max(1, payments.counts.made))
  }
}

function endOf({ id, info, fundedAt, spentAt }: RealChannel): ChannelResult['end'] {
  if (id === undefined) return 'abandoned'
  if (fundedAt === null) return 'unfunded'
  if (spentAt === null || info?.spend === undefined) return 'open'
  if (info.renewedAs !== undefined) return 'renewal'
  return info.spend.kind === 'refund' || info.spend.kind === 'close'
    ? info.spend.kind
    : 'settlement'
}

/** The curves of a run with real nodes. */
export class RealSamples {
  readonly curves: Curves
  /** The nodes' fees on the chain so far. */
  readonly chain: RealChain
  readonly #world: RealWorld
  readonly #places: Places

  constructor(world: RealWorld, places: Places, counts: PaymentCounts) {
    this.#world = world
    this.#places = places
    this.curves = new Curves(counts)
    this.chain = chainOf(world.devnet)
  }

  async take(time: number): Promise<void> {
    const { devnet, up } = this.#world
    const { curves } = this
    await this.chain.read()
    const open = this.#places.channels.filter(({ isOpen }) => isOpen)
    const rate =
      (await devnet.backend.estimateFeeRate(1)) ?? (await devnet.backend.feeRates()).minimum
    const infos = (await Promise.all(up.map(async ({ api }) => await api.channels.list()))).flat()
    curves.add({
      time,
      height: devnet.height,
      feeRate: Number(rate) / 1_000,
      locked: open.reduce((sum, { capacity }) => sum + capacity, 0),
      openChannels: open.length,
      nodesUp: up.length,
      fees: this.chain.fees,
      risks: infos.flatMap(({ risk }) => (risk === undefined ? [] : [risk]))
    })
    for (const channel of open) {
      // A client that is down counts with its last report.
      const shown =
        infos.find(({ id, role }) => id === channel.id && role === 'client') ?? channel.info
      curves.addIdle(channel, time - channel.lastPaidAt)
      curves.addBalance(channel, Number(shown?.ourBalance ?? 0n))
    }
  }
}

/* Asks real nodes for payments as the plan says, and notes the answers to callers. */

export class RealPayments {
  readonly counts = new PaymentCounts()
  /** The payments of each node, by name. */
  readonly byNode = new Map<string, NodePayments>()
  readonly #places: Places
  readonly #tell: (outcome: PaymentOutcome) => void

  constructor(places: Places, tell: (outcome: PaymentOutcome) => void) {
    this.#places = places
    this.#tell = tell
  }

  /** Asks in the order of the place; other places do not wait. */
  ask(payment: PlannedPayment): void {
    const id = this.counts.planned++
    this.#places.do(payment.opening, async (channel) => {
      await this.#pay(id, payment, channel)
    })
  }

  async #pay(
    id: number,
    { time, direction, amount }: PlannedPayment,
    channel: RealChannel | undefined
  ): Promise<void> {
    if (channel === undefined) {
      this.#failed({ id, code: 'ERR_NO_CHANNEL', seconds: 0 })
      return
    }
    const { client, server, number } = channel
    const [payer, payee] = direction === 'forth' ? [client, server] : [server, client]
    if (!payer.isUp) {
      this.#off({ id, channel: number })
      return
    }
    const tally = this.byNode.get(payer.name) ?? { asked: 0, made: 0 }
    this.byNode.set(payer.name, tally)
    tally.asked += 1
    const wasUp = payee.isUp
    const refused = (code: string, seconds: number): void => {
      const what = { id, channel: number, code, seconds }
      if (isForOff(code, wasUp && payee.isUp)) {
        tally.asked -= 1
        this.#off(what)
      } else this.#failed(what)
    }
    if (channel.id === undefined) {
      refused(channel.failure ?? 'ERR_CHANNEL_NOT_OPEN', 0)
      return
    }
    const begin = performance.now()
    const flow = channel[direction]
    try {
      await payer.api.pay({ to: channel.id, amount })
      const seconds = (performance.now() - begin) / 1_000
      flow.made += 1
      flow.volume += Number(amount)
      channel.lastPaidAt = time
      tally.made += 1
      this.counts.succeeded(Number(amount), seconds)
      this.#tell({ id, status: 'made', seconds, channel: number })
    } catch (error) {
      if (codeOf(error) !== 'ERR_PAYMENT_UNKNOWN') {
        refused(codeOf(error), (performance.now() - begin) / 1_000)
        return
      }
      flow.unknown += Number(amount)
      this.counts.unknown += 1
      this.#tell({ id, status: 'unknown', channel: number })
    }
  }

  /** Notes that payer or payee is switched off. */
  #off(what: Omit<PaymentOutcome, 'status'>): void {
    this.counts.off += 1
    this.#tell({ ...what, status: 'off' })
  }

  #failed(what: Omit<PaymentOutcome, 'status'> & { readonly code: string }): void {
    this.counts.refused(what.code)
    this.#tell({ ...what, status: 'failed' })
  }
}
