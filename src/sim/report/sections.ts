/** The sections of the report, from its top down. */
import type { Loss, Results, Attack, RiskBucket } from '../results.js'
import { count, duration, inOrder, moment, money, percent, plural, sat, wilson } from './format.js'
import { chanceAxis, errorBar, frame, html, type Html, mark, round, STYLE } from './svg.js'
import { channelsText, offText } from './tables.js'
import type { Choice } from './picture.js'
import type { PageData } from './page-data.js'

interface Tile {
  readonly label: string
  readonly value: string
  readonly detail: string
  /** An explained loss is a warning, an unexplained one a bug. */
  readonly mood: 'plain' | 'good' | 'warn' | 'bad'
}

/** `2 economics, 1 absence` */
function reasons(losses: readonly Loss[]): string {
  const counts = new Map<string, number>()
  for (const { why } of losses) counts.set(why, (counts.get(why) ?? 0) + 1)
  return [...counts].map(([why, number]) => `${count(number)} ${why}`).join(', ')
}

/** The top of the report: the simulation, its verdict, and the six main numbers. */
function tilesOf(results: Results): Tile[] {
  const { payments, chain, capital, losses, attacks } = results
  const honest = losses.filter((loss) => loss.honest)
  const lost = honest.reduce((sum, loss) => sum + loss.amount, 0)
  const profit = attacks.reduce((sum, attack) => sum + attack.profit, 0)
  const succeeded = attacks.filter((attack) => attack.succeeded).length
  const transactions = Object.values(chain.transactions).reduce((sum, number) => sum + number, 0)
  return [
    {
      label: 'Success rate',
      value: payments.asked === 0 ? '–' : percent(payments.made / payments.asked),
      detail:
        payments.asked === 0
          ? 'no payment was asked for'
          : `${count(payments.made)} made of ${count(payments.asked)} asked for${payments.unknown > 0 ? `, ${count(payments.unknown)} unknown at the end` : ''}${offText(payments)}`,
      mood: 'plain'
    },
    {
      label: 'Payments made',
      value: count(payments.made),
      detail: `${money(payments.volume)} in all, one every ${payments.throughput > 0 ? duration(1 / payments.throughput) : '–'}`,
      mood: 'plain'
    },
    {
      label: 'Chain fees per payment',
      value: payments.made === 0 ? '–' : sat(chain.feesPerPayment),
      detail: `${money(chain.fees)} for ${plural(transactions, 'transaction')}`,
      mood: 'plain'
    },
    {
      label: 'Capital locked',
      value: money(capital.locked),
      detail: `mean over time; ${percent(capital.idle)} of it without a payment for a day`,
      mood: 'plain'
    },
    {
      label: 'Losses of honest nodes',
      value: money(lost),
      detail:
        honest.length === 0
          ? 'none'
          : `${plural(honest.length, 'loss', 'losses')}: ${reasons(honest)}`,
      mood:
        honest.length === 0
          ? 'good'
          : honest.some(({ why }) => why === 'unexplained')
            ? 'bad'
            : 'warn'
    },
    {
      label: 'Attackers’ profit',
      value: money(profit),
      detail:
        attacks.length === 0
          ? 'no attack'
          : `${count(succeeded)} of ${plural(attacks.length, 'attack')} succeeded`,
      mood: attacks.length === 0 ? 'plain' : profit > 0 ? 'warn' : 'good'
    }
  ]
}

function tile({ label, value, detail, mood }: Tile): Html {
  return html`<div class="tile ${mood}"><dt>${label}</dt><dd><strong>${value}</strong><span>${detail}</span></dd></div>`
}

/** The broken rules in red, above everything: a bug of the simulator or of the node. */
export function brokenSection(results: Results): Html {
  if (results.broken.length === 0) return html``
  return html`<section class="alarm" id="broken" role="alert">
<h2>${plural(results.broken.length, 'invariant')} did not hold</h2>
<p>This is a bug: of the node, or of the simulator. Run the scenario again with seed ${results.scenario.seed} to see it once more.</p>
<ul>${results.broken.slice(0, 100).map(({ time, rule, text }) => html`<li><strong>${rule}</strong> at ${moment(time)}: ${text}</li>`)}</ul>
${results.broken.length > 100 ? html`<p>These are the first 100; the others are in results.json.</p>` : ''}
</section>`
}

