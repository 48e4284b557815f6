/**
 * The common parts of the drawings: a frame with axes, marks, and the style that makes them
 * readable on light and on dark.
 */
import { html, Html } from './html.js'
import type { Axis } from './axes.js'
import type { Interval } from './format.js'

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
