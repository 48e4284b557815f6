/**
 * Webhooks: receivers to whom the events with a number are posted, in their order, each until it is
 * taken. What a receiver has not taken waits on the disk, and how far it has come is on the disk
 * after each answer: a crash repeats the one try that was under way.
 *
 * - `webhook/<id>`: the URL, the kinds of events, and how far it has come
 *
 * The key of its signatures is made from the seed and the id, so it lies nowhere.
 */
import { createHmac } from 'node:crypto'
import { z } from 'zod'
import { type Clock, contained, type Random, type Store } from '../engine/ports.js'
import { toHex } from '../types/bytes.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import { parseRecord, recordChange, unlessDamaged } from '../types/records.js'
import { NUMBERED_EVENTS, type NumberedEventType, type NumberedNodeEvent } from './answers.js'
import { isConfidential } from './system.js'
import {
  afterAnswer,
  type Delivery,
  deliveryAt,
  isWanted,
  type Part,
  Parts,
  readAfter,
  secretText,
  signedHeaders,
  TOLD_FAILURES,
  type WebhookAnswer
} from './webhook-delivery.js'

/* `node.webhooks`: receivers to whom this node posts its events. */

/** A receiver, and what it is to hear. */
export interface WebhookOptions {
  /** `https:`, or `http:` to this machine itself. */
  readonly url: string
  /** All that have a number when left out. */
  readonly events?: readonly NumberedEventType[] | undefined
  /** The number of the first event that is posted; those from now on when left out. */
  readonly from?: number | undefined
}

/**
 * `active`: the receiver has taken what there was, or is about to; `failing`: it has not taken the
 * newest try, and there will be another; `stopped`: it has said that it wants no more.
 */
export type WebhookStatus = 'active' | 'failing' | 'stopped'

/** A receiver, and how far it has come; without its secret. */
export interface WebhookInfo {
  /** The name by which it is replayed and removed. */
  readonly id: string
  /** Where events are posted. */
  readonly url: string
  /** Undefined for all that have a number. */
  readonly events: readonly NumberedEventType[] | undefined
  /** How the newest try went. */
  readonly status: WebhookStatus
  /** The receiver has all events up to this number that it asked for. */
  readonly delivered: number
  /** Number of tries in a row that failed since the receiver took an event. */
  readonly failures: number
  /** Milliseconds since 1970; undefined when none is planned. */
  readonly nextTry: number | undefined
  /** The HTTP status of the newest answer since the node started; undefined before the first. */
  readonly lastStatus: number | undefined
  /** The reason why the newest try had no answer; undefined when it had one. */
  readonly lastProblem: string | undefined
  /** Milliseconds since 1970. */
  readonly made: number
}

/** A webhook that was just added, with its secret. */
export interface NewWebhook extends WebhookInfo {
  /** The key of the signatures, `whsec_...`. This is the one time that it is shown. */
  readonly secret: string
}

/** `node.webhooks`: receivers to whom this node posts its events. */
export interface WebhooksApi {
  /**
   * Posts events to a URL from now on, or from a number on, one after another; shows the secret of
   * their signatures this one time; waits for the disk. An event is posted until the receiver
   * answers 2xx, so it may come twice: `webhook-id` is the same then.
   *
   * @throws PaychanError `ERR_INVALID_WEBHOOK`, `ERR_TOO_MANY_WEBHOOKS`, `ERR_WEBHOOKS_NOT_SENT`
   * @example
   * const { id, secret } = await node.webhooks.add({ url: 'https://shop.example/paid', from: 1 })
   */
  add: (options: WebhookOptions) => Promise<NewWebhook>
  /**
   * Lists the webhooks, the newest first, with how far each has come.
   *
   * @example
   * const failing = (await node.webhooks.list()).filter(({ failures }) => failures > 0)
   */
  list: () => Promise<WebhookInfo[]>
  /**
   * Takes a webhook away at once, also in the middle of a try; waits for the disk.
   *
   * @throws PaychanError `ERR_NO_WEBHOOK`
   * @example
   * await node.webhooks.remove('5f0c9a135f0c9a13')
   */
  remove: (id: string) => Promise<void>
  /**
   * Posts the events from a number on once more, now, each with the `webhook-id` that it had; also
   * to a receiver that is not due yet, or had wanted no more. Waits for the disk.
   *
   * @throws PaychanError `ERR_NO_WEBHOOK`, `ERR_INVALID_WEBHOOK`, `ERR_WEBHOOKS_NOT_SENT`
   * @example
   * const { delivered } = await node.webhooks.replay('5f0c9a135f0c9a13', 17)
   */
  replay: (id: string, from: number) => Promise<WebhookInfo>
}

