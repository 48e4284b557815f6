/** The page of a sweep: its picture, the conclusions from it, and the numbers. */
import type { Sweep, SweepPoint } from '../results.js'
import { count, type Interval, money, percent, plural, sat, wilson } from './format.js'
import {
  type Axis,
  chanceAxis,
  document,
  errorBar,
  frame,
  type Frame,
  html,
  type Html,
  lineStyle,
  mark,
  numberAxis,
  round,
  STYLE,
  wordAxis
} from './svg.js'
import { STAKE_AXIS } from '../sweep/sweep.js'

function row(sweep: Sweep, point: SweepPoint): Html {
  const { low, high } = wilson(point.tooLate, point.publications)
  return html`<tr>${sweep.axes.map(({ name }) => html`<th scope="row" class="number">${valueText(point.values[name] ?? '')}</th>`)}
<td class="number">${count(point.runs)}</td><td class="number">${count(point.publications)}</td><td class="number">${count(point.tooLate)}</td>
<td class="number">${point.publications === 0 ? '–' : percent(point.tooLate / point.publications)}</td><td class="number">${percent(low)} to ${percent(high)}</td><td class="number">${point.publications === 0 ? '–' : percent(point.foretold)}</td>
<td class="number">${point.staked === 0 ? '–' : percent(point.lost / point.staked)}</td><td class="number">${money(point.lost)}</td>
<td class="number">${percent(point.successRate)}</td><td class="number">${sat(point.feesPerPayment)}</td></tr>`
}

function table(sweep: Sweep): Html {
  return html`<section id="points"><h2>All points</h2><div class="scroll" tabindex="0" role="region" aria-label="points of the sweep"><table class="grid"><thead><tr>${sweep.axes.map(({ name }) => html`<th scope="col" class="number">${name}</th>`)}
<th scope="col" class="number">runs</th><th scope="col" class="number">publications</th><th scope="col" class="number">too late</th><th scope="col" class="number">chance</th><th scope="col" class="number">95 % interval</th><th scope="col" class="number">foretold</th>
<th scope="col" class="number">of the stake lost</th><th scope="col" class="number">lost</th><th scope="col" class="number">success rate</th><th scope="col" class="number">fees per payment</th></tr></thead>
<tbody>${sweep.points.map((point) => row(sweep, point))}</tbody></table></div></section>`
}

function figure(sweep: Sweep, measure: Measure): Html {
  return html`<figure class="scroll wide-drawing" tabindex="0">${drawSweep(sweep, measure)}</figure>`
}

/**
 * The report of a sweep as a self-contained HTML document; it needs no script.
 *
 *     writeFileSync('sweep.html', renderSweep(JSON.parse(readFileSync('sweep.json', 'utf8'))))
 */
export function renderSweep(sweep: Sweep): string {
  const axes = sweep.axes
    .map(({ name, values }) => `${name} (${plural(values.length, 'value')})`)
    .join(' and ')
  return document({
    title: `${sweep.scenario}, sweep over ${sweep.axes.map(({ name }) => name).join(' and ')}: paychan simulation`,
    body: html`<main>
<header><p class="kind">paychan sweep</p><h1>${sweep.scenario}</h1>
<p class="description">How ${sweep.axes.map(({ name }) => name).join(' and ')} ${sweep.axes.length === 1 ? 'decides' : 'decide'} whether what a node publishes comes into a block in time.</p>
<p class="facts"><span>${axes}</span><span>${plural(sweep.points.length, 'point')}</span><span>${plural(sweep.seeds.length, 'seed')}: ${sweep.seeds.slice(0, 8).join(', ')}${sweep.seeds.length > 8 ? ', …' : ''}</span></p></header>
<section id="loss"><h2>Chance of coming too late</h2>
${figure(sweep, TOO_LATE)}
<div class="reading"><p>What can be read from it:</p><ul>${readingOf(sweep).map((text) => html`<li>${text}</li>`)}</ul></div>
<p class="note">${basisOf(sweep)} ${foretoldOf(sweep)} Hollow marks: none came too late. Marks of different lines are moved aside a little so that none hides another.</p></section>
<section id="stake"><h2>What it cost</h2>${figure(sweep, STAKE_LOST)}</section>
<section id="others"><h2>Payments and fees</h2><div class="columns">${figure(sweep, SUCCESS)}${figure(sweep, FEES)}</div></section>
${table(sweep)}
<footer><p>Amounts are satoshis (sat; 100,000,000 sat = 1 BTC). The same scenario, axes and seeds give the same page.</p></footer>
</main>`
  })
}

