/**
 * The frames that the script fills: the picture of the network, the curves, the two large tables.
 */
import type { Results } from '../../results.js'
import type { Choice } from '../choice.js'
import { count, duration, plural } from '../format.js'
import { html, type Html } from '../html.js'
import type { PageData } from '../page-data.js'

/** How a group is drawn: its colour, and a triangle for adversaries. */
export function legend(groups: PageData['groups']): Html {
  return html`<ul class="legend" aria-label="legend">${groups.map(
    ({ name, honest }, at) => html`
<li><svg viewBox="0 0 14 14" aria-hidden="true" class="group-${at % 8}">${honest ? html`<circle cx="7" cy="7" r="5"/>` : html`<path d="M7 1.5l5.5 10h-11z"/>`}</svg>${name}${honest ? '' : ' (adversary)'}</li>`
  )}
<li><svg viewBox="0 0 34 14" aria-hidden="true" class="wide"><line class="client" x1="1" y1="7" x2="20" y2="7"/><line class="server" x1="20" y1="7" x2="33" y2="7"/></svg>channel: the client’s balance at its end, the server’s at the other; wider is larger</li></ul>`
}

/** What the picture does not show, if anything. */
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
