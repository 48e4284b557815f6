/**
 * A picture of a report for the documents.
 *
 *     test/browser/shoot.sh report.html docs/report.jpg [--width 1280] [--height 1100] [--scale 0.75] [--dark] [--full]
 *
 * The picture is PNG or JPEG, by its name. `report.html` may be `fixture:small`, `fixture:large` or
 * `fixture:sweep`: made-up results; `fixture:dashboard` is the page of a made-up node.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { renderReport, renderSweep } from '../../src/sim/report/index.js'
import { busyNode, serveDashboard } from './dashboard-fixture.js'
import { LARGE, makeResults, makeSweep, SMALL } from '../sim/report/fixture.js'
import { launchChromium } from './open-page.js'

const FIXTURES: Readonly<Record<string, () => string>> = {
  'fixture:small': () => renderReport(makeResults(SMALL)),
  'fixture:large': () => renderReport(makeResults(LARGE)),
  'fixture:sweep': () => renderSweep(makeSweep())
}

const {
  values,
  positionals: [source, target]
} = parseArgs({
  allowPositionals: true,
  options: {
    width: { type: 'string', default: '1280' },
    height: { type: 'string', default: '1100' },
    scale: { type: 'string', default: '1' },
    dark: { type: 'boolean' },
    full: { type: 'boolean' }
  }
})
if (source === undefined || target === undefined) {
  throw new Error('name the report and the picture: shoot.sh report.html docs/report.jpg')
}

const dashboard = source === 'fixture:dashboard' ? await serveDashboard(busyNode()) : undefined
const folder = mkdtempSync(join(tmpdir(), 'paychan-shoot-'))
const browser = await launchChromium()
try {
  const make = FIXTURES[source]
  const file = make === undefined ? resolve(source) : join(folder, 'report.html')
  if (make !== undefined) writeFileSync(file, make())
  const page = await browser.newPage({
    viewport: { width: Number(values.width), height: Number(values.height) },
    colorScheme: values.dark === true ? 'dark' : 'light',
    deviceScaleFactor: Number(values.scale)
  })
  await page.goto(dashboard?.url ?? pathToFileURL(file).href)
  if (dashboard !== undefined) await page.locator('#payment-list li').first().waitFor()
  // Two frames: everything that changes is painted within the next one.
  await page.evaluate(
    'new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))'
  )
  await page.screenshot({ path: target, fullPage: values.full === true })
} finally {
  await browser.close()
  await dashboard?.close()
  rmSync(folder, { recursive: true })
}
