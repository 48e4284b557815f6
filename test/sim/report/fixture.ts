/**
 * Results as a simulation could have found them, made up from a seed: for tests of the report, and
 * for looking at it.
 */
import type {
  Attack,
  ChannelResult,
  Loss,
  NodeResult,
  Results,
  RiskBucket,
  Series,
  Summary,
  Sweep
} from '../../../src/sim/results.js'

/** Mulberry32: any generator would do, as long as it is the same everywhere. */
export function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let bits = Math.imul(state ^ (state >>> 15), 1 | state)
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits
    return ((bits ^ (bits >>> 14)) >>> 0) / 4294967296
  }
}

export interface Size {
  readonly nodes: number
  readonly channels: number
  readonly days: number
  readonly samples: number
  readonly hostile: boolean
}

export const SMALL: Size = { nodes: 60, channels: 120, days: 30, samples: 360, hostile: true }
export const LARGE: Size = { nodes: 1000, channels: 3000, days: 30, samples: 360, hostile: true }
const HEIGHT = 800_000

function summary(values: readonly number[]): Summary {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (part: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0
  return {
    count: values.length,
    mean: values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length),
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    max: at(1)
  }
}

function groupOf(
  at: number,
  { nodes, hostile }: Size
): { readonly group: string; readonly honest: boolean } {
  if (hostile && at % 15 === 14) return { group: 'cheaters', honest: false }
  return { group: at < Math.max(1, nodes / 5) ? 'merchants' : 'customers', honest: true }
}

function makeChannel(
  number: number,
  size: Size,
  random: () => number,
  fees: readonly number[]
): ChannelResult {
  const merchants = Math.max(1, Math.floor(size.nodes / 5))
  // The square makes some merchants large, as they are.
  const server = Math.floor(random() ** 2 * merchants)
  const client =
    number < size.nodes - merchants ? merchants + number : Math.floor(random() * size.nodes)
  const capacity = Math.round(10_000 * 10 ** (2 * random()))
  const firstSample = random() < 0.6 ? 0 : Math.floor((random() * size.samples) / 2)
  const length =
    random() < 0.7
      ? size.samples - firstSample
      : Math.max(1, Math.floor(random() * (size.samples - firstSample)))
  const heightOf = (sample: number): number =>
    HEIGHT + Math.floor((sample * size.days * 144) / size.samples)
  let balance = capacity
  const payments = { forth: 0, back: 0 }
  const volume = { forth: 0, back: 0 }
  const balances: number[] = []
  const towards = 0.05 + 0.8 * random()
  for (let at = 0; at < length; at++) {
    if (random() < 0.35 && (fees[firstSample + at] ?? 0) < 300) {
      const amount = Math.round(
        (random() - 0.5) * capacity * 0.08 + (balance - towards * capacity) * 0.05
      )
      const next = Math.max(0, Math.min(capacity, balance - amount))
      const side = next < balance ? 'forth' : 'back'
      if (next !== balance) {
        payments[side]++
        volume[side] += Math.abs(next - balance)
      }
      balance = next
    }
    balances.push(balance)
  }
  const open = firstSample + length === size.samples
  const end = open
    ? 'open'
    : ((['close', 'close', 'close', 'settlement', 'refund', 'renewal'] as const)[
        Math.floor(random() * 6)
      ] ?? 'close')
  return {
    number,
    client: `node-${(client === server ? client + 1 : client) % size.nodes}`,
    server: `node-${server}`,
    capacity,
    step: random() < 0.4 ? 0 : 144,
    fundedAt: heightOf(firstSample),
    spentAt: open ? null : heightOf(firstSample + length),
    end,
    turns: volume.back > 0 ? Math.ceil(payments.back / 4) : 0,
    payments,
    volume,
    firstSample,
    balances
  }
}