export function headSection(results: Results): Html {
  const { scenario } = results
  const days = results.simulated / 86_400
  const facts = [
    `seed ${scenario.seed}`,
    results.complete
      ? plural(scenario.days, 'day')
      : `${count(days, 2)} of ${plural(scenario.days, 'day')}`,
    plural(scenario.nodes, 'node'),
    channelsText(results),
    plural(results.events, 'event')
  ]
  return html`<header>
<p class="kind">paychan simulation</p>
<h1>${scenario.name}</h1>
${scenario.description === '' ? '' : html`<p class="description">${scenario.description}</p>`}
<p class="facts">${facts.map((fact) => html`<span>${fact}</span>`)}<span class="badge ${results.complete ? 'good' : 'warn'}">${results.complete ? 'complete' : 'interrupted'}</span>${scenario.model ? html`<span class="badge warn">model: no real signatures</span>` : ''}</p>
${results.complete ? '' : html`<p class="notice">It was interrupted after ${duration(results.simulated)} of simulated time: everything is as it was then.</p>`}
</header>
<dl class="tiles">${tilesOf(results).map(tile)}</dl>`
}

/**
 * The reasons for failed payments, their durations; the transactions on the chain; the nodes'
 * totals.
 */
export function paymentsSection(results: Results): Html {
  const { payments } = results
  const failed = Object.entries(payments.failed).sort(([a, x], [b, y]) =>
    inOrder(y - x, a < b ? -1 : 1)
  )
  const failures = failed.reduce((sum, [, number]) => sum + number, 0)
  const { latency } = payments
  const quantiles: ReadonlyArray<readonly [string, number]> = [
    ['half within', latency.p50],
    ['90 % within', latency.p90],
    ['99 % within', latency.p99],
    ['all within', latency.max],
    ['mean', latency.mean]
  ]
  return html`<section id="payments" class="columns">
<div><h2>Why payments failed</h2>
${
  failures === 0
    ? html`<p class="fine">None failed.</p>`
    : html`<p>${plural(failures, 'payment')} of ${count(payments.asked)} failed (${percent(failures / payments.asked)}). A code says what the payer was told.</p>
${bars(
  'failed payments by error code',
  failed.map(([code, number]) => ({
    label: code,
    value: number,
    text: `${count(number)} (${percent(number / failures)})`,
    colour: 1
  }))
)}`
}
</div>
<div><h2>How long payments took</h2>
${
  latency.count === 0
    ? html`<p>None was made.</p>`
    : html`<p>From <code>pay</code> to the payee’s acknowledgement on disk, in simulated time, over ${plural(latency.count, 'payment')}.</p>
${bars(
  'latency',
  quantiles.map(([label, value]) => ({ label, value, text: duration(value) }))
)}`
}
</div>
</section>`
}

const KINDS: ReadonlyArray<readonly [keyof Results['chain']['transactions'], string]> = [
  ['funding', 'T1: opens a channel'],
  ['close', 'both sides agree to end it'],
  ['settlement', 'T3: the payee takes its newest state'],
  ['refund', 'T2: the client takes back what is left'],
  ['sweep', 'collects outputs of channels'],
  ['other', 'anything else of these nodes']
]

export function chainSection(results: Results): Html {
  const { chain, capital } = results
  const number = Object.values(chain.transactions).reduce((sum, value) => sum + value, 0)
  const { lifetime } = capital
  return html`<section id="chain"><h2>On the chain</h2>
<p>${plural(chain.blocks, 'block')}, ${plural(chain.reorgs, 'reorganisation')}, ${plural(number, 'transaction')} of these nodes for ${sat(chain.fees)} in fees${number > 0 ? html` (${sat(chain.fees / number)} each)` : ''}.
${lifetime.count > 0 ? html`Of ${plural(lifetime.count, 'channel')} that ended, half lived ${plural(lifetime.p50, 'block')} or less, 90 % ${plural(lifetime.p90, 'block')} or less.` : ''} ${plural(capital.turns, 'turn was', 'turns were')} used.</p>
${bars(
  'transactions by kind',
  KINDS.map(([kind, what]) => ({
    label: `${kind}: ${what}`,
    value: chain.transactions[kind],
    text: count(chain.transactions[kind]),
    colour: 2
  }))
)}
</section>`
}

