/** A page in the browser, with an eye on everything that it must not do. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Browser, chromium, type Page } from 'playwright-core'

export interface Opened {
  readonly page: Page
  /** Errors, warnings and dialogs of the page; requests for anything but the file itself. */
  readonly complaints: readonly string[]
  readonly close: () => Promise<void>
}

export interface Look {
  readonly width?: number
  readonly height?: number
  readonly dark?: boolean
}

/** Writes `html` to a file and opens it as somebody would who was sent it. */
export async function openPage(browser: Browser, html: string, look: Look = {}): Promise<Opened> {
  const folder = mkdtempSync(join(tmpdir(), 'paychan-report-'))
  const file = join(folder, 'report.html')
  writeFileSync(file, html)
  const url = pathToFileURL(file).href
  const opened = await openUrl(browser, url, look, (asked) => asked === url)
  await painted(opened.page)
  return {
    ...opened,
    close: async () => {
      await opened.close()
      rmSync(folder, { recursive: true })
    }
  }
}

/** Opens a page that may ask for what `mayAsk` lets pass, and for nothing else. */
export async function openUrl(
  browser: Browser,
  url: string,
  look: Look,
  mayAsk: (url: string) => boolean
): Promise<Opened> {
  const page = await browser.newPage({
    viewport: { width: look.width ?? 1280, height: look.height ?? 900 },
    colorScheme: look.dark === true ? 'dark' : 'light',
    reducedMotion: 'reduce'
  })
  // Less than a test has: what did not come is named.
  page.setDefaultTimeout(15_000)
  const complaints: string[] = []
  page.on('console', (message) => {
    complaints.push(`${message.type()}: ${message.text()}`)
  })
  page.on('pageerror', (error) => {
    complaints.push(`error: ${error.message}`)
  })
  page.on('request', (request) => {
    if (!mayAsk(request.url()) && !request.url().startsWith('data:')) {
      complaints.push(`request: ${request.url()}`)
    }
  })
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  await page.goto(url)
  return {
    page,
    complaints,
    close: async () => {
      await page.close()
    }
  }
}

/** Whatever was asked for is on the screen: it is painted within the next frame. */
export async function painted(page: Page): Promise<void> {
  await page.evaluate(
    'new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))'
  )
}

/** The picture of the network, to compare with itself. */
export async function picture(page: Page): Promise<string> {
  await painted(page)
  return await page.evaluate<string>("document.getElementById('picture').toDataURL()")
}

/** Sets the slider as a hand would. */
export async function setTime(page: Page, sample: number): Promise<void> {
  await page.locator('#time').fill(String(sample))
  await painted(page)
}

/** The first column of a table, as far as it is shown. */
export async function firstColumn(page: Page, table: string): Promise<string[]> {
  return await page.locator(`#${table} tbody th`).allTextContents()
}

/* Headless Chromium, driven by playwright-core. `run.sh` says where it is. */

/**
 * Without these it looks for updates and for Google's hosts at every start, which a test must not.
 */
const QUIET = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync'
]

/** Of `PAYCHAN_TEST_CHROMIUM`, the path of its program. */
export async function launchChromium(): Promise<Browser> {
  const executablePath = process.env.PAYCHAN_TEST_CHROMIUM
  if (executablePath === undefined) {
    throw new Error(
      'PAYCHAN_TEST_CHROMIUM must name the program of Chromium; test/browser/run.sh sets it'
    )
  }
  return await chromium.launch({ executablePath, args: QUIET })
}

/**
 * A script for a page: all texts in sight whose contrast to what is behind them is below 4.5 to 1
 * (WCAG 2.2, 1.4.3), each with its ratio.
 */
export const LOW_CONTRASTS = `(() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number)
  const luminance = ([r, g, b]) => {
    const [R, G, B] = [r, g, b].map((value) => {
      const part = value / 255
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * R + 0.7152 * G + 0.0722 * B
  }
  const over = ([r, g, b, a = 1], [R, G, B]) => [r, g, b].map((value, at) => value * a + [R, G, B][at] * (1 - a))
  const behind = (element) => {
    if (element === null) return [255, 255, 255]
    const colour = channels(getComputedStyle(element).backgroundColor)
    return colour[3] === 0 ? behind(element.parentElement) : over(colour, behind(element.parentElement))
  }
  const home = document.querySelector('dialog[open]') ?? document.body
  return [...home.querySelectorAll('*')].flatMap((element) => {
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== '')
    if (!hasText || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) return []
    const paper = behind(element)
    const ink = over(channels(getComputedStyle(element).color), paper)
    const [dim, bright] = [luminance(ink), luminance(paper)].sort((a, b) => a - b)
    const ratio = (bright + 0.05) / (dim + 0.05)
    return ratio < 4.5 ? [element.textContent.trim().slice(0, 40) + ': ' + ratio.toFixed(2)] : []
  })
})()`