export const WEBHOOK_PREFIX = 'webhook/'

const MOST_WEBHOOKS = 16
const LONGEST_URL = 2_048
/** Ids are never given out twice, since the keys are made from them. */
const ID_BYTES = 8

/** Milliseconds that a receiver has for its answer. */
const TRY_MS = 15_000

/** Characters of a reason for having no answer. */
const LONGEST_PROBLEM = 200

/** One try, as it goes out. */
export interface WebhookRequest {
  /** The URL that was given to `webhooks.add`. */
  readonly url: string
  /** With `webhook-id`, `webhook-timestamp` and `webhook-signature`. */
  readonly headers: Readonly<Record<string, string>>
  /** JSON, over which the signature goes. */
  readonly body: string
  /** Ends the try. */
  readonly signal: AbortSignal
}

/** Writes events as requests, and sends them. */
export interface WebhookSender {
  /** Writes an event, with its number, as the body of a request. */
  readonly bodyOf: (told: NumberedNodeEvent) => string
  /** Rejects when there is no answer. Follows no redirect, and keeps nothing of the answer. */
  readonly post: (request: WebhookRequest) => Promise<WebhookAnswer>
}

/** The parts of a node that webhooks need. */
export interface WebhooksEnv {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  /** Keys are made from it: a secret that no other use has. */
  readonly secret: Uint8Array
  /** Undefined for a node that keeps events for no webhooks. */
  readonly sender: WebhookSender | undefined
  /** The number of the newest event. */
  readonly newest: () => number
  readonly follow: (after: number, signal: AbortSignal) => AsyncIterable<NumberedNodeEvent>
  readonly onAlarm: (error: PaychanError) => void
}

const webhookSchema = z.object({
  url: z.string(),
  events: z.array(z.enum(NUMBERED_EVENTS)).optional(),
  made: z.number(),
  position: z.object({ number: z.number(), parts: z.number().optional() }),
  isStopped: z.boolean()
})

type WebhookRecord = z.infer<typeof webhookSchema>

class Webhook {
  delivery: Delivery
  /** Ends what is under way for it. */
  gone = new AbortController()
  /** Its delivery under way. */
  work: Promise<void> = Promise.resolve()
  readonly #record: Pick<WebhookRecord, 'url' | 'events' | 'made'>

  constructor(
    readonly id: string,
    record: Pick<WebhookRecord, 'url' | 'events' | 'made'>,
    delivery: Delivery
  ) {
    this.#record = record
    this.delivery = delivery
  }

  get url(): string {
    return this.#record.url
  }

  get events(): WebhookOptions['events'] {
    return this.#record.events
  }

  /** Names the receiver for texts that others read: paths and queries may hold secrets. */
  get host(): string {
    return new URL(this.url).host
  }

  get info(): WebhookInfo {
    const { position, isStopped, failures, nextTry, lastStatus, lastProblem } = this.delivery
    return {
      id: this.id,
      url: this.url,
      events: this.events,
      status: isStopped ? 'stopped' : failures > 0 ? 'failing' : 'active',
      delivered: readAfter(position),
      failures,
      nextTry,
      lastStatus,
      lastProblem,
      made: this.#record.made
    }
  }

