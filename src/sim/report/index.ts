/**
 * `report.html`: the results of a simulation as one page that opens without a network. Pure: the
 * same results give the same bytes.
 */
import type { Results } from '../results.js'
import { busiestSample, choose, draw, largest } from './picture.js'
import { channelTable, curvesOf, nodeTable } from './tables.js'
import { visible } from './format.js'
import { document, html } from './svg.js'
import type { PageData } from './page-data.js'
import {
  brokenSection,
  headSection,
  attacksSection,
  lossesSection,
  curvesSection,
  pictureSection,
  tableSection,
  chainSection,
  groupsSection,
  paymentsSection,
  riskSection
} from './sections.js'

export { renderSweep } from './sweep.js'
export { sweepSvg } from './sweep.js'

/** Sizes that a browser draws fluently. */
const PICTURE = { nodes: 2_000, channels: 6_000 }
/** Most rows of a table, more than anybody reads; the rest is in `results.json`. */
const MOST_ROWS = 20_000

const CONTENTS: ReadonlyArray<readonly [string, string]> = [
  ['network', 'Network'],
  ['curves', 'Curves'],
  ['payments', 'Payments'],
  ['losses', 'Losses'],
  ['attacks', 'Attacks'],
  ['risk', 'Risk'],
  ['groups', 'Groups'],
  ['nodes', 'Nodes'],
  ['channels', 'Channels'],
  ['chain', 'Chain']
]

/**
 * The report of one simulation as a self-contained HTML document.
 *
 *     writeFileSync('report.html', renderReport(JSON.parse(readFileSync('results.json', 'utf8'))))
 */
export function renderReport(results: Results): string {
  const choice = choose(results, PICTURE)
  const nodes = largest(
    results.nodes,
    MOST_ROWS,
    new Set(choice.nodes),
    (node) => node.sent + node.received
  )
  const channels = largest(
    results.channels,
    MOST_ROWS,
    new Set(choice.channels),
    (channel) => channel.capacity
  )
  const drawn = draw(choice, { nodes, channels }, results.groups)
  const data: PageData = {
    times: results.series.times,
    heights: results.series.heights,
    shown: busiestSample(results.channels, results.series.times.length),
    groups: results.groups.map(({ name, honest }) => ({ name: visible(name), honest })),
    picture: drawn.picture,
    curves: curvesOf(results.series),
    nodes: nodeTable(nodes, results.nodes.length),
    channels: channelTable(channels, results.channels.length)
  }
  return document({
    title: `${results.scenario.name}, seed ${results.scenario.seed}: paychan simulation`,
    data,
    body: html`<main>
${brokenSection(results)}
${headSection(results)}
<nav aria-label="contents">${CONTENTS.map(([id, title]) => html`<a href="#${id}">${title}</a>`)}</nav>
<noscript><p class="notice">The picture, the curves and the large tables need JavaScript, which this browser does not run. Nothing is fetched from anywhere.</p></noscript>
${pictureSection(results, choice, drawn.stride, data.groups)}
${curvesSection(data.curves)}
${paymentsSection(results)}
${lossesSection(results)}
${attacksSection(results)}
${riskSection(results)}
${groupsSection(results)}
${tableSection('nodes', 'Nodes')}
${tableSection('channels', 'Channels')}
${chainSection(results)}
<footer><p>Amounts are satoshis (sat; 100,000,000 sat = 1 BTC), times are simulated. The same scenario and seed give the same report.</p></footer>
</main>`
  })
}
