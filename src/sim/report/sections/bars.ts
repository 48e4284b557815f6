/**
 * Horizontal bars with their numbers beside them: readable without the picture, and when printed.
 */
import { html, type Html } from '../html.js'

export interface Bar {
  readonly label: string
  readonly value: number
  readonly text: string
  readonly colour?: number
}

/** The longest is the one with the highest value, or `full` where that is given. */
export function bars(
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