  change(): ReturnType<typeof recordChange> {
    const { position, isStopped } = this.delivery
    return recordChange(WEBHOOK_PREFIX + this.id, { ...this.#record, position, isStopped })
  }
}

export class Webhooks implements WebhooksApi {
  readonly #webhooks = new Map<string, Webhook>()
  #isRunning = false
  readonly #env: WebhooksEnv

  constructor(env: WebhooksEnv) {
    this.#env = env
  }

  /** Leaves out webhooks that are damaged, and tells them. */
  async load(onDamaged: (error: unknown) => void): Promise<void> {
    for await (const [key, value] of this.#env.store.entries(WEBHOOK_PREFIX)) {
      const record = unlessDamaged(() => readWebhook(key, value), onDamaged)
      if (record === undefined) continue
      const { position, isStopped, ...rest } = record
      const { number, parts } = position
      const id = key.slice(WEBHOOK_PREFIX.length)
      this.#webhooks.set(id, new Webhook(id, rest, deliveryAt({ number, parts }, isStopped)))
    }
  }

  /** Begins to post; to be called once events can be read. */
  start(): void {
    this.#isRunning = true
    for (const webhook of this.#webhooks.values()) this.#resume(webhook)
  }

  /** Ends what is under way; resolves when nothing is. */
  async stop(): Promise<void> {
    this.#isRunning = false
    const all = [...this.#webhooks.values()]
    for (const { gone } of all) gone.abort()
    await Promise.all(all.map(async ({ work }) => await work))
  }

  readonly add = async ({ url, events, from }: WebhookOptions): Promise<NewWebhook> => {
    const { store, clock, random } = this.#env
    this.#assertSent()
    const position = this.#positionBefore(from ?? this.#env.newest() + 1)
    const record = { url: checkedUrl(url), events: checkedEvents(events), made: clock.now() }
    if (this.#webhooks.size >= MOST_WEBHOOKS) {
      throw new PaychanError(
        'ERR_TOO_MANY_WEBHOOKS',
        `There are ${MOST_WEBHOOKS} webhooks already: remove one that is not used any more.`
      )
    }
    const id = toHex(random.bytes(ID_BYTES))
    const webhook = new Webhook(id, record, deliveryAt(position))
    this.#webhooks.set(id, webhook)
    await store.commit([webhook.change()])
    this.#resume(webhook)
    return { ...webhook.info, secret: secretText(this.#keyOf(webhook)) }
  }

  readonly list = async (): Promise<WebhookInfo[]> =>
    [...this.#webhooks.values()].map(({ info }) => info).sort((a, b) => b.made - a.made)

  readonly remove = async (id: string): Promise<void> => {
    const { gone } = this.#named(id)
    // First out of use: no answer that comes now writes it again.
    this.#webhooks.delete(id)
    gone.abort()
    await this.#env.store.commit([{ key: WEBHOOK_PREFIX + id, value: undefined }])
  }

  readonly replay = async (id: string, from: number): Promise<WebhookInfo> => {
    this.#assertSent()
    const webhook = this.#named(id)
    const position = this.#positionBefore(from)
    webhook.gone.abort()
    webhook.gone = new AbortController()
    webhook.delivery = deliveryAt(position)
    await this.#env.store.commit([webhook.change()])
    this.#resume(webhook)
    return webhook.info
  }

  #assertSent(): void {
    if (this.#env.sender !== undefined) return
    throw new PaychanError(
      'ERR_WEBHOOKS_NOT_SENT',
      'This node posts no events: start it with `webhooks: webhooksByHttp()`.'
    )
  }

  #named(id: string): Webhook {
    const webhook = this.#webhooks.get(id)
    if (webhook !== undefined) return webhook
    const said = id.slice(0, 16)
    throw new PaychanError(
      'ERR_NO_WEBHOOK',
      `There is no webhook ${said}; \`paychan webhook list\` has the ids.`,
      { id: said }
    )
  }

  #positionBefore(from: number): Delivery['position'] {
    const newest = this.#env.newest()
    if (Number.isSafeInteger(from) && from >= 1 && from <= newest + 1) {
      return { number: from - 1, parts: undefined }
    }
    throw new PaychanError(
      'ERR_INVALID_WEBHOOK',
      `Events have whole numbers from 1 on, and the next one is ${newest + 1}: name one of these, or none for those from now on.`,
      { newest }
    )
  }

  #keyOf({ id }: Webhook): Uint8Array {
    return createHmac('sha256', this.#env.secret).update(id).digest()
  }

  /** Posts from where a webhook stands, once what was under way for it has ended. */
  #resume(webhook: Webhook): void {
    const { sender } = this.#env
    const { gone } = webhook
    const before = webhook.work
    webhook.work = contained(
      async () => {
        await before
        const isThere = this.#isRunning && this.#webhooks.get(webhook.id) === webhook
        if (sender !== undefined && isThere) await this.#deliver(webhook, sender, gone.signal)
      },
      (error) => {
        this.#env.onAlarm(
          new PaychanError('ERR_INTERNAL', messageOf(error), { cause: codeOf(error) })
        )
      }
    )
  }

  async #deliver(webhook: Webhook, sender: WebhookSender, gone: AbortSignal): Promise<void> {
    while (!gone.aborted && !webhook.delivery.isStopped) {
      try {
        // Events are read anew for each try: what waits is on the disk, and may be dropped there.
        if (await this.#deliverAll(webhook, sender, gone)) return
      } catch (error) {
        this.#note(webhook, webhook.delivery.position, { problem: problemOf(error) }, gone)
      }
      const { nextTry } = webhook.delivery
      if (nextTry !== undefined) await this.#until(nextTry, gone)
    }
  }

  /** Posts until a try fails; true once no events follow. */
  async #deliverAll(webhook: Webhook, sender: WebhookSender, gone: AbortSignal): Promise<boolean> {
    const { store, newest, follow } = this.#env
    const { position } = webhook.delivery
    const parts = new Parts(position)
    for await (const told of follow(readAfter(position), gone)) {
      if (gone.aborted) return true
      const part = parts.next(told)
      if (part === undefined) continue
      if (isWanted(told, webhook.events)) {
        this.#note(webhook, part.position, await this.#try(webhook, sender, part, gone), gone)
        if (isAborted(gone)) return true
      } else {
        webhook.delivery = { ...webhook.delivery, position: part.position }
        // Many that come at once are passed over with one write.
        if (told.number < newest()) continue
      }
      const { failures, isStopped } = webhook.delivery
      if (failures === 0 || isStopped) await store.commit([webhook.change()])
      if (failures > 0) return false
    }
    return true
  }

  /** Takes note of an answer; of none that is about what was, before a removal or a replay. */
  #note(
    webhook: Webhook,
    taken: Delivery['position'],
    answer: WebhookAnswer,
    gone: AbortSignal
  ): void {
    if (gone.aborted) return
    const { clock, random, onAlarm } = this.#env
    const [byte = 0] = random.bytes(1)
    webhook.delivery = afterAnswer(webhook.delivery, taken, answer, clock.now(), byte / 256)
    const { failures, isStopped } = webhook.delivery
    if (isStopped) onAlarm(stopped(webhook))
    else if (failures === TOLD_FAILURES) onAlarm(failing(webhook))
  }

  /** One try; resolves at the latest when its time is over, or the webhook gone. */
  async #try(
    webhook: Webhook,
    sender: WebhookSender,
    { name, event }: Part,
    gone: AbortSignal
  ): Promise<WebhookAnswer> {
    const { clock } = this.#env
    const body = sender.bodyOf(event)
    const headers = signedHeaders(
      this.#keyOf(webhook),
      `msg_${webhook.id}_${name}`,
      clock.now(),
      body
    )
    const end = new AbortController()
    const ended = new Promise<WebhookAnswer>((resolve) => {
      end.signal.addEventListener('abort', () => {
        resolve({ problem: `there was no answer within ${TRY_MS / 1_000} s` })
      })
    })
    const abort = (): void => {
      end.abort()
    }
    gone.addEventListener('abort', abort)
    const cancel = clock.after(TRY_MS, abort)
    try {
      const answer = sender.post({ url: webhook.url, headers, body, signal: end.signal })
      return await Promise.race([ended, answer])
    } catch (error) {
      return { problem: problemOf(error) }
    } finally {
      cancel()
      gone.removeEventListener('abort', abort)
    }
  }