export function groupsSection(results: Results): Html {
  return html`<section id="groups"><h2>Groups</h2>
<div class="scroll" tabindex="0" role="region" aria-label="groups"><table class="grid"><thead><tr>
<th scope="col">group</th><th scope="col">role</th><th scope="col" class="number">nodes</th><th scope="col" class="number">payments made</th><th scope="col" class="number">success rate</th>
<th scope="col" class="number">fees</th><th scope="col" class="number">lost</th><th scope="col" class="number">gained</th></tr></thead><tbody>${results.groups.map(
    (group) => html`
<tr><th scope="row">${group.name}</th><td>${group.honest ? 'honest' : 'adversary'}</td><td class="number">${count(group.nodes)}</td><td class="number">${count(group.made)} of ${count(group.asked)}</td>
<td class="number">${group.asked === 0 ? '–' : percent(group.made / group.asked)}</td><td class="number">${money(group.fees)}</td><td class="number ${group.honest && group.lost > 0 ? 'bad' : ''}">${money(group.lost)}</td><td class="number">${money(group.gained)}</td></tr>`
  )}
</tbody></table></div></section>`
}

/** The table that must be empty for honest nodes, or explained; and the results of attacks. */

/** Most rows of the table, more than anybody reads; all are in `results.json`. */
const MOST_ROWS = 500

const WHY: Readonly<Record<Loss['why'], string>> = {
  economics: 'publishing was not worth its fee, or the other side bid more than it was worth',
  absence: 'the node was down past a deadline',
  stuck: 'its transaction was in no block in time',
  lied: 'none of the servers that it asked told the truth, or answered',
  forgot: 'its disk had lost writes that it had called safe',
  dishonest: 'an adversary plays the node',
  unexplained: 'nothing explains it: a bug'
}

function table(losses: readonly Loss[]): Html {
  const shown = [...losses]
    .sort((a, b) => inOrder(b.amount - a.amount, a.height - b.height, a.channel - b.channel))
    .slice(0, MOST_ROWS)
  return html`<div class="scroll" tabindex="0" role="region" aria-label="losses"><table class="grid"><thead><tr>
<th scope="col">node</th><th scope="col" class="number">channel</th><th scope="col" class="number">height</th><th scope="col" class="number">lost</th><th scope="col">why</th><th scope="col">what happened</th>
</tr></thead><tbody>${shown.map(
    (loss) => html`
<tr class="${loss.why === 'unexplained' ? 'bad' : ''}"><th scope="row">${loss.node}</th><td class="number">${loss.channel}</td><td class="number">${count(loss.height)}</td><td class="number">${sat(loss.amount)}</td><td>${loss.why}</td><td class="text">${loss.text}</td></tr>`
  )}
</tbody></table></div>
${shown.length < losses.length ? html`<p class="note">These are the ${count(shown.length)} largest of ${count(losses.length)}; all are in results.json.</p>` : ''}`
}

function reasonsList(losses: readonly Loss[]): Html {
  const reasons = (Object.keys(WHY) as Array<Loss['why']>)
    .map((why) => ({ why, of: losses.filter((loss) => loss.why === why) }))
    .filter(({ of }) => of.length > 0)
  return html`<ul>${reasons.map(({ why, of }) => html`<li><strong class="${why === 'unexplained' ? 'bad' : ''}">${why}</strong>: ${plural(of.length, 'loss', 'losses')} of ${money(of.reduce((sum, loss) => sum + loss.amount, 0))}; ${WHY[why]}.</li>`)}</ul>`
}

export function lossesSection(results: Results): Html {
  const honest = results.losses.filter((loss) => loss.honest)
  const others = results.losses.filter((loss) => !loss.honest)
  return html`<section id="losses"><h2>Losses</h2>
${
  honest.length === 0
    ? html`<p class="fine">No honest node lost anything beyond its payments and its chain fees.</p>`
    : html`<p class="${honest.some((loss) => loss.why === 'unexplained') ? 'notice bad' : 'notice'}">Honest nodes lost ${money(honest.reduce((sum, loss) => sum + loss.amount, 0))} beyond payments and chain fees, in ${plural(honest.length, 'case')}:</p>
${reasonsList(honest)}${table(honest)}`
}
${others.length === 0 ? '' : html`<details><summary>Losses of adversaries (${count(others.length)})</summary>${reasonsList(others)}${table(others)}</details>`}
</section>`
}

