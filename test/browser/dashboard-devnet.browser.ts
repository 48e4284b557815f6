/** The dashboard of a real node: what a person does there happens between two nodes on a devnet. */
import assert from 'node:assert/strict'
import type { Browser, Page } from 'playwright-core'
import { satoshi } from '../../src/types/units.js'
import { Fixture, type TestNode } from '../node/fixture.js'
import { launchChromium, openUrl } from './open-page.js'
import { serveDashboard, type ServedDashboard } from './dashboard-fixture.js'

const EVIL = '<img src=x onerror=alert(1)>'

/** A devnet has no certificate, and a node that stops answers nothing. */
const FAILED = /^error: Failed to load resource/

describe('the dashboard of a node on a devnet', () => {
  let browser: Browser
  let fixture: Fixture
  let alice: TestNode
  let bob: TestNode
  let toBob: string
  let complaints: readonly string[]

  before(async () => {
    browser = await launchChromium()
  })
  after(async () => {
    await browser.close()
  })
  beforeEach(async () => {
    fixture = await Fixture.create()
    alice = await fixture.rich('alice', 2_000_000n, { keepsEvents: true })
    bob = await fixture.node('bob', { keepsEvents: true })
    toBob = (await bob.api.info()).peerId
    complaints = []
  })
  afterEach(async () => {
    await fixture.end()
    assert.deepEqual(
      complaints.filter((complaint) => !FAILED.test(complaint)),
      []
    )
  })

  async function channel(): Promise<string> {
    const peer = await bob.address()
    const { id } = await alice.api.channels.open({ peer, amount: satoshi(500_000n), blocks: 144 })
    return id
  }

  async function dashboardOf({ api }: TestNode, port = 0): Promise<ServedDashboard> {
    const served = await serveDashboard(api, port)
    fixture.onEnd(served.close)
    return served
  }

  async function open({ url }: ServedDashboard): Promise<Page> {
    const { origin } = new URL(url)
    const opened = await openUrl(browser, url, {}, (asked) => asked.startsWith(origin))
    complaints = opened.complaints
    fixture.onEnd(opened.close)
    await opened.page.getByText('live', { exact: true }).waitFor()
    return opened.page
  }

  it('asks for a payment, and sees it paid', async () => {
    await channel()
    const page = await open(await dashboardOf(bob))
    await page.getByRole('button', { name: 'Get paid' }).click()
    await page.locator('#request-amount-asked').fill('0.00003btc')
    await page.locator('#request-for').fill(EVIL)
    await page.getByRole('button', { name: 'Make the request' }).click()
    await page.locator('#request-state').getByText('Waiting for the payment.').waitFor()
    await page.getByRole('img', { name: 'QR code' }).waitFor()
    const request = (await page.locator('#request-texts code').first().textContent()) ?? ''
    const { receipt } = await alice.api.requests.pay({ request })
    await page.locator('#request-state').getByText('Paid.').waitFor()
    await page.keyboard.press('Escape')
    assert.match(
      (await page.locator('#payment-list li').textContent()) ?? '',
      /^received from .{9}\+3,000 sat<img src=x onerror=alert\(1\)>/
    )
    await page.locator('#request-list').getByText('paid', { exact: true }).waitFor()
    await page.locator('#channel-list').getByText('ours 3,000 sat').waitFor()
    assert.ok(receipt !== undefined)
  })

  it('pays a request once it has said what it asks for, and a peer once, however often it is asked', async () => {
    await channel()
    const { text } = await bob.api.requests.make({ amount: satoshi(3_000n), memo: EVIL })
    const page = await open(await dashboardOf(alice))
    await page.getByRole('button', { name: 'Pay', exact: true }).click()
    await page.getByLabel('To', { exact: true }).fill(text)
    await page.getByRole('button', { name: 'See what it asks for' }).click()
    await page.locator('#asked').getByText(`The payee says: ${EVIL}`).waitFor()
    assert.equal((await bob.api.payments.list()).length, 0)
    await page.getByRole('button', { name: 'Pay 3,000 sat' }).dblclick()
    await page
      .locator('#paid')
      .getByText(/^Paid 3,000 sat/)
      .waitFor()
    const receipt = (await page.locator('#paid code').textContent()) ?? ''
    assert.match(receipt, /^paychanreceipt1/)
    await page.keyboard.press('Escape')
    // The receipt is there later as well, by the payment.
    await page.locator('#payment-list button').first().click()
    await page.getByRole('button', { name: 'Get the receipt' }).click()
    await page.locator('#receipt').getByText(receipt).waitFor()
    await page.keyboard.press('Escape')

    await page.getByRole('button', { name: 'Pay', exact: true }).click()
    await page.getByLabel('To', { exact: true }).fill(toBob)
    await page.locator('#pay-amount').fill('1000')
    // The node pays, and its answer is lost.
    await page.route(
      '**/v1/pay',
      async (route) => {
        await route.fetch()
        await route.abort()
      },
      { times: 1 }
    )
    await page.locator('#pay-button').click()
    await page.locator('#pay-form .problem').getByText('is not known').waitFor()
    await page.locator('#pay-button').dblclick()
    await page.locator('#paid').getByText('1,000 sat were paid already').waitFor()
    const amounts = (await bob.api.payments.list()).map(({ amount }) => amount)
    assert.deepEqual(amounts, [1_000n, 3_000n])
  })

  it('opens a channel and closes it, with the keyboard alone', async () => {
    const page = await open(await dashboardOf(alice))
    await page.locator('#no-channels').waitFor()
    const { keyboard } = page
    const tabTo = async (name: string): Promise<void> => {
      const label =
        "document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent"
      do await keyboard.press('Tab')
      while (!(await page.evaluate<string>(label)).startsWith(name))
    }
    await tabTo('Open a channel')
    await keyboard.press('Enter')
    await page.locator('#open-cost').getByText('sat/vB').waitFor()
    await keyboard.type(await bob.address())
    await keyboard.press('Tab')
    await keyboard.type('400000')
    await keyboard.press('Tab')
    await keyboard.press('Tab')
    await keyboard.press('Space')
    await keyboard.press('Enter')
    const card = page.locator('#channel-list > li')
    await card.getByText('open', { exact: true }).waitFor()
    const [opened] = await alice.api.channels.list()
    assert.equal(opened?.mode, 'two-way')
    assert.equal(opened.capacity, 400_000n)
    await card.getByText('ours 400,000 sat').waitFor()
    await tabTo('Close channel')
    await keyboard.press('Enter')
    await page.locator('#close-words').getByText('400,000 sat come back').waitFor()
    await keyboard.press('Shift+Tab')
    await keyboard.press('Enter')
    await page.locator('#ended-count').getByText('1 closed channel').waitFor()
    const [closed] = await alice.api.channels.list()
    assert.equal(closed?.spend?.kind, 'close')
  })

  it('goes on where it was, after the node was stopped and started', async () => {
    await channel()
    const served = await dashboardOf(bob)
    const page = await open(served)
    await alice.api.pay({ to: toBob, amount: satoshi(2_000n), memo: 'before' })
    await page.locator('#payment-list').getByText('before').waitFor()
    await served.close()
    await bob.api.stop()
    await page.getByText('no answer', { exact: true }).waitFor()

    const again = await fixture.node('bob', { keepsEvents: true })
    await alice.api.peers.connect(await again.address())
    await alice.sees(async () => (await alice.api.channels.list())[0]?.status === 'open')
    await alice.api.pay({ to: toBob, amount: satoshi(700n), memo: 'meanwhile' })
    // Another run, another token: the one of before is worth nothing.
    const next = await dashboardOf(again, Number(new URL(served.url).port))
    await page.getByText('no access', { exact: true }).waitFor()
    const resumed = page.waitForRequest(
      (request) =>
        request.url().endsWith('/v1/events') && Number(request.headers()['last-event-id']) > 0
    )
    await page.goto(next.url)
    await resumed
    await page.getByText('live', { exact: true }).waitFor()
    await page.locator('#payment-list').getByText('meanwhile').waitFor()
    await page.locator('#channel-list').getByText('ours 2,700 sat').waitFor()
    assert.equal(await page.locator('#payment-list li').count(), 2)
  })
})
