/**
 * One self-contained page: style, script and data inside, and a policy that blocks everything from
 * outside.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { embedJson, html, Html } from './html.js'

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