  async #until(time: number, gone: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#env.clock.after(Math.max(0, time - this.#env.clock.now()), done)
      function done(): void {
        cancel()
        gone.removeEventListener('abort', done)
        resolve()
      }
      gone.addEventListener('abort', done)
      if (gone.aborted) done()
    })
  }
}

/** @throws PaychanError `ERR_STORE_CORRUPT`, `ERR_STORE_VERSION` */
export function readWebhook(key: string, value: Uint8Array): WebhookRecord {
  return parseRecord(key, value, webhookSchema)
}

/** As it is asked for over HTTP. @throws PaychanError `ERR_INVALID_WEBHOOK` */
function checkedUrl(text: string): string {
  const problem = URL.canParse(text)
    ? problemWith(new URL(text))
    : 'A webhook has a whole URL, such as https://shop.example/paid.'
  if (problem !== undefined) throw new PaychanError('ERR_INVALID_WEBHOOK', problem)
  return new URL(text).href
}

function problemWith(url: URL): string | undefined {
  const { protocol, hostname, username, password, href } = url
  if (protocol !== 'https:' && protocol !== 'http:') {
    return `Events are posted over https, and not over ${protocol.slice(0, 16)} URLs.`
  }
  if (username !== '' || password !== '') {
    return 'A URL with a name or a password in it is refused, since lists show it. The signatures tell a receiver who posts.'
  }
  if (!isConfidential(url)) {
    return `Over http, all on the way to ${hostname.slice(0, 64)} could read who paid what: give an https URL. http is for this machine itself (127.0.0.1, localhost).`
  }
  return href.length > LONGEST_URL
    ? `The URL of a webhook has ${LONGEST_URL} characters at most.`
    : undefined
}

