/** Whether the risk that nodes show is worth anything: what was foretold beside what happened. */
import type { Results, RiskBucket } from '../../results.js'
import { chanceAxis } from '../axes.js'
import { count, percent, plural } from '../format.js'
import { html, type Html } from '../html.js'
import { wilson } from '../statistics.js'
import { errorBar, frame, mark, round, STYLE } from '../svg.js'

const FRAME = { left: 78, right: 440, top: 34, bottom: 320 }

/** A mark for each range: on the line, what was foretold came true; above it, it was worse. */
function calibrationSvg(buckets: readonly RiskBucket[]): Html {
  const seen = buckets.map((bucket) => ({
    ...bucket,
    observed: bucket.tooLate / bucket.publications,
    interval: wilson(bucket.tooLate, bucket.publications)
  }))
  // One scale for both axes, so that the diagonal is one.
  const chances = seen.flatMap(({ predicted, observed, interval }) => [
    predicted,
    observed,
    interval.high
  ])
  const x = chanceAxis(chances, FRAME.left, FRAME.right)
  const y = chanceAxis(chances, FRAME.bottom, FRAME.top)
  const narrow = { ...x, ticks: x.ticks.filter((_, at) => x.ticks.length <= 5 || at % 2 === 0) }
  return html`<svg class="drawing" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 460 372" role="img" aria-label="Predicted risk against the observed part of publications that came too late">${STYLE}
${frame(FRAME, narrow, y, { x: 'risk foretold', y: 'seen to come too late, with 95 % interval' })}
<line class="frame" stroke-dasharray="5 4" x1="${FRAME.left}" y1="${FRAME.bottom}" x2="${FRAME.right}" y2="${FRAME.top}"/>
${seen.map(({ predicted, observed, interval, tooLate }) => html`${errorBar(0, x.at(predicted), interval, y)}${mark(0, round(x.at(predicted)), y.at(observed), tooLate === 0)}`)}
</svg>`
}

/** Whether the observed part is one that the prediction allows for. */
function verdict({ predicted, publications, tooLate }: RiskBucket): {
  readonly text: string
  readonly bad: boolean
} {
  const { low, high } = wilson(tooLate, publications)
  if (predicted < low) return { text: 'worse than foretold', bad: true }
  return predicted > high
    ? { text: 'better than foretold', bad: false }
    : { text: 'as foretold', bad: false }
}

export function riskSection(results: Results): Html {
  const buckets = results.risk.filter((bucket) => bucket.publications > 0)
  const explanation =
    'Each node foretells the chance that what it publishes comes into a block too late.'
  if (buckets.length === 0) {
    return html`<section id="risk"><h2>Risk: foretold and seen</h2><p>${explanation} Nothing was published in this run, so there is nothing to compare.</p></section>`
  }
  const publications = buckets.reduce((sum, bucket) => sum + bucket.publications, 0)
  const expected = buckets.reduce((sum, bucket) => sum + bucket.publications * bucket.predicted, 0)
  const late = buckets.reduce((sum, bucket) => sum + bucket.tooLate, 0)
  const worse = buckets.filter((bucket) => verdict(bucket).bad).length
  return html`<section id="risk"><h2>Risk: foretold and seen</h2>
<p>${explanation} Of ${plural(publications, 'publication')}, ${count(expected, 1)} were foretold to come too late, and ${count(late)} did. ${
    worse === 0
      ? 'No range did worse than its prediction allows for (95 %).'
      : `${plural(worse, 'range')} did worse than the prediction allows for (95 %): the risk figure is too low there.`
  }</p>
<div class="columns"><figure class="scroll">${calibrationSvg(buckets)}<figcaption>On the dashed line, what was foretold came true. Above it, it was worse. Hollow: none came too late.</figcaption></figure>
<div class="scroll" tabindex="0" role="region" aria-label="risk by range"><table class="grid"><thead><tr><th scope="col">range</th><th scope="col" class="number">foretold</th><th scope="col" class="number">publications</th><th scope="col" class="number">too late</th><th scope="col">verdict</th></tr></thead>
<tbody>${buckets.map(
    (
      bucket
    ) => html`<tr><th scope="row">${percent(bucket.from)} to ${percent(bucket.to)}</th><td class="number">${percent(bucket.predicted)}</td><td class="number">${count(bucket.publications)}</td>
<td class="number">${count(bucket.tooLate)} (${percent(bucket.tooLate / bucket.publications)})</td><td class="${verdict(bucket).bad ? 'bad' : ''}">${verdict(bucket).text}</td></tr>`
  )}</tbody></table></div></div>
</section>`
}
