/** The dashboard of a made-up node: how it looks, what it says, what it never does. */
import assert from 'node:assert/strict'
import type { Browser, Page } from 'playwright-core'
import type { PaymentInfo } from '../../src/node/api.js'
import { PaychanError } from '../../src/types/errors.js'
import { satoshi } from '../../src/types/units.js'
import { CHANNEL, type FakeNode, payment, PEER, requested, terms } from '../daemon/fake-node.js'
import { launchChromium, type Look, LOW_CONTRASTS, openUrl } from './open-page.js'
import { busyNode, CHANNELS, serveDashboard, type ServedDashboard } from './dashboard-fixture.js'

const EVIL = '<img src=x onerror=alert(1)>'

/** Nothing of a dialog lies beside it. */
const FITS =
  "(() => { const { scrollWidth, clientWidth } = document.querySelector('dialog[open]'); return scrollWidth <= clientWidth })()"

/** What a browser says by itself when nobody answers, or somebody refuses. */
const FAILED = /^error: Failed to load resource/

describe('the dashboard in a browser', () => {
  let browser: Browser
  let node: FakeNode
  let served: ServedDashboard
  let ends: Array<() => Promise<void>>
  let complaints: readonly string[]

  before(async () => {
    browser = await launchChromium()
  })
  after(async () => {
    await browser.close()
  })
  beforeEach(async () => {
    node = busyNode()
    served = await serveDashboard(node)
    ends = []
  })
  afterEach(async () => {
    for (const end of ends) await end()
    await served.close()
  })

  async function open(look: Look = {}, url = served.url): Promise<Page> {
    const { origin } = new URL(url)
    const opened = await openUrl(browser, url, look, (asked) => asked.startsWith(origin))
    ends.push(opened.close)
    complaints = opened.complaints
    return opened.page
  }

  /** Opened, live, and with everything on it. */
  async function openLive(look: Look = {}): Promise<Page> {
    const page = await open(look)
    await page.getByText('live', { exact: true }).waitFor()
    await page.locator('#payment-list li').first().waitFor()
    return page
  }

  /** Payments that differ in their ids. */
  function paymentAt(number: number, changes: Partial<PaymentInfo> = {}): PaymentInfo {
    return { ...payment, id: `ff${String(number).padStart(30, '0')}`, ...changes }
  }

  it('shows what the node has, and asks nobody else for anything', async () => {
    const page = await openLive()
    assert.equal(await page.locator('#total').textContent(), '5,886,750 sat')
    assert.equal(await page.locator('#free').textContent(), '3,375,000 sat')
    assert.equal(await page.locator('#chain').textContent(), 'block 900,010 · 1 of 2 servers')
    assert.deepEqual(await page.locator('#channel-list h3').allTextContents(), [
      'bakery · 5f2c9a01',
      'relay-berlin · 1a2b3c4d',
      'archive · c0ffee12',
      '…vnc6iDEp · 0badcafe'
    ])
    const [first] = await page.locator('#channel-list li.card').all()
    assert.deepEqual(await first?.locator('.facts dd').allTextContents(), [
      'turn 6: the peer pays, 21 more',
      'payments until block 900,386, in 376 blocks (about 3 days)',
      '340,000 sat',
      '8 %',
      '1,179,000 sat',
      '794,000 sat'
    ])
    assert.equal(
      await first?.getByRole('img').getAttribute('aria-label'),
      'of 2,000,000 sat, ours 1,180,000 sat, theirs 795,000 sat'
    )
    assert.equal(await page.locator('#ended-count').textContent(), '1 closed channel')
    assert.deepEqual(complaints, [])
  })

  it('keeps the token out of the address, for as long as the tab is open', async () => {
    const page = await openLive()
    assert.equal(page.url(), served.url.replace(/#.*/, ''))
    await page.reload()
    await page.getByText('live', { exact: true }).waitFor()
    assert.equal(page.url().includes('token'), false)
    assert.deepEqual(complaints, [])
  })

  it('says what to do without a token, and with one that is not this run’s', async () => {
    const [place = ''] = served.url.split('#')
    for (const url of [place, `${place}#token=paychan_00000000_${'0'.repeat(64)}`]) {
      const page = await open({}, url)
      await page.getByText('no access', { exact: true }).waitFor()
      assert.match((await page.locator('#banner').textContent()) ?? '', /paychan start --ui/)
      assert.deepEqual(
        complaints.filter((complaint) => !FAILED.test(complaint)),
        []
      )
    }
    assert.deepEqual(node.calls, [])
  })

  it('takes another token in the same tab', async () => {
    const [place = ''] = served.url.split('#')
    const page = await open({}, place)
    await page.getByText('no access', { exact: true }).waitFor()
    await page.goto(served.url)
    await page.getByText('live', { exact: true }).waitFor()
    assert.equal(await page.locator('#banner').isVisible(), false)
  })

  it('says that the node does not answer, and misses nothing of that time', async () => {
    const page = await openLive()
    const { port } = new URL(served.url)
    await served.close()
    await page.getByText('no answer', { exact: true }).waitFor()
    assert.match((await page.locator('#banner').textContent()) ?? '', /Start it again/)
    node.emit({ type: 'payment', payment: paymentAt(1, { memo: 'meanwhile' }) })
    node.emit({
      type: 'alarm',
      code: 'ERR_NOT_WORTH_A_BID',
      text: 'A share is due.',
      facts: {},
      channel: CHANNEL
    })
    const again = await serveDashboard(node, Number(port))
    ends.push(again.close)
    await page.getByText('live', { exact: true }).waitFor()
    await page.locator('#payment-list').getByText('meanwhile').waitFor()
    await page.getByRole('alert').getByText('A share is due.').waitFor()
    assert.equal(await page.locator('#alarms li').count(), 1)
  })

  it('tells payments as they come, also aloud, and many of them in one sentence', async () => {
    const page = await openLive()
    const asked = node.calls.filter(({ verb }) => verb === 'channels').length
    for (let number = 0; number < 1_000; number++) {
      node.emit({
        type: 'payment',
        payment: paymentAt(number, { direction: 'received', amount: satoshi(10n) })
      })
    }
    const [newest] = await page.locator('#payment-list li').all()
    await page.locator('#said').getByText('999 payments, 9,990 sat').waitFor()
    assert.match((await newest?.textContent()) ?? '', /^received from …vnc6iDEp\+10 sat/)
    const more = node.calls.filter(({ verb }) => verb === 'channels').length - asked
    assert.ok(more < 10, `channels were asked for ${more} times`)
    assert.equal(await page.locator('#said').getAttribute('aria-live'), 'polite')
    assert.deepEqual(complaints, [])
  })

  it('keeps a payment that comes while an older list of payments is on its way', async () => {
    const page = await openLive()
    let answer = (_: PaymentInfo[]): void => {}
    const listed = new Promise<PaymentInfo[]>((resolve) => {
      answer = resolve
    })
    const asked = new Promise<void>((resolve) => {
      node.answers.payments = async () => {
        resolve()
        return await listed
      }
    })
    await page.getByLabel('Direction').selectOption('sent')
    await asked
    node.emit({ type: 'payment', payment: paymentAt(1, { memo: 'overtaking' }) })
    await page.locator('#payment-list').getByText('overtaking').waitFor()
    answer([payment])
    await page.locator('#payment-list').getByText('coffee', { exact: true }).waitFor()
    assert.deepEqual(await page.locator('#payment-list .memo').allTextContents(), [
      'overtaking',
      'coffee'
    ])
  })

  it('asks the node for the payments of one channel, in one direction', async () => {
    const page = await openLive()
    const answered = async (chosen: Promise<unknown>): Promise<void> => {
      await Promise.all([page.waitForResponse('**/v1/payments'), chosen])
    }
    await answered(page.getByLabel('Channel', { exact: true }).selectOption({ index: 1 }))
    await answered(page.getByLabel('Direction').selectOption('sent'))
    assert.deepEqual(node.calls.filter(({ verb }) => verb === 'payments').at(-1)?.args, [
      { channel: CHANNELS[0]?.id, direction: 'sent', limit: 26 }
    ])
    node.emit({ type: 'payment', payment: paymentAt(1, { memo: 'of another channel' }) })
    const ours = { channel: CHANNELS[0]?.id ?? CHANNEL, memo: 'of this one' }
    node.emit({ type: 'payment', payment: paymentAt(2, ours) })
    await page.locator('#payment-list').getByText('of this one').waitFor()
    assert.equal(await page.locator('#payment-list').getByText('of another').count(), 0)
  })

  it('shows the words of strangers as words', async () => {
    node.answers.aliases = async () => [{ name: EVIL, peerId: PEER }]
    node.answers.requests = async () => [{ ...requested, memo: EVIL }]
    node.answers.payments = async () => [{ ...payment, memo: EVIL }]
    node.answers.channels = async () =>
      CHANNELS.map((channel) => ({ ...channel, peerId: PEER, reason: EVIL }))
    const page = await openLive()
    node.emit({
      type: 'alarm',
      code: 'ERR_WATCH_FAILED',
      text: EVIL,
      facts: {},
      channel: undefined
    })
    node.emit({ type: 'payment', payment: paymentAt(1, { memo: `${EVIL}\u202e` }) })
    await page.locator('#alarms').getByText(EVIL).waitFor()
    await page.locator('#payment-list').getByText(`${EVIL}\ufffd`).waitFor()
    await page.locator('#request-list button').first().click()
    await page.locator('#request-memo').getByText(EVIL).waitFor()
    assert.equal(await page.locator('img').count(), 0)
    assert.deepEqual(complaints, [])
  })

  it('says next to a form why something was refused', async () => {
    const page = await openLive()
    await page.getByRole('button', { name: 'Pay', exact: true }).click()
    await page.getByLabel('To', { exact: true }).fill('bakery')
    await page.locator('#pay-amount').fill('0.5sat')
    await page.locator('#pay-button').click()
    const problem = page.locator('#pay-form .problem')
    assert.match((await problem.textContent()) ?? '', /A satoshi cannot be divided/)
    assert.equal(node.calls.filter(({ verb }) => verb === 'pay').length, 0)
    await page.locator('#pay-amount').fill('2100000000000001')
    await page.locator('#pay-button').click()
    await problem.getByText('between 0 and').waitFor()
    const text = 'Asked to pay 5 sat, but 4 sat are left.'
    node.answers.pay = async () => {
      throw new PaychanError('ERR_INSUFFICIENT_BALANCE', text)
    }
    await page.locator('#pay-amount').fill('5')
    await page.locator('#pay-button').click()
    await problem.getByText(text).waitFor()
    assert.equal(await problem.getAttribute('role'), 'alert')
  })

  it('offers to open a channel with a payee that has none with this node', async () => {
    node.answers.payRequest = async () => {
      throw new PaychanError('ERR_NO_CHANNEL', 'There is no channel with the payee.')
    }
    const page = await openLive()
    await page.getByRole('button', { name: 'Pay', exact: true }).click()
    await page.getByLabel('To', { exact: true }).fill(requested.text)
    await page.locator('#pay-button').click()
    await page.getByRole('button', { name: 'Pay 3,000 sat' }).click()
    await page.locator('#confirm-form .problem').getByText('There is no channel').waitFor()
    await page.getByRole('button', { name: 'Open a channel with the payee' }).click()
    assert.equal(await page.locator('#open-peer').inputValue(), terms.multiaddrs[0])
    await page.getByRole('button', { name: 'Open the channel' }).click()
    await page.locator('#said').getByText('is open').waitFor()
    const [request] = (node.calls.find(({ verb }) => verb === 'open')?.args ?? []) as [object]
    const amount = satoshi(30_000n)
    assert.deepEqual(request, { peer: terms.multiaddrs[0], amount, wait: 'broadcast' })
  })

  for (const width of [360, 390, 1440]) {
    it(`is no wider than a screen of ${width} pixels, with each of its dialogs`, async () => {
      const page = await openLive({ width, height: 780 })
      for (const opener of ['', '#pay', '#request', '#open', '#payment-list button']) {
        if (opener !== '') await page.locator(opener).first().click()
        assert.equal(await page.evaluate('document.documentElement.scrollWidth'), width, opener)
        const dialog = page.locator('dialog[open]')
        if (opener === '') continue
        assert.ok(((await dialog.boundingBox())?.width ?? width) < width)
        assert.ok(await page.evaluate<boolean>(FITS), opener)
        await page.keyboard.press('Escape')
      }
      assert.deepEqual(complaints, [])
    })
  }

  for (const dark of [false, true]) {
    it(`can be read, ${dark ? 'dark' : 'light'}: each text has a contrast of 4.5 at least`, async () => {
      const page = await openLive({ dark })
      node.emit({
        type: 'alarm',
        code: 'ERR_WATCH_FAILED',
        text: 'An alarm.',
        facts: {},
        channel: undefined
      })
      await page.locator('#alarms li').waitFor()
      for (const opener of [
        '#open',
        '#request-list button',
        '#channel-list button:text("Close")'
      ]) {
        assert.deepEqual(await page.evaluate(LOW_CONTRASTS), [])
        await page.locator(opener).first().click()
        assert.deepEqual(await page.evaluate(LOW_CONTRASTS), [], opener)
        await page.keyboard.press('Escape')
      }
    })
  }

  it('is light or dark as the system is, until somebody chooses', async () => {
    const page = await openLive({ dark: true })
    const paper = "getComputedStyle(document.querySelector('section')).backgroundColor"
    assert.equal(await page.evaluate(paper), 'rgb(18, 23, 30)')
    await page.getByRole('button', { name: 'Dark', pressed: true }).click()
    assert.equal(await page.evaluate(paper), 'rgb(255, 255, 255)')
    await page.reload()
    await page.getByRole('button', { name: 'Dark', pressed: false }).waitFor()
    assert.equal(await page.evaluate(paper), 'rgb(255, 255, 255)')
  })

  it('names all that it has for people who do not see it', async () => {
    const page = await openLive()
    for (const role of ['banner', 'main'] as const) {
      assert.equal(await page.getByRole(role).count(), 1)
    }
    assert.equal(await page.getByRole('region').count(), 5)
    assert.deepEqual(await page.locator('section h2').allTextContents(), [
      'Balance',
      'Channels',
      'Payments',
      'Requests',
      'This node'
    ])
    const unnamed = await page.evaluate(
      "[...document.querySelectorAll('input, select, textarea')].filter(each => each.labels.length === 0).map(each => each.id)"
    )
    assert.deepEqual(unnamed, [])
    const repeated = await page.evaluate(
      "[...document.querySelectorAll('[id]')].map(({ id }) => id).filter((id, at, all) => all.indexOf(id) !== at)"
    )
    assert.deepEqual(repeated, [])
    await page.getByRole('button', { name: 'Close channel 5f2c9a01 with bakery' }).waitFor()
  })

  it('leads the keyboard: past the top, into a dialog and back to where it was', async () => {
    const page = await openLive()
    const focused = 'document.activeElement.id || document.activeElement.textContent'
    await page.keyboard.press('Tab')
    assert.equal(await page.evaluate(focused), 'Skip to the channels')
    await page.keyboard.press('Enter')
    assert.equal(await page.evaluate(focused), 'channels')
    await page.keyboard.press('Tab')
    assert.equal(await page.evaluate(focused), 'Pay')
    await page.keyboard.press('Enter')
    assert.equal(await page.evaluate(focused), 'pay-amount')
    await page.keyboard.press('Escape')
    assert.equal(await page.evaluate(focused), 'Pay')
    // A channel that changes keeps the focus that is on one of its buttons.
    const [first] = CHANNELS
    assert.ok(first !== undefined)
    const channel = { ...first, status: 'offline' as const }
    node.answers.channels = async () => [channel, ...CHANNELS.slice(1)]
    node.emit({ type: 'channel', channel, news: { kind: 'disconnected' } })
    await page.locator('#channel-list').getByText('latest: the peer is disconnected').waitFor()
    assert.equal(await page.evaluate(focused), 'Pay')
    assert.notEqual(
      await page.evaluate('getComputedStyle(document.activeElement).outlineStyle'),
      'none'
    )
  })
})