function makeSeries(
  size: Size,
  random: () => number,
  channels: readonly ChannelResult[],
  fees: readonly number[]
): Series {
  const times = fees.map((_, at) => Math.round((at * size.days * 86_400) / size.samples))
  const per = size.channels / 2
  const made = times.map((_, at) =>
    at === 0
      ? 0
      : Math.round(
          per * (0.6 + 0.4 * Math.sin(((at / 12) * 2 * Math.PI * size.days) / 30) + 0.3 * random())
        )
  )
  const failed = made.map((value, at) =>
    Math.round(value * ((fees[at] ?? 0) > 100 ? 0.06 : 0.006) * random())
  )
  const openAt = (at: number): ChannelResult[] =>
    channels.filter(
      ({ firstSample, balances }) => firstSample <= at && at < firstSample + balances.length
    )
  let total = 0
  return {
    times,
    heights: times.map((time) => HEIGHT + Math.floor(time / 600)),
    nextSatPerVByte: [...fees],
    made,
    failed,
    volume: made.map((value) => Math.round(value * (300 + 200 * random()))),
    locked: times.map((_, at) => openAt(at).reduce((sum, { capacity }) => sum + capacity, 0)),
    openChannels: times.map((_, at) => openAt(at).length),
    nodesUp: times.map(() => size.nodes - Math.floor((random() * 1.05 * size.nodes) / 30)),
    fees: fees.map((fee) => (total += Math.round(((fee * 180 * size.channels) / 900) * random()))),
    riskMax: fees.map((fee) => Math.min(0.9, 1e-5 * fee ** 1.7)),
    riskMean: fees.map((fee) => Math.min(0.5, 1e-6 * fee ** 1.6))
  }
}

const RISK: readonly RiskBucket[] = [
  { from: 0, to: 0.001, predicted: 0.0004, publications: 812, tooLate: 0 },
  { from: 0.001, to: 0.01, predicted: 0.005, publications: 420, tooLate: 3 },
  { from: 0.01, to: 0.05, predicted: 0.024, publications: 173, tooLate: 4 },
  { from: 0.05, to: 0.2, predicted: 0.11, publications: 64, tooLate: 9 },
  { from: 0.2, to: 1, predicted: 0.41, publications: 22, tooLate: 8 }
]

const LOSSES: readonly Loss[] = [
  {
    node: 'node-7',
    honest: true,
    channel: 17,
    height: HEIGHT + 1_730,
    amount: 1_207,
    why: 'economics',
    text: 'the newest state was worth 1,207 sat more than the older one, and its fee was 1,900 sat'
  },
  {
    node: 'node-31',
    honest: true,
    channel: 44,
    height: HEIGHT + 2_101,
    amount: 14_250,
    why: 'absence',
    text: 'it was down for 201 blocks, from 57 blocks before its deadline on'
  },
  {
    node: 'node-14',
    honest: false,
    channel: 9,
    height: HEIGHT + 900,
    amount: 310,
    why: 'dishonest',
    text: 'an adversary plays it, one that publishes old states; here it published an old state: it could have had 310 sat by a block, and did not'
  }
]

function makeAttacks(size: Size, random: () => number): Attack[] {
  return Array.from({ length: size.hostile ? 24 : 0 }, (_, at) => {
    const succeeded = at % 11 === 5
    return {
      node: `node-${14 + 15 * (at % 4)}`,
      kind: at % 3 === 0 ? 'refuse-turns' : 'publish-old',
      channel: at * 3,
      height: HEIGHT + 100 + at * 150,
      profit: succeeded ? Math.round(900 * random()) : -Math.round(2_000 * random()),
      succeeded
    }
  })
}

function makeNodes(
  size: Size,
  random: () => number,
  channels: readonly ChannelResult[],
  losses: readonly Loss[]
): NodeResult[] {
  const of = new Map<string, { sent: number; received: number; made: number }>()
  const account = (name: string): { sent: number; received: number; made: number } => {
    const found = of.get(name) ?? { sent: 0, received: 0, made: 0 }
    of.set(name, found)
    return found
  }
  for (const { client, server, volume, payments } of channels) {
    const [c, s] = [account(client), account(server)]
    c.sent += volume.forth
    c.received += volume.back
    c.made += payments.forth
    s.sent += volume.back
    s.received += volume.forth
    s.made += payments.back
  }
  return Array.from({ length: size.nodes }, (_, at) => {
    const name = `node-${at}`
    const { sent, received, made } = account(name)
    const begin = 1_000_000
    const fees = Math.round(random() * 6_000)
    const lost = losses
      .filter((loss) => loss.node === name)
      .reduce((sum, loss) => sum + loss.amount, 0)
    return {
      name,
      ...groupOf(at, size),
      begin,
      end: begin + received - sent - fees - lost,
      sent,
      received,
      fees,
      lost,
      gained: 0,
      payments: { asked: made + Math.floor(random() * 3), made },
      crashes: random() < 0.1 ? 1 : 0
    }
  })
}