interface Kind {
  readonly kind: string
  readonly tried: number
  readonly succeeded: number
  readonly profit: number
  readonly best: number
}

function byKind(attacks: readonly Attack[]): Kind[] {
  return [...new Set(attacks.map((attack) => attack.kind))].sort().map((kind) => {
    const of = attacks.filter((attack) => attack.kind === kind)
    return {
      kind,
      tried: of.length,
      succeeded: of.filter((attack) => attack.succeeded).length,
      profit: of.reduce((sum, attack) => sum + attack.profit, 0),
      best: of.reduce((most, attack) => Math.max(most, attack.profit), -Infinity)
    }
  })
}

function attackRows(attacks: readonly Attack[]): Html {
  const shown = [...attacks]
    .sort((a, b) => inOrder(b.profit - a.profit, a.height - b.height, a.channel - b.channel))
    .slice(0, MOST_ROWS)
  return html`<details><summary>Each attack, the most profitable first (${count(attacks.length)})</summary>
<div class="scroll" tabindex="0" role="region" aria-label="attacks"><table class="grid"><thead><tr>
<th scope="col">node</th><th scope="col">kind</th><th scope="col" class="number">channel</th><th scope="col" class="number">height</th><th scope="col" class="number">profit</th><th scope="col">outcome</th>
</tr></thead><tbody>${shown.map(
    (attack) => html`
<tr><th scope="row">${attack.node}</th><td>${attack.kind}</td><td class="number">${attack.channel}</td><td class="number">${count(attack.height)}</td><td class="number ${attack.profit > 0 ? 'bad' : ''}">${sat(attack.profit)}</td><td>${attack.succeeded ? 'succeeded' : 'failed'}</td></tr>`
  )}
</tbody></table></div>
${shown.length < attacks.length ? html`<p class="note">These are the first ${count(shown.length)} of ${count(attacks.length)}; all are in results.json.</p>` : ''}</details>`
}

export function attacksSection(results: Results): Html {
  const { attacks } = results
  if (attacks.length === 0) {
    return html`<section id="attacks"><h2>Attacks</h2><p>Nobody attacked in this scenario.</p></section>`
  }
  return html`<section id="attacks"><h2>Attacks</h2>
<p>Profit is what the attacker got beyond its newest share, less what it paid for it. It is negative when the attack did not pay.</p>
<div class="scroll" tabindex="0" role="region" aria-label="attacks by kind"><table class="grid"><thead><tr>
<th scope="col">kind</th><th scope="col" class="number">tried</th><th scope="col" class="number">succeeded</th><th scope="col" class="number">profit in all</th><th scope="col" class="number">best single one</th>
</tr></thead><tbody>${byKind(attacks).map(
    ({ kind, tried, succeeded, profit, best }) => html`
<tr><th scope="row">${kind}</th><td class="number">${count(tried)}</td><td class="number">${count(succeeded)} (${percent(succeeded / tried)})</td><td class="number ${profit > 0 ? 'bad' : ''}">${sat(profit)}</td><td class="number ${best > 0 ? 'bad' : ''}">${sat(best)}</td></tr>`
  )}
</tbody></table></div>
${attackRows(attacks)}
</section>`
}

/**
 * The frames that the script fills: the picture of the network, the curves, the two large tables.
 */

/** The symbol of a group: its colour, and a triangle for adversaries. */
function legend(groups: PageData['groups']): Html {
  return html`<ul class="legend" aria-label="legend">${groups.map(
    ({ name, honest }, at) => html`
<li><svg viewBox="0 0 14 14" aria-hidden="true" class="group-${at % 8}">${honest ? html`<circle cx="7" cy="7" r="5"/>` : html`<path d="M7 1.5l5.5 10h-11z"/>`}</svg>${name}${honest ? '' : ' (adversary)'}</li>`
  )}
<li><svg viewBox="0 0 34 14" aria-hidden="true" class="wide"><line class="client" x1="1" y1="7" x2="20" y2="7"/><line class="server" x1="20" y1="7" x2="33" y2="7"/></svg>channel: the client’s balance at its end, the server’s at the other; wider is larger</li></ul>`
}

