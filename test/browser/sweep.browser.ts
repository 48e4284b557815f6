import assert from 'node:assert/strict'
import type { Browser } from 'playwright-core'
import { renderSweep } from '../../src/sim/report/index.js'
import { makeSweep } from '../sim/report/fixture.js'
import { launchChromium } from './chromium.js'
import { openPage } from './open-page.js'

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
