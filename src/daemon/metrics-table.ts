/**
 * What `/metrics` shows: the one table of the names, from which the figures are read, registered
 * and documented (`docs/metrics.md`). Names end with their unit, as Prometheus wants it. Labels
 * have few values: no peer, no channel, no transaction is one.
 */
import type { ChannelStatus, Outline } from '../channel/summary.js'
import { isUnwatched } from '../channel/unwatched.js'
import type { Balance, NodeInfo, ServerStatus, WalletTransaction } from '../node/api.js'

/** The number of payments since the start, by direction and outcome. */
export interface PaymentCount {
  readonly direction: 'sent' | 'received'
  readonly outcome: 'acknowledged' | 'unknown' | 'refused'
  readonly count: number
  readonly amount: bigint
}

/**
 * The sources of a page of figures: the node as it is now, and what was counted since its start.
 */
export interface Seen {
  readonly info: Pick<NodeInfo, 'version' | 'network' | 'chain'>
  readonly balance: Balance
  readonly channels: readonly Outline[]
  readonly transactions: readonly WalletTransaction[]
  readonly payments: readonly PaymentCount[]
  /** Alarms by code. */
  readonly alarms: ReadonlyMap<string, number>
  /** The stakes of the channels whose risk was high when it was last told. */
  readonly highRisks: readonly bigint[]
  /** Seconds since the tip changed; undefined before the first. */
  readonly tipAge: number | undefined
}

/** One sample: its value, and the values of its labels, in their order. */
export type Sample = readonly [value: number | bigint, ...labels: string[]]

export type MetricUnit = 'satoshis' | 'seconds' | 'blocks' | undefined

interface Described {
  readonly unit: MetricUnit
  readonly help: string
}

/** A metric that is read when the page is asked for. */
export interface ReadMetric extends Described {
  readonly type: 'counter' | 'gauge'
  readonly labels: readonly string[]
  readonly read: (seen: Seen) => readonly Sample[]
}

/** Times of what happens, counted as it happens. */
export interface Timing extends Described {
  readonly type: 'histogram'
  readonly labels: readonly []
  /** Upper bounds, in seconds. */
  readonly buckets: readonly number[]
}

export type Metric = ReadMetric | Timing

const STATUSES: Readonly<Record<ChannelStatus, true>> = {
  opening: true,
  confirming: true,
  open: true,
  offline: true,
  closing: true,
  settling: true,
  refunding: true,
  stopped: true,
  closed: true,
  abandoned: true
}

const SERVER_STATES: Readonly<Record<ServerStatus['state'], true>> = {
  used: true,
  connecting: true,
  down: true,
  dropped: true
}

/** Counts the members of `all` by each of the values that there are, those that none has too. */
function countedBy<T, K extends string>(
  all: readonly T[],
  values: Readonly<Record<K, true>>,
  of: (each: T) => K
): Sample[] {
  return (Object.keys(values) as K[]).map((value) => [
    all.filter((each) => of(each) === value).length,
    value
  ])
}

function sum(values: readonly bigint[]): bigint {
  return values.reduce((total, value) => total + value, 0n)
}

/** Blocks from the tip to the nearest of some heights; no sample while there is none. */
function blocksUntil(
  { info: { chain } }: Seen,
  heights: ReadonlyArray<number | undefined>
): Sample[] {
  const known = heights.filter((height) => height !== undefined)
  if (chain.height === undefined || known.length === 0) return []
  return [[Math.min(...known) - chain.height]]
}

function ifKnown(value: number | undefined): Sample[] {
  return value === undefined ? [] : [[value]]
}

/** The coins that channels hold: closed and abandoned ones hold none. */
function held({ channels }: Seen): readonly Outline[] {
  return channels.filter(({ status }) => status !== 'closed' && status !== 'abandoned')
}

