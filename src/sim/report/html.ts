/** HTML from untrusted text: every value in a template is escaped, unless it is HTML already. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
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
