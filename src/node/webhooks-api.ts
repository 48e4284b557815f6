/** `node.webhooks`: receivers to whom this node posts its events. */

/** The events that have a number: they are kept, and posted. */
export const NUMBERED_EVENTS = ['channel', 'payment', 'request', 'alarm'] as const

/** One of the kinds of events that have a number. */
export type NumberedEventType = (typeof NUMBERED_EVENTS)[number]

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
