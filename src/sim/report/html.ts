/** HTML from untrusted text: every value in a template is escaped, unless it is HTML already. */
import { visible } from './format.js'

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
