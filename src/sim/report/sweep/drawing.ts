/**
 * A sweep as an SVG that needs no browser to be made: for the report, and as a file for documents.
 */
import type { Sweep, SweepPoint } from '../../results.js'
import { chanceAxis, numberAxis, wordAxis, type Axis } from '../axes.js'
import { html, type Html } from '../html.js'
import { wilson, type Interval } from '../statistics.js'
import { errorBar, frame, lineStyle, mark, round, STYLE, type Frame } from '../svg.js'
import { panelsOf, valueText, type Panel, type SweepLine } from './lines.js'

/** What is drawn against the first axis. */
export interface Measure {
  readonly title: string
  readonly value: (point: SweepPoint) => number | undefined
  /** Of a chance that was counted; others have none. */
  readonly interval?: (point: SweepPoint) => Interval
  readonly axis: (values: readonly number[], from: number, to: number) => Axis
}

export const TOO_LATE: Measure = {
  title: 'chance that a publication comes too late, with 95 % interval',
  value: (point) => (point.publications === 0 ? undefined : point.tooLate / point.publications),
  interval: (point) => wilson(point.tooLate, point.publications),
  axis: chanceAxis
}

export const STAKE_LOST: Measure = {
  title: 'part of the money at stake that honest nodes lost',
  value: (point) => (point.staked === 0 ? undefined : point.lost / point.staked),
  axis: chanceAxis
}

export const SUCCESS: Measure = {
  title: 'success rate of payments',
  value: (point) => point.successRate,
  axis: (_, from, to) => chanceAxis([1], from, to)
}

export const FEES: Measure = {
  title: 'chain fees per payment',
  value: (point) => point.feesPerPayment,
  axis: (values, from, to) => {
    const axis = numberAxis(values, from, to, true)
    return { ...axis, ticks: axis.ticks.map((tick) => ({ ...tick, label: `${tick.label} sat` })) }
  }
}

const WIDTH = 760
const PANEL = 430
const LEGEND_ROW = 22

interface Placed {
  readonly x: number
  readonly number: number
  readonly value: number
  readonly interval: Interval | undefined
}

/** Lines that say the same would hide each other: each is moved aside a little. */
function aside(line: SweepLine, lines: number): number {
  return (line.number - (lines - 1) / 2) * Math.min(5, 30 / Math.max(1, lines))
}

function horizontal(
  sweep: Sweep,
  { left, right }: Frame
): { readonly axis: Axis; readonly at: (value: number | string) => number } {
  const values = sweep.axes[0]?.values ?? []
  const numbers = values.filter((value) => typeof value === 'number')
  if (numbers.length === values.length && numbers.length > 0) {
    const axis = numberAxis(numbers, left + 16, right - 16)
    return { axis, at: (value) => axis.at(Number(value)) }
  }
  const axis = wordAxis(values.map(valueText), left, right)
  return { axis, at: (value) => axis.of(valueText(value)) }
}

function drawPanel(sweep: Sweep, measure: Measure, panel: Panel, top: number): Html {
  const names = panel.lines.filter((line) => line.label !== '')
  const columns = 3
  const legendHeight = Math.ceil(names.length / columns) * LEGEND_ROW
  const area: Frame = {
    left: 84,
    right: WIDTH - 20,
    top: top + 58 + legendHeight,
    bottom: top + PANEL - 56 + legendHeight
  }
  const x = horizontal(sweep, area)
  const placed = panel.lines.map((line) =>
    line.points.flatMap(({ value, point }): Placed[] => {
      const height = measure.value(point)
      return height === undefined
        ? []
        : [
            {
              x: x.at(value) + aside(line, panel.lines.length),
              number: line.number,
              value: height,
              interval: measure.interval?.(point)
            }
          ]
    })
  )
  const y = measure.axis(
    placed
      .flat()
      .flatMap(({ value, interval }) =>
        interval === undefined ? [value] : [value, interval.high]
      ),
    area.bottom,
    area.top
  )
  const axisName = sweep.axes[0]?.name ?? ''
  return html`<g>${panel.title === '' ? '' : html`<text x="${area.left}" y="${top + 18}" font-weight="600">${panel.title}</text>`}
${names.map((line, at) => {
  const [a, b] = [84 + (at % columns) * 218, top + 34 + Math.floor(at / columns) * LEGEND_ROW]
  return html`<path class="line ${lineStyle(line.number).colour}" stroke-dasharray="${lineStyle(line.number).dashes}" d="M${a} ${b - 4}h28"/>${mark(line.number, a + 14, b - 4, false)}<text x="${a + 36}" y="${b}">${line.label}</text>`
})}
${frame(area, x.axis, y, { x: x.axis.log ? `${axisName} (logarithmic)` : axisName, y: measure.title })}
${placed.map((points) => {
  const [first] = points
  if (first === undefined) return ''
  const { colour, dashes } = lineStyle(first.number)
  return html`${points.map(({ interval, ...point }) => (interval === undefined ? '' : errorBar(point.number, point.x, interval, y)))}
<path class="line ${colour}" stroke-dasharray="${dashes}" d="M${points.map((point) => `${round(point.x)} ${round(y.at(point.value))}`).join('L')}"/>${points.map((point) => mark(point.number, point.x, y.at(point.value), point.value === 0))}`
})}</g>`
}

/** The drawing as HTML, for a page. */
export function drawSweep(sweep: Sweep, measure: Measure): Html {
  const panels = panelsOf(sweep)
  let top = 0
  const drawn = panels.map((panel) => {
    const at = top
    top +=
      PANEL + Math.ceil(panel.lines.filter((line) => line.label !== '').length / 3) * LEGEND_ROW
    return drawPanel(sweep, measure, panel, at)
  })
  return html`<svg class="drawing" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${Math.max(top, 40)}" width="${WIDTH}" height="${Math.max(top, 40)}" role="img" aria-label="${`${sweep.scenario}: ${measure.title}, against ${sweep.axes[0]?.name ?? 'nothing'}`}">${STYLE}
<rect class="paper" width="100%" height="100%"/>
${panels.length === 0 ? html`<text x="20" y="26">The sweep has no point yet.</text>` : drawn}
</svg>`
}

/**
 * The chance that a publication comes too late against the first axis, one line for each value of
 * the second, as the text of an SVG file. Pure: the same sweep gives the same bytes.
 *
 *     writeFileSync('docs/sweep.svg', sweepSvg(sweep))
 */
export function sweepSvg(sweep: Sweep): string {
  return `${drawSweep(sweep, TOO_LATE).text}\n`
}