/** The parts that the picture leaves out, if any. */
function omissions(results: Results, choice: Choice, stride: number): Html {
  const sentences: string[] = []
  if (choice.nodes.length < results.nodes.length) {
    sentences.push(
      `The picture shows ${plural(choice.nodes.length, 'node')} of ${count(results.nodes.length)}: the ${plural(choice.hubs, 'node')} with the most channels, and those that have the largest channels with them.`
    )
  }
  if (choice.channels.length < choice.channelsInAll) {
    sentences.push(
      `It shows ${plural(choice.channels.length, 'channel')} of ${count(choice.channelsInAll)}, the largest among these nodes.`
    )
  }
  const [first = 0, second = 0] = results.series.times
  if (stride > 1) {
    sentences.push(
      `Balances are shown every ${duration((second - first) * stride)}; all of them are in results.json.`
    )
  }
  return sentences.length === 0 ? html`` : html`<p class="note">${sentences.join(' ')}</p>`
}

export function pictureSection(
  results: Results,
  choice: Choice,
  stride: number,
  groups: PageData['groups']
): Html {
  const last = Math.max(0, results.series.times.length - 1)
  return html`<section id="network"><h2>The network over time</h2>
${omissions(results, choice, stride)}
${legend(groups)}
<div class="stage">
<div class="view"><div class="canvas-frame"><canvas id="picture" tabindex="0" role="img" aria-label="The network: nodes and the channels between them. Its figures are in the tables below; plus and minus zoom, arrow keys move it."></canvas>
<div class="zoom"><button type="button" id="zoom-in" aria-label="zoom in">+</button><button type="button" id="zoom-out" aria-label="zoom out">−</button><button type="button" id="zoom-fit" aria-label="show all">⤢</button></div><div id="tip" role="status" hidden></div></div>
<div class="player">
<button type="button" id="play" aria-pressed="false"><span aria-hidden="true">▶</span> play</button>
<input type="range" id="time" min="0" max="${last}" value="${last}" step="1" aria-label="time">
<output id="now" for="time"></output>
</div>
<form class="search" role="search"><label for="search">Find a node</label><input id="search" type="search" list="names" autocomplete="off" spellcheck="false"><datalist id="names"></datalist><button type="submit">show</button><span id="found" role="status"></span></form></div>
<aside id="details" aria-label="figures of what is selected" tabindex="0"><p class="note">Click on a node or a channel to see its figures, or search for a node.</p></aside>
</div></section>`
}

export function curvesSection(curves: PageData['curves']): Html {
  return html`<section id="curves"><h2>Curves</h2>
<p class="note">Time in days from the beginning. Click on a curve to set the picture to that time; drag over one to zoom into it, double-click to zoom out.</p>
<div class="curves">${curves.map(({ title, unit, log }, at) => html`<figure class="curve"><figcaption>${title} <span>${unit}${log ? ', logarithmic' : ''}</span></figcaption><div id="curve-${at}" class="plot"></div></figure>`)}</div></section>`
}

export function tableSection(id: string, title: string): Html {
  return html`<section id="${id}"><h2>${title}</h2><div id="${id}-table" class="table-frame"></div></section>`
}

/** The calibration of the nodes' risk: predictions beside outcomes. */
const FRAME = { left: 78, right: 440, top: 34, bottom: 320 }

/** A mark for each range: on the line, the prediction came true; above it, it was worse. */
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

/** Tells if the observed part is within what the prediction allows. */
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

/**
 * Horizontal bars with their numbers beside them: readable without the picture, and when printed.
 */
interface Bar {
  readonly label: string
  readonly value: number
  readonly text: string
  readonly colour?: number
}

/** The longest bar has the highest value, or `full` where that is given. */
function bars(
  caption: string,
  rows: readonly Bar[],
  full = Math.max(0, ...rows.map((row) => row.value))
): Html {
  return html`<table class="bars"><caption>${caption}</caption><tbody>${rows.map(
    ({ label, value, text, colour = 0 }) => html`
<tr><th scope="row">${label.split(/(?<=_)/).map((part, i) => (i === 0 ? part : html`<wbr>${part}`))}</th><td><span class="bar colour-${colour}" style="width:${full > 0 ? Math.round((1000 * value) / full) / 10 : 0}%"></span></td><td class="number">${text}</td></tr>`
  )}
</tbody></table>`
}
