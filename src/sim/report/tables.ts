/**
 * The tables of nodes and of channels, which the browser sorts, filters and shows page by page; the
 * curves over time, and the totals.
 */
import type { ChannelResult, NodeResult, Results, Series } from '../results.js'
import { count, plural, visible } from './format.js'
import type { Cell, Column, Curve, CurveLine, TableData } from './page-data.js'

const NODE_COLUMNS: readonly Column[] = [
  { title: 'node', kind: 'text' },
  { title: 'group', kind: 'text' },
  { title: 'role', kind: 'text', hint: 'honest, or an adversary of the scenario' },
  { title: 'begin', kind: 'sat', hint: 'on the chain and in channels, at the beginning' },
  { title: 'end', kind: 'sat', hint: 'begin + received - sent - fees - lost + gained' },
  { title: 'sent', kind: 'sat' },
  { title: 'received', kind: 'sat' },
  { title: 'fees', kind: 'sat', hint: 'of its transactions on the chain' },
  { title: 'lost', kind: 'sat', hint: 'beyond fees and payments; see the table of losses' },
  { title: 'gained', kind: 'sat', hint: 'what others lost to it' },
  { title: 'asked', kind: 'count', hint: 'payments that it was asked to make' },
  { title: 'made', kind: 'count', hint: 'payments that it made' },
  { title: 'crashes', kind: 'count' }
]

const CHANNEL_COLUMNS: readonly Column[] = [
  { title: 'channel', kind: 'count', hint: 'in the order of the openings' },
  { title: 'client', kind: 'text', hint: 'funded it' },
  { title: 'server', kind: 'text' },
  { title: 'capacity', kind: 'sat' },
  { title: 'step', kind: 'count', hint: 'blocks between the maturities of two turns; 0: one-way' },
  { title: 'funded', kind: 'height', hint: 'height of the funding transaction' },
  { title: 'spent', kind: 'height', hint: 'height of the transaction that ended it' },
  { title: 'end', kind: 'text' },
  { title: 'turns', kind: 'count' },
  { title: 'paid', kind: 'sat', hint: 'by the client' },
  { title: 'paid back', kind: 'sat', hint: 'by the server' },
  { title: 'payments', kind: 'count', hint: 'by the client' },
  { title: 'back', kind: 'count', hint: 'payments by the server' }
]

function nodeRow(node: NodeResult): Cell[] {
  return [
    visible(node.name),
    visible(node.group),
    node.honest ? 'honest' : 'adversary',
    node.begin,
    node.end,
    node.sent,
    node.received,
    node.fees,
    node.lost,
    node.gained,
    node.payments.asked,
    node.payments.made,
    node.crashes
  ]
}

function channelRow(channel: ChannelResult): Cell[] {
  return [
    channel.number,
    visible(channel.client),
    visible(channel.server),
    channel.capacity,
    channel.step,
    channel.fundedAt,
    channel.spentAt,
    channel.end,
    channel.turns,
    channel.volume.forth,
    channel.volume.back,
    channel.payments.forth,
    channel.payments.back
  ]
}

export function nodeTable(nodes: readonly NodeResult[], outOf: number): TableData {
  return {
    id: 'nodes-table',
    caption: 'nodes',
    columns: NODE_COLUMNS,
    rows: nodes.map(nodeRow),
    outOf,
    selects: 'node'
  }
}

export function channelTable(channels: readonly ChannelResult[], outOf: number): TableData {
  return {
    id: 'channels-table',
    caption: 'channels',
    columns: CHANNEL_COLUMNS,
    rows: channels.map(channelRow),
    outOf,
    selects: 'channel'
  }
}

/* Totals of a whole simulation, in the same words for the report and the terminal. */

/**
 * `59 channels (20 of the scenario, 39 that followed them)`: renewals and reopened channels count
 * separately.
 */
export function channelsText({
  scenario,
  channels
}: Pick<Results, 'scenario' | 'channels'>): string {
  const [planned, all] = [scenario.channels, channels.length]
  if (all < planned) return `${count(all)} of the ${plural(planned, 'channel')} of the scenario`
  return `${plural(all, 'channel')}${all === planned ? '' : ` (${count(planned)} of the scenario, ${count(all - planned)} that followed them)`}`
}

/** `, 12 off (payer or payee was switched off)`; nothing when there were none. */
export function offText({ off }: Pick<Results['payments'], 'off'>): string {
  return off > 0 ? `, ${count(off)} off (payer or payee was switched off)` : ''
}

/* The curves of the report, from the series of the results. */

/**
 * The change since the sample before, as a rate per hour; null where there is no time before it.
 */
function hourly(series: Series, values: readonly number[]): Array<number | null> {
  return values.map((value, at) => {
    const seconds = (series.times[at] ?? 0) - (series.times[at - 1] ?? 0)
    return seconds > 0 ? (value * 3600) / seconds : null
  })
}

/** A logarithmic axis has no place for 0. */
function positive(values: readonly number[]): Array<number | null> {
  return values.map((value) => (value > 0 ? value : null))
}

function line(label: string, colour: number, values: ReadonlyArray<number | null>): CurveLine {
  return { label, colour, values }
}

/** In the order in which the report shows them. */
export function curvesOf(series: Series): Curve[] {
  const anyRisk = series.riskMax.some((risk) => risk > 0)
  const percents = (values: readonly number[]): number[] => values.map((value) => value * 100)
  return [
    {
      title: 'Payments',
      unit: 'per hour',
      log: false,
      lines: [
        line('made', 0, hourly(series, series.made)),
        line('failed', 1, hourly(series, series.failed))
      ]
    },
    {
      title: 'Volume paid',
      unit: 'sat per hour',
      log: false,
      lines: [line('volume', 0, hourly(series, series.volume))]
    },
    {
      title: 'Fee rate of the next block',
      unit: 'sat/vB',
      log: true,
      lines: [line('fee rate', 1, positive(series.nextSatPerVByte))]
    },
    {
      title: 'Fees on the chain so far',
      unit: 'sat',
      log: false,
      lines: [line('fees', 1, series.fees)]
    },
    {
      title: 'Capital locked in channels',
      unit: 'sat',
      log: false,
      lines: [line('locked', 0, series.locked)]
    },
    { title: 'Open channels', unit: '', log: false, lines: [line('open', 0, series.openChannels)] },
    {
      title: 'Risk of coming too late',
      unit: '%',
      log: anyRisk,
      lines: [
        line('highest', 1, anyRisk ? positive(percents(series.riskMax)) : percents(series.riskMax)),
        line('mean', 0, anyRisk ? positive(percents(series.riskMean)) : percents(series.riskMean))
      ]
    },
    { title: 'Nodes that are up', unit: '', log: false, lines: [line('up', 2, series.nodesUp)] }
  ]
}
