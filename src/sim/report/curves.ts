/** The curves of the report, from the series of the results. */
import type { Series } from '../results.js'
import type { Curve, CurveLine } from './page-data.js'

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