function checkedEvents(events: WebhookOptions['events']): WebhookRecord['events'] {
  if (events === undefined) return undefined
  const wrong = events.find((type) => !NUMBERED_EVENTS.includes(type))
  if (events.length > 0 && wrong === undefined) {
    return NUMBERED_EVENTS.filter((type) => events.includes(type))
  }
  throw new PaychanError(
    'ERR_INVALID_WEBHOOK',
    `A webhook is for some of these events: ${NUMBERED_EVENTS.join(', ')}. Leave the list out for all of them.`
  )
}

/** Asks anew: it may have been aborted while somebody waited. */
function isAborted({ aborted }: AbortSignal): boolean {
  return aborted
}

function problemOf(error: unknown): string {
  return messageOf(error).slice(0, LONGEST_PROBLEM)
}

/** The alarm for a webhook that is not taken, or is stopped. */
function facts({ id, host, delivery }: Webhook): Record<string, string | number | undefined> {
  const { position, lastStatus } = delivery
  return { webhook: id, host, delivered: readAfter(position), status: lastStatus, cause: id }
}

function stopped(webhook: Webhook): PaychanError {
  const { id, host, delivery } = webhook
  return new PaychanError(
    'ERR_WEBHOOK_STOPPED',
    `${host} wants no more events (410 Gone), so the webhook ${id} has stopped. \`paychan webhook replay ${id} --from ${readAfter(delivery.position) + 1}\` goes on with it, and \`paychan webhook remove ${id}\` ends it.`,
    facts(webhook)
  )
}

function failing(webhook: Webhook): PaychanError {
  const { id, host, delivery } = webhook
  const last = delivery.lastProblem ?? `it answered ${delivery.lastStatus}`
  return new PaychanError(
    'ERR_WEBHOOK_FAILING',
    `${host} has not taken what comes after event ${readAfter(delivery.position)} in ${TOLD_FAILURES} tries (${last}). The webhook ${id} tries again about once an hour; events are kept for 30 days. Look at the receiver; \`paychan webhook list\` shows how it goes.`,
    facts(webhook)
  )
}
