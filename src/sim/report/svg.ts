/**
 * The common parts of the reports: HTML that escapes what it is given, the shell of a page; and of
 * the drawings a frame with axes, marks, and the style that makes them readable on light and on dark.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { scaleLinear, scaleLog } from 'd3-scale'
import { count, type Interval, percent, visible } from './format.js'

/* HTML from untrusted text: every value in a template is escaped, unless it is HTML already. */

/** HTML that may be put into a page as it is. */
export class Html {
  constructor(readonly text: string) {}
}

type Part = string | number | Html | readonly Part[]

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;'
}

/** `text` as it may stand between tags and in quoted attributes. */
export function escapeHtml(text: string): string {
  return visible(text).replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character)
}

function render(part: Part): string {
  if (part instanceof Html) return part.text
  return typeof part === 'object' ? part.map(render).join('') : escapeHtml(String(part))
}

/**
 * A template whose values are escaped.
 *
 *     html`<td>${'<b>'}</td>`.text   // <td>&lt;b&gt;</td>
 */
export function html(strings: TemplateStringsArray, ...values: readonly Part[]): Html {
  return new Html(strings.map((text, at) => text + render(values[at] ?? '')).join(''))
}

/**
 * A value as the text of a `<script type="application/json">`, and of JavaScript: nothing in it can
 * end the script (`</script>`), open a comment (`<!--`), or end a line of JavaScript (U+2028,
 * U+2029).
 */
export function embedJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  )
}

/*
 * One self-contained page: style, script and data inside, and a policy that blocks everything from
 * outside.
 */

/** Made by `npm run build` (scripts/bundle-page.js) beside this module. */
function asset(name: string): string {
  return readFileSync(new URL(`./assets/${name}`, import.meta.url), 'utf8')
}

interface Page {
  readonly title: string
  readonly body: Html
  /** For the script; the page has none without it. */
  readonly data?: unknown
}

/**
 * The whole document. Scripts run only if they are ours, by their hash, so that even text that got
 * through unescaped could not run; nothing is fetched.
 */
export function document(page: Page): string {
  const style = asset('page.css')
  const script = page.data === undefined ? '' : asset('page.js')
  const allowed =
    script === '' ? "'none'" : `'sha256-${createHash('sha256').update(script).digest('base64')}'`
  const policy = `default-src 'none'; script-src ${allowed}; style-src 'unsafe-inline'; img-src data:`
  const scripts =
    page.data === undefined
      ? ''
      : html`<script type="application/json" id="data">${new Html(embedJson(page.data))}</script>
<script>${new Html(script)}</script>`
  return `${
    html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${page.title}</title>
<link rel="icon" href="data:,">
<style>${new Html(style)}</style>
</head>
<body>
${page.body}
${scripts}
</body>
</html>`.text
  }\n`
}

/** The place of the axes in a drawing. */
export interface Frame {
  readonly left: number
  readonly right: number
  readonly top: number
  readonly bottom: number
}

/**
 * Okabe and Ito's colours, for people with a colour vision deficiency; on dark the darker ones are
 * lightened.
 */
const LINES: ReadonlyArray<readonly [light: string, dark: string]> = [
  ['#0072b2', '#56b4e9'],
  ['#d55e00', '#ff8c42'],
  ['#009e73', '#2fd1a3'],
  ['#b0578d', '#e39bc6'],
  ['#8a6d00', '#f0e442'],
  ['#555555', '#c0c0c0']
]
/** Lines that share a colour differ in their dashes, and all of them in their marks. */
const DASHES = ['', '6 4', '2 3']

/** An SVG file must bring its style; the class keeps it from the page around it. */
export const STYLE = new Html(
  `<style>.drawing{font:13px system-ui,sans-serif;color:#1b2430;background:#fff}.drawing text{fill:currentColor}.drawing .quiet{opacity:.72}.drawing .grid{stroke:currentColor;opacity:.14}.drawing .frame{stroke:currentColor;opacity:.5;fill:none}${LINES.map(
    ([light], at) => `.drawing .c${at}{--c:${light}}`
  ).join(
    ''
  )}.drawing .line{fill:none;stroke:var(--c);stroke-width:2}.drawing .bar{stroke:var(--c);stroke-width:1.5;opacity:.75}.drawing .mark{fill:var(--c);stroke:var(--c);stroke-width:1.5}.drawing .hollow,.drawing .paper{fill:#fff}@media screen and (prefers-color-scheme:dark){:root:not([data-print]) .drawing,.drawing:root{color:#e6ebf2;background:#12171e}:root:not([data-print]) .drawing .hollow,:root:not([data-print]) .drawing .paper,.drawing:root .hollow,.drawing:root .paper{fill:#12171e}${LINES.map(
    ([, dark], at) => `:root:not([data-print]) .drawing .c${at},.drawing:root .c${at}{--c:${dark}}`
  ).join('')}}</style>`
)

export function round(value: number): number {
  return Math.round(value * 10) / 10
}

/** The class and the dashes of a line by its number. */
export function lineStyle(number: number): { readonly colour: string; readonly dashes: string } {
  return {
    colour: `c${number % LINES.length}`,
    dashes: DASHES[Math.floor(number / LINES.length) % DASHES.length] ?? ''
  }
}

/** The grid, the numbers on it, and the titles of the axes. */
export function frame(
  { left, right, top, bottom }: Frame,
  x: Axis,
  y: Axis,
  titles: { readonly x: string; readonly y: string }
): Html {
  return html`${y.ticks.map(({ at, label }) => html`<line class="grid" x1="${left}" x2="${right}" y1="${round(at)}" y2="${round(at)}"/><text x="${left - 8}" y="${round(at + 4)}" text-anchor="end">${label}</text>`)}
