/**
 * What can be read from a sweep, in sentences. It claims no more than the 95 % intervals allow for.
 */
import type { Sweep, SweepPoint } from '../../results.js'
import { STAKE_AXIS } from '../../sweep/stake-classes.js'
import { count, percent, plural } from '../format.js'
import { wilson } from '../statistics.js'
import { panelsOf, valueText, type SweepLine } from './lines.js'

/** A chance that somebody with money in a channel may want to stay below. */
const TARGET = 0.01

/** Whether we are sure (95 %) that fewer than one publication in a hundred comes too late. */
function isSafe({ tooLate, publications }: SweepPoint): boolean {
  return wilson(tooLate, publications).high < TARGET
}

/**
 * `from step 36 on`, `up to step 4`, `at step 12, 36`: where a line is safe, along the first axis.
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

/** How bad it gets, and where. */
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

/** How sure the numbers are: what one has to know before one quotes them. */
export function basisOf(sweep: Sweep): string {
  const publications = sweep.points.reduce((sum, point) => sum + point.publications, 0)
  // The classes of stakes are points of the same runs.
  const classes = sweep.axes.find(({ name }) => name === STAKE_AXIS)?.values.length ?? 1
  const runs = sweep.points.reduce((sum, point) => sum + point.runs, 0) / classes
  return `${count(publications)} publications in ${count(runs)} runs of ${sweep.scenario}. Intervals are Wilson’s, 95 %: with 0 of n too late the chance may still be up to about 3.8 / n.`
}

/**
 * What the risk figure of the nodes is worth: what they foretold of their publications, and what
 * came of them.
 */
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