/** A sweep as an SVG, made without a browser: for the report, and as a file for documents. */

/** The measure drawn against the first axis. */
interface Measure {
  readonly title: string
  readonly value: (point: SweepPoint) => number | undefined
  /** The interval of an observed chance; other measures have none. */
  readonly interval?: (point: SweepPoint) => Interval
  readonly axis: (values: readonly number[], from: number, to: number) => Axis
}

const TOO_LATE: Measure = {
  title: 'chance that a publication comes too late, with 95 % interval',
  value: (point) => (point.publications === 0 ? undefined : point.tooLate / point.publications),
  interval: (point) => wilson(point.tooLate, point.publications),
  axis: chanceAxis
}

const STAKE_LOST: Measure = {
  title: 'part of the money at stake that honest nodes lost',
  value: (point) => (point.staked === 0 ? undefined : point.lost / point.staked),
  axis: chanceAxis
}

const SUCCESS: Measure = {
  title: 'success rate of payments',
  value: (point) => point.successRate,
  axis: (_, from, to) => chanceAxis([1], from, to)
}

const FEES: Measure = {
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

/** Equal lines would hide each other: each is moved aside a little. */
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
function drawSweep(sweep: Sweep, measure: Measure): Html {
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

/**
 * The points of a sweep as lines: the first axis is horizontal, the second separates lines, further
 * ones make panels.
 */

type Value = number | string

interface SweepLine {
  /** `stake 10,000`; empty when there is one axis only. */
  readonly label: string
  /** Position in the values of the second axis: its colour. */
  readonly number: number
  /** In the order of the first axis. */
  readonly points: ReadonlyArray<{ readonly value: Value; readonly point: SweepPoint }>
}

interface Panel {
  /** `policy eager`; empty when there are at most two axes. */
  readonly title: string
  readonly lines: readonly SweepLine[]
}

function valueText(value: Value): string {
  return typeof value === 'number' ? count(value, 4) : value
}

/** Every combination of values of these axes, the last one changing fastest. */
function combinations(axes: Sweep['axes']): Array<ReadonlyArray<readonly [string, Value]>> {
  return axes.reduce<Array<ReadonlyArray<readonly [string, Value]>>>(
    (combined, { name, values }) =>
      combined.flatMap((before) => values.map((value) => [...before, [name, value] as const])),
    [[]]
  )
}

/**
 * One panel for each combination of the third and further axes; lines without a point are left out.
 */
function panelsOf(sweep: Sweep): Panel[] {
  const [first, second, ...further] = sweep.axes
  if (first === undefined) return []
  return combinations(further)
    .map((fixed) => ({
      title: fixed.map(([name, value]) => `${name} ${valueText(value)}`).join(', '),
      lines: (second?.values ?? [undefined])
        .map((value, number): SweepLine => {
          const of = sweep.points.filter(
            ({ values }) =>
              fixed.every(([name, wanted]) => values[name] === wanted) &&
              (second === undefined || values[second.name] === value)
          )
          return {
            label:
              second === undefined || value === undefined
                ? ''
                : `${second.name} ${valueText(value)}`,
            number,
            points: first.values.flatMap((at) =>
              of
                .filter(({ values }) => values[first.name] === at)
                .map((point) => ({ value: at, point }))
            )
          }
        })
        .filter(({ points }) => points.length > 0)
    }))
    .filter(({ lines }) => lines.length > 0)
}

/** Conclusions from a sweep, in sentences. They claim no more than the 95 % intervals allow for. */

/** A chance that the owner of money in a channel may want to stay below. */
const TARGET = 0.01

/** True when fewer than one publication in a hundred comes too late, with 95 % certainty. */
function isSafe({ tooLate, publications }: SweepPoint): boolean {
  return wilson(tooLate, publications).high < TARGET
}

/**
 * `from step 36 on`, `up to step 4`, `at step 12, 36`: the range in which a line is safe, along the
 * first axis.
 */
function where(axis: string, line: SweepLine): string {
  const safe = line.points.map(({ point }) => isSafe(point))
  const text = (at: number): string => valueText(line.points[at]?.value ?? '')
  const [begin, end] = [safe.indexOf(true), safe.lastIndexOf(true)]
  const unbroken = safe.slice(begin, end + 1).every((one) => one)
  const numbers = line.points.every(({ value }) => typeof value === 'number')
  if (numbers && unbroken && end === safe.length - 1) return `from ${axis} ${text(begin)} on`
  if (numbers && unbroken && begin === 0) return `up to ${axis} ${text(end)}`
  return `at ${axis} ${line.points.flatMap(({ value }, at) => (safe[at] === true ? [valueText(value)] : [])).join(', ')}`
}

/** The worst value of a line, and its place. */
function worst(axis: string, line: SweepLine): string {
  const rate = (point: SweepPoint): number =>
    point.publications === 0 ? 0 : point.tooLate / point.publications
  const [first, ...others] = line.points
  if (first === undefined) return ''
  const most = others.reduce((a, b) => (rate(b.point) > rate(a.point) ? b : a), first)
  return rate(most.point) === 0
    ? 'none was seen to be late'
    : `the worst is ${percent(rate(most.point))} at ${axis} ${valueText(most.value)}`
}

function sentence(axis: string, panel: string, line: SweepLine): string {
  const subject = [panel, line.label].filter((text) => text !== '').join(', ')
  const begin = subject === '' ? 'The' : `With ${subject}, the`
  const safe = line.points.filter(({ point }) => isSafe(point)).length
  if (line.points.every(({ point }) => point.publications === 0)) {
    return `${begin} runs published nothing, so they say nothing.`
  }
  if (safe === line.points.length) {
    return `${begin} chance to come too late is below ${percent(TARGET)} at every ${axis} that was tried; ${worst(axis, line)}.`
  }
  if (safe > 0) {
    return `${begin} chance to come too late is below ${percent(TARGET)} ${where(axis, line)}; ${worst(axis, line)}.`
  }
  return `${begin} chance to come too late could not be shown to be below ${percent(TARGET)} at any ${axis}; ${worst(axis, line)}.`
}

/**
 * A sentence for each line of the sweep, such as `With stake 10,000, the chance to come too late is
 * below 1 % from step 36 on; the worst is 21.4 % at step 1.`
 */
export function readingOf(sweep: Sweep): string[] {
  const axis = sweep.axes[0]?.name ?? ''
  return panelsOf(sweep).flatMap(({ title, lines }) =>
    lines.map((line) => sentence(axis, title, line))
  )
}

/** The certainty of the numbers, to be read before quoting them. */
export function basisOf(sweep: Sweep): string {
  const publications = sweep.points.reduce((sum, point) => sum + point.publications, 0)
  // The classes of stakes are points of the same runs.
  const classes = sweep.axes.find(({ name }) => name === STAKE_AXIS)?.values.length ?? 1
  const runs = sweep.points.reduce((sum, point) => sum + point.runs, 0) / classes
  return `${count(publications)} publications in ${count(runs)} runs of ${sweep.scenario}. Intervals are Wilson’s, 95 %: with 0 of n too late the chance may still be up to about 3.8 / n.`
}

/** The quality of the nodes' risk figure: their predictions for publications, and the outcomes. */
export function foretoldOf({ points }: Sweep): string {
  const published = points.filter(({ publications }) => publications > 0)
  if (published.length === 0) {
    return 'Nothing was published, so there is nothing to compare with what the nodes foretold.'
  }
  const expected = published.reduce(
    (sum, { foretold, publications }) => sum + foretold * publications,
    0
  )
  const late = published.reduce((sum, { tooLate }) => sum + tooLate, 0)
  const worse = published.filter(
    ({ foretold, tooLate, publications }) => foretold < wilson(tooLate, publications).low
  ).length
  return `The nodes foretold that ${count(expected, 1)} publications would come too late, and ${count(late)} did. ${
    worse === 0
      ? 'At no point were more late than that allows for (95 %).'
      : `At ${plural(worse, 'point')} of ${count(published.length)} more were late than that allows for (95 %): the risk figure is too low there.`
  }`
}