export const METRICS = {
  paychan_info: {
    type: 'gauge',
    unit: undefined,
    labels: ['version', 'network'],
    help: 'Always 1: the release of the node, and its network.',
    read: ({ info: { version, network } }) => [[1, version, network]]
  },

  paychan_payments_total: {
    type: 'counter',
    unit: undefined,
    labels: ['direction', 'outcome'],
    help: 'Payments since the start. Received and acknowledged ones are on the disk of the payee; a call to pay that failed is refused, or unknown when the payment was signed and may still be acknowledged, which counts again then.',
    read: ({ payments }) =>
      payments.map(({ direction, outcome, count }) => [count, direction, outcome])
  },
  paychan_payments_satoshis_total: {
    type: 'counter',
    unit: 'satoshis',
    labels: ['direction', 'outcome'],
    help: 'What these payments come to.',
    read: ({ payments }) =>
      payments.map(({ direction, outcome, amount }) => [amount, direction, outcome])
  },
  paychan_payment_acknowledgement_seconds: {
    type: 'histogram',
    unit: 'seconds',
    labels: [],
    help: 'Time from the moment that a channel takes a payment of ours until the payee has acknowledged it.',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
  },
  paychan_commit_seconds: {
    type: 'histogram',
    unit: 'seconds',
    labels: [],
    help: 'Time that a commit takes until it would survive a loss of power, its wait for the write before it included.',
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
  },

  paychan_channels: {
    type: 'gauge',
    unit: undefined,
    labels: ['status'],
    help: 'Channels by status, those that are closed too.',
    read: ({ channels }) => countedBy(channels, STATUSES, ({ status }) => status)
  },
  paychan_channels_unwatched: {
    type: 'gauge',
    unit: undefined,
    labels: [],
    help: 'Channels on which no Electrum server reports now: they take and make no payments.',
    read: ({ channels }) => [[channels.filter(isUnwatched).length]]
  },
  paychan_channel_balance_satoshis: {
    type: 'gauge',
    unit: 'satoshis',
    labels: ['side'],
    help: 'What the channels hold that are not closed: ours, and what is theirs.',
    read: (seen) => [
      [sum(held(seen).map(({ ourBalance }) => ourBalance)), 'ours'],
      [sum(held(seen).map(({ theirBalance }) => theirBalance)), 'theirs']
    ]
  },
  paychan_in_flight_satoshis: {
    type: 'gauge',
    unit: 'satoshis',
    labels: [],
    help: 'Signed and sent, and not acknowledged yet.',
    read: ({ channels }) => [[sum(channels.map(({ inFlight }) => inFlight))]]
  },

  paychan_stake_satoshis: {
    type: 'gauge',
    unit: 'satoshis',
    labels: [],
    help: 'What would be lost if on every channel an older state were mined instead of ours.',
    read: ({ channels }) => [[sum(channels.map(({ stake }) => stake))]]
  },
  paychan_high_risk_stake_satoshis: {
    type: 'gauge',
    unit: 'satoshis',
    labels: [],
    help: 'The part of it on channels whose risk has reached policy.riskAlarm.',
    read: ({ highRisks }) => [[sum(highRisks)]]
  },
  paychan_high_risk_channels: {
    type: 'gauge',
    unit: undefined,
    labels: [],
    help: 'The number of these channels.',
    read: ({ highRisks }) => [[highRisks.length]]
  },
  paychan_too_small_to_settle_satoshis: {
    type: 'gauge',
    unit: 'satoshis',
    labels: [],
    help: 'Shares that are not worth the fee of settling them alone: lost if their peers never come back.',
    read: ({ channels }) => [[sum(channels.map(({ atRisk }) => atRisk))]]
  },
  paychan_nearest_deadline_blocks: {
    type: 'gauge',
    unit: 'blocks',
    labels: [],
    help: 'Blocks until the first height at which an older state could be mined instead of ours; below 0 when it has passed. Absent while nothing is at stake.',
    read: (seen) =>
      blocksUntil(
        seen,
        seen.channels.map(({ deadline }) => deadline)
      )
  },
  paychan_next_publication_blocks: {
    type: 'gauge',
    unit: 'blocks',
    labels: [],
    help: 'Blocks until the first height at which this node ends a channel alone, and has to be running; below 0 while it is at it. Absent without channels.',
    read: (seen) =>
      blocksUntil(
        seen,
        seen.channels.map(({ alone }) => alone?.from)
      )
  },

  paychan_wallet_satoshis: {
    type: 'gauge',
    unit: 'satoshis',
    labels: ['state'],
    help: 'Coins of the wallet: confirmed, unconfirmed, or unswept (paid out by a channel, not yet fetched).',
    read: ({ balance }) => [
      [balance.confirmed, 'confirmed'],
      [balance.pending, 'unconfirmed'],
      [balance.unswept, 'unswept']
    ]
  },
  paychan_wallet_kept_satoshis: {
    type: 'gauge',
    unit: 'satoshis',
    labels: ['state'],
    help: 'The part of the confirmed coins that is reserved for what is under way, or locked by its owner.',
    read: ({ balance }) => [
      [balance.reserved, 'reserved'],
      [balance.locked, 'locked']
    ]
  },
  paychan_onchain_fees_satoshis: {
    type: 'gauge',
    unit: 'satoshis',
    labels: ['kind'],
    help: 'Fees of the transactions of this wallet that it knows all inputs of, by what they are for. A payment on a channel has none.',
    read: ({ transactions }) => {
      const fees = new Map<string, bigint>()
      for (const { kind, fee } of transactions) {
        if (fee !== undefined) fees.set(kind, (fees.get(kind) ?? 0n) + fee)
      }
      return [...fees].map(([kind, fee]) => [fee, kind])
    }
  },

  paychan_chain_synced: {
    type: 'gauge',
    unit: undefined,
    labels: [],
    help: '1 while the node sees the chain, else 0.',
    read: ({ info: { chain } }) => [[chain.status === 'synced' ? 1 : 0]]
  },
  paychan_chain_height_blocks: {
    type: 'gauge',
    unit: 'blocks',
    labels: [],
    help: 'The height of the newest block that was verified.',
    read: ({ info: { chain } }) => ifKnown(chain.height)
  },
  paychan_chain_tip_age_seconds: {
    type: 'gauge',
    unit: 'seconds',
    labels: [],
    help: 'Time since the node has seen its newest block.',
    read: ({ tipAge }) => ifKnown(tipAge)
  },
  paychan_electrum_servers: {
    type: 'gauge',
    unit: undefined,
    labels: ['state'],
    help: 'The configured Electrum servers: used, connecting, down, or dropped for an answer that they gave.',
    read: ({ info: { chain } }) => countedBy(chain.servers, SERVER_STATES, ({ state }) => state)
  },
  paychan_electrum_server_height_blocks: {
    type: 'gauge',
    unit: 'blocks',
    labels: ['server'],
    help: 'The height that each configured server shows.',
    read: ({ info: { chain } }) =>
      chain.servers.flatMap(({ url, height }): Sample[] =>
        height === undefined ? [] : [[height, url]]
      )
  },

  paychan_alarms_total: {
    type: 'counter',
    unit: undefined,
    labels: ['code'],
    help: 'Alarms since the start, by code (errors.md), repetitions included.',
    read: ({ alarms }) => [...alarms].map(([code, count]) => [count, code])
  }
} as const satisfies Readonly<Record<`paychan_${string}`, Metric>>

export type MetricName = keyof typeof METRICS
