import assert from 'node:assert/strict'
import type { Browser } from 'playwright-core'
import { sat } from '../../src/sim/report/format.js'
import { renderReport, renderSweep } from '../../src/sim/report/index.js'
import type { Results } from '../../src/sim/results.js'
import { LARGE, makeResults, makeSweep, SMALL } from '../sim/report/fixture.js'
import {
  firstColumn,
  launchChromium,
  type Look,
  type Opened,
  openPage,
  painted,
  picture,
  setTime
} from './open-page.js'

const RESULTS = makeResults(SMALL)
const REPORT = renderReport(RESULTS)

describe('the report in a browser', () => {
  let browser: Browser
  const opened: Opened[] = []

  before(async () => {
    browser = await launchChromium()
  })
  after(async () => {
    await browser.close()
  })
  afterEach(async () => {
    for (const { close } of opened.splice(0)) await close()
  })

  const open = async (html: string, look: Look = {}): Promise<Opened> => {
    const one = await openPage(browser, html, look)
    opened.push(one)
    return one
  }

  it('opens from a file without an error, a request or a layout that jumps', async () => {
    const { page, complaints } = await open(REPORT)
    const shifted = await page.evaluate<number>(
      "new Promise(done => new PerformanceObserver(list => done(list.getEntries().reduce((sum, entry) => sum + entry.value, 0))).observe({ type: 'layout-shift', buffered: true }) ?? setTimeout(done, 200, 0))"
    )
    assert.ok(shifted < 0.01, `the layout moved by ${shifted}`)
    assert.equal(await page.title(), 'hostile, seed 1: paychan simulation')
    assert.equal(await page.locator('.curve canvas').count(), 8)
    assert.deepEqual(complaints, [])
  })

  it('shows the balances at the time of the slider, in the picture and as figures', async () => {
    const { page, complaints } = await open(REPORT)
    const channel = RESULTS.channels.find(
      ({ firstSample, balances }) =>
        firstSample === 0 && balances.length === SMALL.samples && balances[50] !== balances[250]
    )
    assert.ok(channel !== undefined)
    await page.locator('#channels-table-filter').fill(channel.client)
    await page.getByRole('button', { name: String(channel.number), exact: true }).click()
    const pictures = new Set<string>()
    for (const sample of [50, 250]) {
      await setTime(page, sample)
      const balance: number = channel.balances[sample] ?? 0
      assert.deepEqual(await page.locator('#details .balance span:not(.track)').allTextContents(), [
        `client ${sat(balance)}`,
        `server ${sat(channel.capacity - balance)}`
      ])
      pictures.add(await picture(page))
    }
    assert.equal(pictures.size, 2)
    assert.match((await page.locator('#now').textContent()) ?? '', /^20 d 20:00 · block 803,000$/)
    assert.deepEqual(complaints, [])
  })

  it('lets channels appear and vanish', async () => {
    const { page } = await open(REPORT)
    await page.locator('#search').fill('node-0')
    await page.locator('#search').press('Enter')
    for (const sample of [0, 200, SMALL.samples - 1]) {
      await setTime(page, sample)
      const there = RESULTS.channels.filter(
        ({ client, server, firstSample, balances }) =>
          [client, server].includes('node-0') &&
          firstSample <= sample &&
          sample < firstSample + balances.length
      ).length
      assert.match(
        (await page.locator('#details h4').textContent()) ?? '',
        new RegExp(`^${there} open channel`)
      )
    }
  })

  it('plays from the beginning when it stands at the end, and pauses', async () => {
    const { page } = await open(REPORT)
    const time = page.locator('#time')
    await setTime(page, SMALL.samples - 1)
    await page.locator('#play').click()
    await page.evaluate(
      "new Promise(done => { const look = () => { Number(document.getElementById('time').value) > 3 ? done() : requestAnimationFrame(look) }; look() })"
    )
    await page.locator('#play').click()
    const stopped = Number(await time.inputValue())
    assert.ok(stopped > 3 && stopped < SMALL.samples - 1)
    await painted(page)
    assert.equal(Number(await time.inputValue()), stopped)
    assert.equal(await page.locator('#play').getAttribute('aria-pressed'), 'false')
  })

  it('takes the time from a click on a curve', async () => {
    const { page } = await open(REPORT)
    const curve = page.locator('#curve-0 .u-over')
    const box = await curve.boundingBox()
    assert.ok(box !== null)
    await curve.click({ position: { x: box.width / 4, y: 20 } })
    const sample = Number(await page.locator('#time').inputValue())
    assert.ok(Math.abs(sample - SMALL.samples / 4) < 3, `sample ${sample}`)
  })

  it('shows what is clicked on in the picture, and all again after Escape', async () => {
    const { page } = await open(REPORT)
    const all = await picture(page)
    await page.locator('#search').fill('node-1')
    await page.locator('#search').press('Enter')
    const chosen = await picture(page)
    assert.notEqual(chosen, all)
    await page.locator('#picture').focus()
    await page.keyboard.press('+')
    await page.keyboard.press('ArrowLeft')
    assert.notEqual(await picture(page), chosen)
    await page.keyboard.press('0')
    await page.keyboard.press('Escape')
    assert.match((await page.locator('#details').textContent()) ?? '', /Everything at this time/)
    // The widest node is under the pointer where the layout put it.
    const data = JSON.parse((await page.locator('#data').textContent()) ?? '') as {
      picture: {
        width: number
        height: number
        nodes: Array<{ x: number; y: number; row: number }>
      }
    }
    const [node] = data.picture.nodes
    const box = await page.locator('#picture').boundingBox()
    assert.ok(node !== undefined && box !== null)
    const [wide, high] = [box.width - 2, box.height - 2]
    const scale = Math.min((wide - 16) / data.picture.width, (high - 16) / data.picture.height)
    await page.locator('#picture').click({
      position: {
        x: (wide - data.picture.width * scale) / 2 + node.x * scale + 1,
        y: (high - data.picture.height * scale) / 2 + node.y * scale + 1
      }
    })
    assert.equal(await page.locator('#details h3').textContent(), `node-${node.row}`)
  })

  it('sorts, filters and leafs through the tables', async () => {
    const { page } = await open(REPORT)
    const heading = page
      .locator('#nodes-table')
      .getByRole('button', { name: 'received', exact: true })
    await heading.click()
    const byReceived = RESULTS.nodes
      .toSorted((a, b) => b.received - a.received)
      .map(({ name }) => name)
    assert.deepEqual(await firstColumn(page, 'nodes-table'), byReceived.slice(0, 25))
    assert.equal(
      await page.locator('#nodes-table th[aria-sort=descending]').textContent(),
      'received'
    )
    await heading.click()
    assert.equal((await firstColumn(page, 'nodes-table'))[0], byReceived.at(-1))
    await page.getByRole('button', { name: 'next 25 nodes' }).click()
    assert.match(
      (await page.locator('#nodes-table [role=status]').textContent()) ?? '',
      /^26–50 of 60$/
    )
    await page.locator('#nodes-table-filter').fill('cheaters')
    assert.match(
      (await page.locator('#nodes-table [role=status]').textContent()) ?? '',
      /^1–4 of 4 found in 60$/
    )
  })

  it('is dark where the system is, also when that changes while it is open', async () => {
    const { page, complaints } = await open(REPORT, { dark: true })
    const background = "getComputedStyle(document.querySelector('main section')).backgroundColor"
    assert.equal(await page.evaluate(background), 'rgb(18, 23, 30)')
    const dark = await picture(page)
    await page.emulateMedia({ colorScheme: 'light' })
    assert.equal(await page.evaluate(background), 'rgb(255, 255, 255)')
    assert.notEqual(await picture(page), dark)
    assert.deepEqual(complaints, [])
  })

  it('is as narrow as a telephone', async () => {
    const { page } = await open(REPORT, { width: 390, height: 844 })
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 390)
  })

  it('can be printed, in light colours', async () => {
    const { page, complaints } = await open(REPORT, { dark: true })
    await page.evaluate(
      "window.addEventListener('beforeprint', () => { window.printed = getComputedStyle(document.documentElement).getPropertyValue('--paper') })"
    )
    assert.ok((await page.pdf()).length > 20_000)
    assert.equal(await page.evaluate('window.printed'), '#fff')
    assert.equal(await page.evaluate("'print' in document.documentElement.dataset"), false)
    assert.deepEqual(complaints, [])
  })

  it('stays quiet about names that would like to run a script', async () => {
    const evil = '</script><img src=x onerror=alert(1)>'
    const { page, complaints } = await open(
      renderReport({
        ...RESULTS,
        scenario: { ...RESULTS.scenario, name: evil },
        nodes: RESULTS.nodes.map((node) => ({ ...node, name: `${evil}${node.name}` })),
        channels: RESULTS.channels.map((channel) => ({
          ...channel,
          client: `${evil}${channel.client}`,
          server: `${evil}${channel.server}`
        }))
      })
    )
    await page.locator('#search').fill('node-0')
    await page.locator('#search').press('Enter')
    assert.equal(await page.locator('#details h3').textContent(), `${evil}node-0`)
    assert.equal(await page.locator('img').count(), 0)
    assert.deepEqual(complaints, [])
  })

  it('shows a thousand nodes', async () => {
    const { page, complaints } = await open(renderReport(makeResults(LARGE)))
    assert.match(
      (await page.locator('#channels-table [role=status]').textContent()) ?? '',
      /^1–25 of 3,000$/
    )
    const before = await picture(page)
    await setTime(page, 10)
    assert.notEqual(await picture(page), before)
    assert.deepEqual(complaints, [])
  })

  it('shows a run that was interrupted before anything happened', async () => {
    const series = Object.fromEntries(
      Object.keys(RESULTS.series).map((name) => [name, []])
    ) as unknown as Results['series']
    const { complaints } = await open(
      renderReport({
        ...RESULTS,
        complete: false,
        simulated: 0,
        nodes: [],
        channels: [],
        groups: [],
        losses: [],
        attacks: [],
        risk: [],
        series
      })
    )
    assert.deepEqual(complaints, [])
  })
})

describe('the page of a sweep in a browser', () => {
  let browser: Browser

  before(async () => {
    browser = await launchChromium()
  })
  after(async () => {
    await browser.close()
  })

  for (const { width, dark } of [
    { width: 1280, dark: false },
    { width: 390, dark: true }
  ]) {
    it(`is ${dark ? 'dark' : 'light'}, ${width} pixels wide, and asks for nothing`, async () => {
      const { page, complaints, close } = await openPage(browser, renderSweep(makeSweep()), {
        width,
        dark
      })
      assert.equal(await page.evaluate('document.documentElement.scrollWidth'), width)
      assert.equal(await page.locator('svg.drawing').count(), 4)
      const paper = await page.evaluate(
        "getComputedStyle(document.querySelector('svg.drawing .paper')).fill"
      )
      assert.equal(paper, dark ? 'rgb(18, 23, 30)' : 'rgb(255, 255, 255)')
      assert.deepEqual(complaints, [])
      await close()
    })
  }
})
