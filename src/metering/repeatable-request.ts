/**
 * A request that is sent as often as it takes to have it paid. One that can be made anew from what
 * it was given as is not copied: a copy of a `Request` costs more than all that is paid for it.
 */

/** A header that shows a payment. */
export interface ShownHeader {
  readonly name: string
  readonly value: string
}

export class RepeatableRequest {
  readonly url: URL
  /** Its copies are sent; undefined where it is made anew each time. */
  readonly #source: Request | undefined
  readonly #init: RequestInit

  /** @throws TypeError as `fetch` rejects, before anything is paid */
  constructor(input: string | URL | Request, init: RequestInit = {}) {
    this.url = new URL(input instanceof Request ? input.url : input)
    const { username, password } = this.url
    const isBare = Object.keys(init).length === 0 && username === '' && password === ''
    const isNew = !(input instanceof Request) && isRepeatable(init.body)
    // What has more to it than a URL could be refused.
    const request = isNew && isBare ? undefined : new Request(input, init)
    this.#source = isNew ? undefined : request
    this.#init = init
  }

  get isAborted(): boolean {
    return (this.#source?.signal ?? this.#init.signal)?.aborted === true
  }

  /**
   * What `fetch` gets to send it once. It follows no redirection: what it leads to would be paid in
   * the name of the one that was asked, and a server that sends it elsewhere would hand a payment
   * on.
   */
  once(shown?: ShownHeader): Parameters<typeof fetch> {
    const [source, init] = [this.#source, this.#init]
    const asked = (source ?? init).redirect
    const redirect = shown === undefined && asked === 'error' ? 'error' : 'manual'
    if (shown === undefined && source !== undefined) {
      return [new Request(source.clone(), { redirect })]
    }
    const headers = new Headers(source?.headers ?? init.headers)
    if (shown !== undefined) headers.set(shown.name, shown.value)
    return source === undefined
      ? [this.url.href, { ...init, headers, redirect }]
      : [new Request(source.clone(), { headers, redirect })]
  }
}

/** True for a body that can be sent again as it is. */
function isRepeatable(body: RequestInit['body']): boolean {
  return body === undefined || body === null || typeof body === 'string'
}
