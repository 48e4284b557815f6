/** The page of a sweep: its picture, what can be read from it, and the numbers. */
import type { Sweep, SweepPoint } from '../../results.js'
import { count, money, percent, plural, sat } from '../format.js'
import { html, type Html } from '../html.js'
import { document } from '../shell.js'
import { wilson } from '../statistics.js'
import { drawSweep, FEES, STAKE_LOST, SUCCESS, TOO_LATE, type Measure } from './drawing.js'
import { valueText } from './lines.js'
import { basisOf, foretoldOf, readingOf } from './reading.js'

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
