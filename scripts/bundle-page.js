/**
 * What runs in a browser, bundled into dist: the report of a simulation, for `src/sim/report/shell.ts`
 * to put into one file, and the dashboard, for `src/daemon/dashboard.ts` to serve. The licences of
 * what is bundled go with it, as they ask for.
 */
import { readFileSync } from 'node:fs'
import { build } from 'esbuild'
import { publishedFields } from '../dist/src/daemon/dialect.js'
import { VERBS } from '../dist/src/daemon/verbs.js'
import { nodeEvent } from '../dist/src/daemon/wire.js'

const SHARED = {
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'es2022',
  charset: 'utf8',
  legalComments: 'none'
}

function licencesOf(files) {
  const licences = files.map(
    (file) =>
      `${file.split('/')[0]}: ${readFileSync(`node_modules/${file}`, 'utf8').replaceAll('*/', '').trim()}`
  )
  const names = files.map((file) => file.split('/')[0])
  return `/* With parts of ${names.join(', ')}.\n\n${licences.join('\n\n')}\n*/`
}

await build({
  ...SHARED,
  entryPoints: { page: 'src/sim/report/page/main.ts' },
  outdir: 'dist/src/sim/report/assets',
  banner: {
    js: licencesOf(['uplot/LICENSE', 'd3-zoom/LICENSE', 'd3-selection/LICENSE']),
    css: '/* With parts of uplot (MIT); its licence is in the script. */'
  }
})

const verbs = [...VERBS.values()]
await build({
  ...SHARED,
  entryPoints: { page: 'src/daemon/page/main.ts', index: 'src/daemon/page/index.html' },
  outdir: 'dist/src/daemon/assets',
  loader: { '.html': 'copy' },
  banner: { js: licencesOf(['qr/LICENSE-MIT']) },
  define: {
    // The names of the API's fields, from the one table (src/daemon/page/client.ts).
    ANSWERED: JSON.stringify(publishedFields([...verbs.map(({ answer }) => answer), nodeEvent])),
    ASKED: JSON.stringify(publishedFields(verbs.map(({ request }) => request)))
  }
})