${x.ticks.map(({ at, label }) => html`<line class="grid" x1="${round(at)}" x2="${round(at)}" y1="${top}" y2="${bottom}"/><text x="${round(at)}" y="${bottom + 20}" text-anchor="middle">${label}</text>`)}
<path class="frame" d="M${left} ${top}V${bottom}H${right}"/>
<text x="${(left + right) / 2}" y="${bottom + 42}" text-anchor="middle">${titles.x}</text>
<text x="${left}" y="${top - 12}" class="quiet">${titles.y}</text>`
}

/** A circle, square, diamond or triangle by the line's number; hollow without observations. */
export function mark(number: number, x: number, y: number, hollow: boolean): Html {
  const [a, b] = [round(x), round(y)]
  const style = `mark ${lineStyle(number).colour}${hollow ? ' hollow' : ''}`
  switch (number % 4) {
    case 0:
      return html`<circle class="${style}" cx="${a}" cy="${b}" r="4"/>`
    case 1:
      return html`<rect class="${style}" x="${round(x - 3.5)}" y="${round(y - 3.5)}" width="7" height="7"/>`
    case 2:
      return html`<path class="${style}" d="M${a} ${round(y - 5)}l5 5l-5 5l-5 -5z"/>`
    default:
      return html`<path class="${style}" d="M${a} ${round(y - 5)}l5 9h-10z"/>`
  }
}

/** A line from one end of an interval to the other, with short lines across its ends. */
export function errorBar(number: number, x: number, interval: Interval, y: Axis): Html {
  const [low, high] = [round(y.at(interval.low)), round(y.at(interval.high))]
  return html`<path class="bar ${lineStyle(number).colour}" fill="none" d="M${round(x)} ${low}V${high}M${round(x - 3)} ${high}h6M${round(x - 3)} ${low}h6"/>`
}

/* Axes of the drawings that are made without a browser. Positions are in pixels of the drawing. */

interface Tick {
  readonly at: number
  readonly label: string
}

export interface Axis {
  readonly at: (value: number) => number
  readonly ticks: readonly Tick[]
  readonly log: boolean
}

/**
 * From this ratio of the largest to the smallest value on, a logarithmic axis shows more than a
 * linear one.
 */
const LOG_FROM = 20
/** Pixels between 0 and the smallest value of a logarithmic axis that also shows 0. */
const GAP = 30

/**
 * An axis for any values: logarithmic when all are positive and far apart, otherwise linear. `from`
 * and `to` are its ends in pixels.
 */
export function numberAxis(
  values: readonly number[],
  from: number,
  to: number,
  fromZero = false
): Axis {
  const low = Math.min(...values)
  const high = Math.max(...values)
  if (low > 0 && high / low >= LOG_FROM) {
    const scale = scaleLog().domain([low, high]).range([from, to])
    // Tested values get labels; powers in between do not.
    const ticks = values.length <= 12 ? [...new Set(values)].sort((a, b) => a - b) : scale.ticks(6)
    return {
      at: (value) => scale(value),
      ticks: spaced(ticks.map((value) => ({ at: scale(value), label: count(value, 2) }))),
      log: true
    }
  }
  const begin = fromZero ? Math.min(0, low) : low
  const scale = scaleLinear()
    .domain([begin, high > begin ? high : begin + 1])
    .range([from, to])
    .nice(5)
  return {
    at: (value) => scale(value),
    ticks: scale.ticks(5).map((value) => ({ at: scale(value), label: count(value, 4) })),
    log: false
  }
}

/** An axis for words, evenly spaced. */
export function wordAxis(
  words: readonly string[],
  from: number,
  to: number
): Axis & { readonly of: (word: string) => number } {
  const step = (to - from) / Math.max(1, words.length)
  const place = (at: number): number => from + step * (at + 0.5)
  return {
    at: place,
    of: (word) => place(words.indexOf(word)),
    ticks: words.map((label, at) => ({ at: place(at), label })),
    log: false
  }
}

/**
 * An axis for chances, 0 to 1. Logarithmic when they differ by much, with a separate place for 0; a
 * value below the smallest of `values` (the end of an interval) is drawn there.
 */
export function chanceAxis(values: readonly number[], from: number, to: number): Axis {
  const positive = values.filter((value) => value > 0)
  const low = Math.min(...positive)
  const high = Math.min(1, Math.max(...positive))
  if (positive.length === 0 || high / low < LOG_FROM) {
    const scale = scaleLinear()
      .domain([0, positive.length === 0 ? 1 : Math.min(1, high * 1.05)])
      .range([from, to])
    return {
      at: (value) => scale(Math.min(1, value)),
      ticks: scale.ticks(5).map((value) => ({ at: scale(value), label: percent(value) })),
      log: false
    }
  }
  const start = from + Math.sign(to - from) * GAP
  const [first, last] = [Math.floor(Math.log10(low)), Math.min(0, Math.ceil(Math.log10(high)))]
  const scale = scaleLog()
    .domain([10 ** first, 10 ** last])
    .range([start, to])
  const powers = Array.from({ length: last - first + 1 }, (_, at) => 10 ** (first + at))
  return {
    at: (value) => (value <= 0 ? from : scale(Math.max(10 ** first, Math.min(1, value)))),
    ticks: [
      { at: from, label: '0' },
      ...powers.map((value) => ({ at: scale(value), label: percent(value) }))
    ],
    log: true
  }
}

/** Leaves out labels that would overlap a neighbour. */
function spaced(ticks: readonly Tick[]): Tick[] {
  const kept: Tick[] = []
  for (const tick of ticks) {
    const last = kept.at(-1)
    if (
      last === undefined ||
      Math.abs(tick.at - last.at) >= 14 + 3.5 * (tick.label.length + last.label.length)
    ) {
      kept.push(tick)
    }
  }
  return kept
}