/** The same for the same seed. */
export function makeResults(size: Size, seed = 1): Results {
  const random = randomFrom(seed)
  // Quiet, then a bad week.
  const fees = Array.from({ length: size.samples }, (_, at) => {
    const day = (at * size.days) / size.samples
    const bad = Math.exp(-(((day - 0.6 * size.days) / (0.08 * size.days)) ** 2))
    return Math.round(10 * (2 + 3 * random() + 400 * bad * (0.7 + 0.3 * random()))) / 10
  })
  const channels = Array.from({ length: size.channels }, (_, number) =>
    makeChannel(number, size, random, fees)
  )
  const losses = size.hostile ? LOSSES : []
  const nodes = makeNodes(size, random, channels, losses)
  const series = makeSeries(size, random, channels, fees)
  const made = series.made.reduce((sum, value) => sum + value, 0)
  const failures = series.failed.reduce((sum, value) => sum + value, 0)
  const volume = series.volume.reduce((sum, value) => sum + value, 0)
  const chainFees = series.fees.at(-1) ?? 0
  const latencies = Array.from({ length: 999 }, () => 0.05 - 0.12 * Math.log(1 - random() * 0.999))
  const groups = [...new Set(nodes.map(({ group }) => group))].map((name) => {
    const of = nodes.filter(({ group }) => group === name)
    const total = (value: (node: NodeResult) => number): number =>
      of.reduce((sum, node) => sum + value(node), 0)
    return {
      name,
      honest: of.every(({ honest }) => honest),
      nodes: of.length,
      made: total((node) => node.payments.made),
      asked: total((node) => node.payments.asked),
      fees: total((node) => node.fees),
      lost: total((node) => node.lost),
      gained: total((node) => node.gained)
    }
  })
  return {
    format: 'paychan-simulation',
    version: 1,
    scenario: {
      name: size.hostile ? 'hostile' : 'hub',
      description:
        'Customers pay merchants through a month with a week of full blocks, and some of them cheat when it is dear to stop them.',
      seed,
      days: size.days,
      nodes: size.nodes,
      channels: size.channels,
      model: false
    },
    complete: true,
    simulated: size.days * 86_400,
    events: made * 14,
    payments: {
      asked: made + failures + 3,
      off: 0,
      made,
      unknown: 3,
      volume,
      failed:
        failures === 0
          ? {}
          : {
              ERR_NO_ROUTE: Math.ceil(failures * 0.5),
              ERR_PEER_UNREACHABLE: Math.floor(failures * 0.3),
              ERR_TURN_REFUSED: failures - Math.ceil(failures * 0.5) - Math.floor(failures * 0.3)
            },
      latency: { ...summary(latencies), count: made },
      throughput: made / (size.days * 86_400)
    },
    chain: {
      blocks: size.days * 144,
      reorgs: 2,
      fees: chainFees,
      feesPerPayment: chainFees / made,
      transactions: {
        funding: channels.length,
        close: channels.filter(({ end }) => end === 'close').length,
        settlement: channels.filter(({ end }) => end === 'settlement').length,
        refund: 4,
        sweep: 21,
        other: 1
      }
    },
    capital: {
      locked: series.locked.reduce((sum, value) => sum + value, 0) / size.samples,
      idle: 0.31,
      lifetime: summary(
        channels.flatMap(({ fundedAt, spentAt }) =>
          fundedAt === null || spentAt === null ? [] : [spentAt - fundedAt]
        )
      ),
      turns: channels.reduce((sum, { turns }) => sum + turns, 0)
    },
    groups,
    nodes,
    channels,
    losses,
    attacks: makeAttacks(size, random),
    risk: RISK,
    races: [],
    series,
    broken: []
  }
}

/** A sweep over step and stake in which wider steps and smaller stakes help. */
export function makeSweep(seed = 1): Sweep {
  const random = randomFrom(seed)
  const steps = [1, 2, 3, 6, 12, 18, 36, 72, 144]
  const stakes = [1_000, 10_000, 100_000, 1_000_000]
  return {
    format: 'paychan-sweep',
    version: 1,
    scenario: 'bad-week',
    seeds: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    axes: [
      { name: 'step', values: steps },
      { name: 'stake', values: stakes }
    ],
    points: steps.flatMap((step) =>
      stakes.map((stake) => {
        const publications = 600
        const chance = Math.min(0.95, 0.9 * Math.exp(-step / (3 + 3 * Math.log10(stake / 1_000))))
        const tooLate = Array.from({ length: publications }, () =>
          random() < chance ? 1 : 0
        ).reduce<number>((sum, one) => sum + one, 0)
        return {
          values: { step, stake },
          runs: 10,
          publications,
          tooLate,
          lossProbability: tooLate / publications,
          foretold: chance,
          lost: Math.round(tooLate * stake * 0.6),
          staked: publications * stake,
          successRate: 0.97 + 0.02 * random() - 0.2 / step / 3,
          feesPerPayment: 4 + (30 / step) * random()
        }
      })
    )
  }
}
