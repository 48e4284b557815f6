/**
 * The script and the style of `report.html`, bundled into dist for `src/sim/report/shell.ts` to put
 * into the page. The licences of what is bundled go with it, as they ask for.
 */
import { readFileSync } from 'node:fs'
import { build } from 'esbuild'

const BUNDLED = ['uplot', 'd3-zoom', 'd3-selection']

const licences = BUNDLED.map(
  (name) =>
    `${name}: ${readFileSync(`node_modules/${name}/LICENSE`, 'utf8').replaceAll('*/', '').trim()}`
)
const comment = `/* With parts of ${BUNDLED.join(', ')}.\n\n${licences.join('\n\n')}\n*/`

await build({
  entryPoints: { page: 'src/sim/report/page/main.ts' },
  outdir: 'dist/src/sim/report/assets',
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'es2022',
  charset: 'utf8',
  legalComments: 'none',
  banner: { js: comment, css: '/* With parts of uplot (MIT); its licence is in the script. */' }
})
