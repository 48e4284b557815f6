/** Headless Chromium, driven by playwright-core. `run.sh` says where it is. */
import { chromium, type Browser } from 'playwright-core'

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
