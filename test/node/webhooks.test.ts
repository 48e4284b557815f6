/**
 * Webhooks in virtual time: what is posted, in which order, how often, and what a crash repeats.
 */
import assert from 'node:assert/strict'
import { createHmac, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { runInNewContext } from 'node:vm'
import ts from 'typescript'
import { EventLog } from '../../src/engine/event-log.js'
import type { NodeEvent, NumberedEventType } from '../../src/node/api.js'
import { numberedEvents } from '../../src/node/events.js'
import { secretText, signedHeaders, type WebhookAnswer } from '../../src/node/webhook-delivery.js'
import {
  WEBHOOK_PREFIX,
  type WebhookInfo,
  type WebhookOptions,
  type WebhookRequest,
  Webhooks
} from '../../src/node/webhooks.js'
import { Calendar, Draws, Life, SimClock } from '../../src/testing/calendar.js'
import { SimDisk, type SimStore } from '../../src/testing/disk.js'
import { quiet } from '../../src/testing/world.js'
import { codeOf, type PaychanError } from '../../src/types/errors.js'
import { corruptRecord, recordChange } from '../../src/types/records.js'

const SECOND = 1_000
const HOUR = 3_600 * SECOND
const DAY = 24 * HOUR
const URL = 'https://shop.example/paid'

/** A try, as the receiver has seen it. */
interface Posted {
  readonly id: string
  /** Milliseconds of virtual time. */
  readonly at: number
  readonly request: WebhookRequest
}

/** A node's webhooks with a receiver, over restarts and crashes. */
class Stage {
  readonly calendar = new Calendar()
  readonly #random = new Draws(1, 'webhooks')
  disk = new SimDisk()
  life = new Life()
  store!: SimStore
  log!: EventLog
  webhooks!: Webhooks
  readonly posted: Posted[] = []
  readonly alarms: PaychanError[] = []
  readonly damaged: string[] = []
  /** What the receiver does. */
  answer: (posted: Posted) => WebhookAnswer | Promise<WebhookAnswer> = () => ({ status: 204 })

  static async create(): Promise<Stage> {
    const stage = new Stage()
    await stage.start()
    return stage
  }

  async start({ sends = true }: { sends?: boolean } = {}): Promise<void> {
    this.life = new Life()
    this.store = this.disk.storeFor(this.life)
    const clock = new SimClock(this.calendar, this.life, 0)
    const log = new EventLog(this.store, clock, { openFor: () => undefined })
    this.log = log
    const { life } = this
    this.webhooks = new Webhooks({
      store: this.store,
      clock,
      random: this.#random,
      secret: new Uint8Array(32).fill(7),
      sender: sends
        ? {
            bodyOf: ({ number, event }) => JSON.stringify({ id: number, ...event }),
            post: async (request) => await life.ask(async () => await this.#receive(request))
          }
        : undefined,
      newest: () => log.newest,
      // An event that is told as a list is one with several parts.
      follow: (after, signal) =>
        numberedEvents(
          log,
          async (kept) => {
            if (kept.type === 'request') throw corruptRecord(kept.id)
            return kept.type === 'told' ? [kept.event as NodeEvent].flat() : []
          },
          after,
          signal
        ),
      onAlarm: (error) => this.alarms.push(error)
    })
    await log.load()
    await this.webhooks.load((error) => this.damaged.push(codeOf(error)))
    this.webhooks.start()
  }

  async #receive(request: WebhookRequest): Promise<WebhookAnswer> {
    const { 'webhook-id': id = '' } = request.headers
    const posted = { id, at: this.calendar.now, request }
    this.posted.push(posted)
    return await this.answer(posted)
  }

  /** As after a power cut, or after a stop: what is on the disk is there, and nothing else. */
  async restart(): Promise<void> {
    this.life.end()
    this.disk = new SimDisk({ contents: this.disk.snapshot() })
    await this.start()
  }

  async tell(...texts: string[]): Promise<void> {
    for (const text of texts) await this.log.tell(alarmOf(text))
  }

  async add(options: Partial<WebhookOptions> = {}): Promise<string> {
    return (await this.webhooks.add({ url: URL, ...options })).id
  }

  async pass(ms: number): Promise<void> {
    // What is not over without time passing comes first.
    await quiet()
    const until = this.calendar.now + ms
    await this.calendar.run(until)
  }

  /** The texts of the events that were posted, in the order of the tries. */
  get texts(): unknown[] {
    return this.posted.map(({ request }) => bodyOf(request)['text'])
  }

  async info(): Promise<WebhookInfo> {
    return (await this.webhooks.list())[0] ?? assert.fail('there is no webhook')
  }
}

function alarmOf(text: string, type: NumberedEventType = 'alarm'): NodeEvent {
  return { type, code: 'ERR_WATCH_FAILED', text, facts: {}, channel: undefined } as NodeEvent
}

function bodyOf({ body }: WebhookRequest): Record<string, unknown> {
  return JSON.parse(body) as Record<string, unknown>
}

async function never(): Promise<WebhookAnswer> {
  return await new Promise(() => {})
}

async function refusalOf(promise: Promise<unknown>): Promise<{ code: string; text: string }> {
  return await promise.then(
    () => assert.fail('it was not refused'),
    (error: Error) => ({ code: codeOf(error), text: error.message })
  )
}

describe('node / webhooks', () => {
  let stage: Stage

  beforeEach(async () => {
    stage = await Stage.create()
  })

  describe('post', () => {
    it('each event once, in order, from now on or from a number on', async () => {
      await stage.tell('one', 'two')
      await stage.add()
      await stage.add({ url: `${URL}/all`, from: 1 })
      await stage.add({ url: `${URL}/last`, from: 2 })
      await stage.tell('three', 'four')
      await stage.pass(DAY)
      const textsAt = (url: string): unknown[] =>
        stage.posted
          .filter(({ request }) => request.url === url)
          .map(({ request }) => bodyOf(request)['text'])
      assert.deepEqual(textsAt(URL), ['three', 'four'])
      assert.deepEqual(textsAt(`${URL}/all`), ['one', 'two', 'three', 'four'])
      assert.deepEqual(textsAt(`${URL}/last`), ['two', 'three', 'four'])
    })

    it('the number of an event, with a signature that its receiver can check', async () => {
      const { id, secret } = await stage.webhooks.add({ url: URL })
      await stage.tell('one')
      await stage.pass(0)
      const [{ request } = assert.fail()] = stage.posted
      assert.deepEqual([bodyOf(request)['id'], bodyOf(request)['type']], [1, 'alarm'])
      const { 'webhook-id': name, 'webhook-timestamp': time, ...others } = request.headers
      assert.equal(name, `msg_${id}_1`)
      assert.equal(time, '1767225600', '2026-01-01, where virtual time begins')
      const key = Buffer.from(secret.replace('whsec_', ''), 'base64')
      assert.equal(key.length, 32)
      const signature = createHmac('sha256', key).update(`${name}.${time}.${request.body}`)
      assert.equal(others['webhook-signature'], `v1,${signature.digest('base64')}`)
    })

    it('signatures as the libraries of Standard Webhooks check them', () => {
      // The vector of their own tests.
      const key = Buffer.from('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'base64')
      const headers = signedHeaders(
        key,
        'msg_p5jXN8AQM9LWM0D4loKWxJek',
        1_614_265_330_999,
        '{"test": 2432232314}'
      )
      assert.equal(headers['webhook-timestamp'], '1614265330')
      assert.equal(headers['webhook-signature'], 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=')
    })

    it('only the kinds that were asked for, and come back behind what they passed over', async () => {
      await stage.add({ events: ['request'] })
      await stage.log.tell(alarmOf('paid', 'request'))
      for (let n = 0; n < 30; n++) await stage.tell(`${n}`)
      await stage.pass(0)
      assert.deepEqual(stage.texts, ['paid'])
      assert.equal((await stage.info()).delivered, 31)
      await stage.restart()
      assert.equal((await stage.info()).delivered, 31)
      const { batches } = stage.disk
      await Promise.all(
        Array.from({ length: 30 }, async () => {
          await stage.tell('more')
        })
      )
      await stage.pass(0)
      assert.equal((await stage.info()).delivered, 61)
      // Those that come together are written together, and so are they passed over.
      assert.ok(stage.disk.batches - batches <= 4, `${stage.disk.batches - batches} writes`)
    })

    it('the parts of an event one by one', async () => {
      await stage.add()
      stage.answer = ({ id }) => ({ status: id.endsWith('_1_2') ? 500 : 200 })
      await stage.log.tell([alarmOf('a'), alarmOf('b'), alarmOf('c')])
      await stage.pass(SECOND)
      assert.deepEqual(stage.texts, ['a', 'b'])
      assert.equal((await stage.info()).delivered, 0, 'not all of it')
      await stage.restart()
      stage.answer = () => ({ status: 200 })
      await stage.pass(SECOND)
      assert.deepEqual(stage.texts, ['a', 'b', 'b', 'c'])
      assert.deepEqual(
        stage.posted.map(({ id }) => id.replace(/^msg_[0-9a-f]+/, '')),
        ['_1', '_1_2', '_1_2', '_1_3']
      )
      assert.equal((await stage.info()).delivered, 1)
    })
  })

  it('signatures that the examples of the docs verify', () => {
    const docs = readFileSync('docs/api.md', 'utf8').replace(/^ {2}/gm, '')
    const [, python = ''] = /```python\n([^`]*)```/.exec(docs) ?? []
    // The shop in Python verifies by it.
    assert.ok(readFileSync('test/python/shop.py', 'utf8').includes(python) && python !== '')
    const [, typescript = ''] = /```ts\n(function isVerified[^]*?)```/.exec(docs) ?? []
    const now = 1_800_000_000_000
    const isVerified = runInNewContext(`${ts.transpile(typescript)}\nisVerified`, {
      ...{ createHmac, timingSafeEqual, Buffer },
      Date: { now: () => now }
    }) as (secret: string, headers: Readonly<Record<string, string>>, body: string) => boolean
    const key = new Uint8Array(32).fill(3)
    const headers = signedHeaders(key, 'msg_1', now, '{}')
    assert.equal(isVerified(secretText(key), headers, '{}'), true)
    assert.equal(isVerified(secretText(key), headers, '{ }'), false)
    assert.equal(isVerified(secretText(new Uint8Array(32)), headers, '{}'), false)
    const old = signedHeaders(key, 'msg_1', now - HOUR, '{}')
    assert.equal(isVerified(secretText(key), old, '{}'), false)
  })

  describe('try again', () => {
    it('after pauses that double from 5 s to an hour, under the same id, with nothing in between', async () => {
      await stage.add()
      stage.answer = () => ({ status: 500 })
      await stage.tell('one', 'two')
      await stage.pass(12 * HOUR)
      const gaps = stage.posted.slice(1).map(({ at }, n) => at - (stage.posted[n]?.at ?? 0))
      assert.ok(gaps.length > 15, `${gaps.length} pauses`)
      for (const [n, gap] of gaps.entries()) {
        const longest = Math.min(5 * SECOND * 2 ** n, HOUR)
        assert.ok(gap >= longest / 2 && gap <= longest, `pause ${n} has ${gap} ms`)
      }
      assert.ok(new Set(gaps.slice(-5)).size > 1, 'no two webhooks keep step')
      assert.deepEqual([...new Set(stage.posted.map(({ id }) => id.slice(-2)))], ['_1'])
      assert.deepEqual([...new Set(stage.texts)], ['one'])
      const { status, delivered, failures, nextTry, lastStatus } = await stage.info()
      assert.deepEqual(
        [status, delivered, failures, lastStatus],
        ['failing', 0, gaps.length + 1, 500]
      )
      assert.ok(nextTry !== undefined && nextTry > 1_767_225_600_000 + 12 * HOUR)
      // A signature says when it was made, so that nobody can send it again much later.
      const times = stage.posted.map(({ request }) => request.headers['webhook-timestamp'])
      assert.equal(new Set(times).size, times.length)
      stage.answer = () => ({ status: 200 })
      await stage.pass(HOUR)
      assert.deepEqual(stage.texts.slice(-2), ['one', 'two'])
      assert.deepEqual((await stage.info()).failures, 0)
    })

    it('when there was no answer, or one that is no yes', async () => {
      await stage.add()
      const answers: Array<() => WebhookAnswer | Promise<WebhookAnswer>> = [
        () => ({ status: 301 }),
        () => ({ status: 404 }),
        () => ({ status: 199 }),
        () => ({ status: 300 }),
        async () => await Promise.reject(new Error('connect ECONNREFUSED')),
        () => {
          throw new Error('a fault of the sender')
        },
        () => ({ status: 299 })
      ]
      const problems: Array<string | undefined> = []
      stage.answer = async () => {
        problems.push((await stage.info()).lastProblem)
        const [answer = assert.fail()] = answers.splice(0, 1)
        return await answer()
      }
      await stage.tell('one')
      await stage.pass(HOUR)
      assert.equal(stage.posted.length, 7)
      assert.deepEqual(problems.slice(5), ['connect ECONNREFUSED', 'a fault of the sender'])
    })

    it('when the receiver asked for it, but within an hour', async () => {
      await stage.add()
      const asked = [60 * SECOND, 50 * HOUR]
      stage.answer = () => ({ status: 429, retryAfterMs: asked[stage.posted.length - 1] })
      await stage.tell('one')
      await stage.pass(2 * HOUR)
      const [first = 0, second = 0, third = 0] = stage.posted.map(({ at }) => at)
      assert.deepEqual([second - first, third - second], [60 * SECOND, HOUR])
    })

    it('and tell a person once, when nothing was taken for an hour', async () => {
      await stage.add()
      stage.answer = () => ({ status: 500 })
      await stage.tell('one')
      await stage.pass(2 * DAY)
      assert.deepEqual(stage.alarms.map(codeOf), ['ERR_WEBHOOK_FAILING'])
      assert.match(
        stage.alarms[0]?.message ?? '',
        /shop\.example has not taken .* \(it answered 500\)/
      )
    })
  })

  it('stop for a receiver that is gone, say so, and go on by a replay', async () => {
    const id = await stage.add()
    stage.answer = ({ request }) => ({ status: bodyOf(request)['text'] === 'two' ? 410 : 200 })
    await stage.tell('one', 'two', 'three')
    await stage.pass(2 * DAY)
    assert.deepEqual(stage.texts, ['one', 'two'])
    const { status, delivered, nextTry, lastStatus } = await stage.info()
    assert.deepEqual([status, delivered, nextTry, lastStatus], ['stopped', 1, undefined, 410])
    assert.deepEqual(stage.alarms.map(codeOf), ['ERR_WEBHOOK_STOPPED'])
    assert.match(stage.alarms[0]?.message ?? '', new RegExp(`webhook replay ${id} --from 2`))
    await stage.restart()
    await stage.pass(DAY)
    assert.deepEqual([stage.posted.length, (await stage.info()).status], [2, 'stopped'])
    stage.answer = () => ({ status: 200 })
    assert.equal((await stage.webhooks.replay(id, 2)).status, 'active')
    await stage.pass(0)
    assert.deepEqual(stage.texts.slice(2), ['two', 'three'])
  })

  describe('leave a slow receiver', () => {
    it('after 15 s, and keep nobody else waiting', async () => {
      await stage.add()
      await stage.add({ url: `${URL}/quick` })
      stage.answer = async ({ request }) => (request.url === URL ? await never() : { status: 200 })
      await stage.tell(...Array.from({ length: 100 }, (_, n) => `${n}`))
      await stage.pass(14_999)
      const slow = (): Posted[] => stage.posted.filter(({ request }) => request.url === URL)
      assert.equal(stage.posted.length - slow().length, 100)
      assert.deepEqual(
        slow().map(({ request }) => request.signal.aborted),
        [false],
        'one at a time, and nothing piles up'
      )
      await stage.pass(1)
      assert.equal(slow()[0]?.request.signal.aborted, true)
      const info = (await stage.webhooks.list()).find(({ url }) => url === URL)
      assert.equal(info?.lastProblem, 'there was no answer within 15 s')
      await stage.pass(5 * SECOND)
      assert.deepEqual(
        slow().map(({ id }) => id.slice(-2)),
        ['_1', '_1']
      )
    })

    it('at once when the node stops, and come back to what it has not taken', async () => {
      await stage.add()
      stage.answer = never
      await stage.tell('one')
      await stage.pass(SECOND)
      await stage.webhooks.stop()
      assert.equal(stage.posted[0]?.request.signal.aborted, true)
      stage.answer = () => ({ status: 200 })
      await stage.pass(DAY)
      assert.equal(stage.posted.length, 1, 'nothing is posted by a node that has stopped')
      await stage.restart()
      await stage.pass(0)
      assert.deepEqual(stage.texts, ['one', 'one'])
    })

    it('at once when it is taken away, and never come back', async () => {
      const id = await stage.add()
      let late: (answer: WebhookAnswer) => void = () => {}
      stage.answer = async () =>
        await new Promise((resolve) => {
          late = resolve
        })
      await stage.tell('one', 'two')
      await stage.pass(SECOND)
      await stage.webhooks.remove(id)
      assert.equal(stage.posted[0]?.request.signal.aborted, true)
      late({ status: 200 })
      await stage.pass(DAY)
      await stage.restart()
      await stage.pass(DAY)
      assert.equal(stage.posted.length, 1)
      assert.deepEqual(await stage.webhooks.list(), [])
      for await (const [key] of stage.store.entries(WEBHOOK_PREFIX)) assert.fail(key)
      assert.equal((await refusalOf(stage.webhooks.remove(id))).code, 'ERR_NO_WEBHOOK')
    })
  })

  it('repeat one try at the most after a crash, at whichever write, and miss nothing', async () => {
    const TEXTS = ['one', 'two', 'three', 'four', 'five']
    let repeated = 0
    for (let at = 2; at <= 1 + TEXTS.length; at++) {
      for (const when of ['before', 'after'] as const) {
        stage = await Stage.create()
        await stage.tell(...TEXTS)
        let writes = 0
        const crash = (): void => {
          if (++writes === at) stage.life.end()
        }
        if (when === 'before') stage.disk.beforeWrite = crash
        else stage.disk.onDurable(crash)
        await stage.add({ from: 1 })
        await stage.pass(0)
        assert.equal(stage.life.alive, false, `crashed ${when} write ${at}`)
        await stage.restart()
        await stage.pass(0)
        assert.deepEqual([...new Set(stage.texts)], TEXTS)
        assert.ok(stage.texts.length <= TEXTS.length + 1, String(stage.texts))
        repeated += stage.texts.length - TEXTS.length
      }
    }
    assert.equal(repeated, TEXTS.length, 'once for each answer that was not on the disk yet')
  })

  it('repeat what is asked for by its number, under the ids that it had', async () => {
    const id = await stage.add()
    await stage.tell('one', 'two', 'three')
    await stage.pass(0)
    assert.equal((await stage.webhooks.replay(id, 2)).delivered, 1)
    await stage.restart()
    await stage.pass(0)
    assert.deepEqual(stage.texts, ['one', 'two', 'three', 'two', 'three'])
    const ids = stage.posted.map((posted) => posted.id)
    assert.deepEqual(ids.slice(3), ids.slice(1, 3))
    for (const from of [0, -1, 1.5, Number.NaN, 5]) {
      assert.equal((await refusalOf(stage.webhooks.replay(id, from))).code, 'ERR_INVALID_WEBHOOK')
    }
    assert.equal((await refusalOf(stage.webhooks.replay('x', 1))).code, 'ERR_NO_WEBHOOK')
  })

  it('replay at once, also in the middle of a try, whose answer then says nothing', async () => {
    const id = await stage.add()
    await stage.tell('one', 'two')
    await stage.pass(0)
    let late: (answer: WebhookAnswer) => void = () => {}
    stage.answer = async () =>
      await new Promise((resolve) => {
        late = resolve
      })
    await stage.tell('three')
    await stage.pass(0)
    const answerLate = late
    await stage.webhooks.replay(id, 1)
    answerLate({ status: 410 })
    await stage.pass(0)
    const { status, failures } = await stage.info()
    assert.deepEqual([status, failures, stage.alarms], ['active', 0, []])
    late({ status: 200 })
    stage.answer = () => ({ status: 200 })
    await stage.pass(0)
    assert.deepEqual(stage.texts.slice(3), ['one', 'two', 'three'])
  })

  it('say first that events are gone, when a receiver was away for longer than they are kept', async () => {
    await stage.add({ events: ['payment'] })
    stage.answer = () => ({ status: 500 })
    for (const text of ['one', 'two', 'three']) await stage.log.tell(alarmOf(text, 'payment'))
    await stage.pass(31 * DAY)
    await stage.log.tell(alarmOf('four', 'payment'))
    stage.posted.length = 0
    stage.answer = () => ({ status: 200 })
    await stage.restart()
    await stage.pass(0)
    const [lost, next] = stage.posted.map(({ request }) => bodyOf(request))
    assert.deepEqual([lost?.['type'], lost?.['code']], ['alarm', 'ERR_EVENTS_LOST'])
    assert.deepEqual(lost?.['facts'], { after: 0, first: 3 })
    assert.match(stage.posted[0]?.id ?? '', /_lost_0_3$/, 'no event had, or has, this id')
    assert.equal(next?.['text'], 'four')
    assert.equal((await stage.info()).delivered, 4)
  })

  describe('refuse', () => {
    it('URLs that would show who paid what, or lead nowhere, with a sentence each', async () => {
      const cases: ReadonlyArray<readonly [url: string, says: RegExp]> = [
        ['', /whole URL/],
        ['shop.example/paid', /whole URL/],
        ['https://', /whole URL/],
        ['ftp://shop.example/', /not over ftp:/],
        ['file:///etc/passwd', /not over file:/],
        ['javascript:alert(1)', /not over javascript:/],
        ['http://shop.example/paid', /all on the way to shop\.example could read/],
        ['http://192.168.1.2/paid', /all on the way/],
        ['http://127.0.0.1.example/', /all on the way/],
        ['http://127.evil/', /all on the way/],
        ['http://[::2]/', /all on the way/],
        ['https://me:pa55@shop.example/', /name or a password/],
        ['https://me@shop.example/', /name or a password/],
        [`https://shop.example/${'x'.repeat(2_048)}`, /2048 characters/]
      ]
      for (const [url, says] of cases) {
        const { code, text } = await refusalOf(stage.add({ url }))
        assert.equal(code, 'ERR_INVALID_WEBHOOK', url)
        assert.match(text, says, url)
        assert.doesNotMatch(text, /pa55/)
      }
      assert.deepEqual(await stage.webhooks.list(), [])
      for (const url of ['http://127.0.0.1:8080/', 'http://localhost/', 'http://[::1]:1/']) {
        await stage.add({ url })
      }
    })

    it('kinds that have no number, numbers that are not there, and the seventeenth', async () => {
      await stage.tell('one')
      for (const options of [
        { events: [] },
        { events: ['chain' as 'alarm'] },
        { from: 0 },
        { from: 3 }
      ]) {
        const { code } = await refusalOf(stage.add(options))
        assert.equal(code, 'ERR_INVALID_WEBHOOK', JSON.stringify(options))
      }
      const added = await Promise.allSettled(
        Array.from({ length: 17 }, async () => await stage.add())
      )
      assert.equal(added.filter(({ status }) => status === 'fulfilled').length, 16)
      assert.equal((await refusalOf(stage.add())).code, 'ERR_TOO_MANY_WEBHOOKS')
    })

    it('all, where nothing is posted; those of before can still be taken away', async () => {
      const id = await stage.add()
      stage.life.end()
      await stage.start({ sends: false })
      assert.equal((await refusalOf(stage.add())).code, 'ERR_WEBHOOKS_NOT_SENT')
      assert.equal((await refusalOf(stage.webhooks.replay(id, 1))).code, 'ERR_WEBHOOKS_NOT_SENT')
      await stage.webhooks.remove(id)
      assert.deepEqual(await stage.webhooks.list(), [])
    })
  })

  it('keep their secret to themselves, and on no disk', async () => {
    const { id, secret } = await stage.webhooks.add({ url: `${URL}?key=of-the-receiver` })
    const key = Buffer.from(secret.replace('whsec_', ''), 'base64')
    stage.answer = () => ({ status: stage.posted.length > 15 ? 410 : 500 })
    await stage.tell('one')
    await stage.pass(DAY)
    assert.equal(stage.alarms.length, 2)
    const kept: string[] = []
    for await (const [, value] of stage.store.entries('')) {
      kept.push(Buffer.from(value).toString('latin1'))
    }
    const errors = [refusalOf(stage.webhooks.replay(id, 99)), refusalOf(stage.add({ url: 'x' }))]
    const told = [
      ...(await Promise.all(errors)).map(({ text }) => text),
      ...stage.alarms.map(({ message, facts }) => message + JSON.stringify(facts)),
      JSON.stringify(stage.posted.map(({ request }) => [request.headers, request.body])),
      JSON.stringify(await stage.webhooks.list()),
      ...kept
    ]
    for (const form of [secret, secret.slice(6), key.toString('hex'), key.toString('latin1')]) {
      assert.ok(!told.some((text) => text.includes(form)))
    }
    // Alarms are read with a token for reading: they do not show what a URL may hold.
    assert.ok(
      !stage.alarms.some(({ message, facts }) =>
        `${message}${JSON.stringify(facts)}`.includes('of-the-receiver')
      )
    )
  })

  it('leave out an event of a request whose record is damaged', async () => {
    await stage.add()
    await stage.tell('one')
    const request = { at: 0, event: { type: 'request', id: '1' } }
    await stage.store.commit([recordChange('event/000000000000002', request)])
    await stage.restart()
    await stage.tell('three')
    await stage.pass(0)
    assert.deepEqual(stage.texts, ['one', 'three'])
  })

  it('leave out a record that is damaged, and tell it', async () => {
    const id = await stage.add()
    await stage.store.commit([{ key: WEBHOOK_PREFIX + id, value: Uint8Array.of(1) }])
    await stage.restart()
    assert.deepEqual(await stage.webhooks.list(), [])
    assert.deepEqual(stage.damaged, ['ERR_STORE_CORRUPT'])
  })
})
