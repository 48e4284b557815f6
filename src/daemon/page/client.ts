/**
 * The API of the node, asked with a token. Answers become the types of `NodeApi` again: amounts are
 * bigint, what is not known is undefined, and names are those of the library.
 */
import { need } from '../../browser/dom.js'
import type { NodeEvent } from '../../node/api.js'
import { codeOf, type Facts, PaychanError } from '../../types/errors.js'
import type { PublishedField } from '../dialect.js'
import type { CallOf, NodeVerb, RequestOf } from '../verbs.js'

/**
 * The names of the API's fields, in answers and in requests; scripts/bundle-page.js writes them.
 */
declare const ANSWERED: Readonly<Record<string, PublishedField>>
declare const ASKED: Readonly<Record<string, PublishedField>>

/** The answer of the library's call of a verb. */
export type Answer<Name extends NodeVerb> = Awaited<ReturnType<CallOf<Name>>>

const NO_ANSWER = 'The node does not answer. Start it again with `paychan start --ui`.'

const NO_ANSWER_TO_ONCE =
  'The node does not answer, and whether it has done this is not known. When it runs again, ask again here and change nothing: it is done once.'

export const NO_TOKEN =
  'This page has no right to ask the node. Open the address that `paychan start --ui` prints: it is another one at each start.'

export class Client {
  readonly #token: () => string | undefined

  constructor(token: () => string | undefined) {
    this.#token = token
  }

  /**
   * Makes the call of a verb.
   *
   * @param once - a name for what must not be done twice, however often it is asked for; true for
   *   what the node does once by itself
   * @throws PaychanError as the node has it; `ERR_NODE_NOT_RUNNING` when it does not answer
   */
  async call<Name extends NodeVerb>(
    verb: Name,
    request: RequestOf<Name>,
    once?: string | true
  ): Promise<Answer<Name>> {
    const response = await this.ask(`/v1/${verb}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(typeof once === 'string' ? { 'idempotency-key': once } : {})
      },
      body: JSON.stringify(outward(request))
    }).catch((error: unknown) => {
      const isUnknown = once !== undefined && codeOf(error) === 'ERR_NODE_NOT_RUNNING'
      throw isUnknown ? notRunning(NO_ANSWER_TO_ONCE, error) : error
    })
    return (response.status === 204 ? undefined : inward(await response.json())) as Answer<Name>
  }

  /**
   * Asks for a path, with the token.
   *
   * @throws PaychanError as the node has it; `ERR_NODE_NOT_RUNNING`
   */
  async ask(path: string, init: RequestInit = {}): Promise<Response> {
    const token = this.#token()
    if (token === undefined) throw new PaychanError('ERR_TOKEN_MISSING', NO_TOKEN)
    const headers = { ...(init.headers as object), authorization: `Bearer ${token}` }
    const response = await fetch(path, { ...init, headers, cache: 'no-store' }).catch(
      (error: unknown) => {
        throw isAborted(init.signal) ? error : notRunning(NO_ANSWER, error)
      }
    )
    if (response.ok) return response
    throw await problemOf(response)
  }
}

/** An event as the API has sent it. */
function eventOf(data: string): NodeEvent {
  return inward(JSON.parse(data)) as NodeEvent
}

/** True when the node knows the token of this page no more. */
export function isRefused(error: unknown): boolean {
  return error instanceof PaychanError && /^ERR_TOKEN_/.test(error.code)
}

function isAborted(signal: AbortSignal | null | undefined): boolean {
  return signal?.aborted === true
}

function notRunning(text: string, cause: unknown): PaychanError {
  return new PaychanError('ERR_NODE_NOT_RUNNING', text, {}, { cause })
}

/** RFC 9457; whoever else answers at this place has no code. */
async function problemOf(response: Response): Promise<PaychanError> {
  const said = (await response.json().catch(() => ({}))) as Record<string, unknown>
  const { code, detail } = said
  if (typeof code !== 'string' || typeof detail !== 'string') {
    return notRunning(NO_ANSWER, response.status)
  }
  const isToken = code === 'ERR_TOKEN_INVALID' || code === 'ERR_TOKEN_EXPIRED'
  return PaychanError.of(code, isToken ? NO_TOKEN : detail, inward(said['facts']) as Facts)
}

function inward(value: unknown): unknown {
  if (value === null) return undefined
  if (Array.isArray(value)) return value.map(inward)
  if (typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => {
      const field = ANSWERED[name]
      if (field === undefined) return [name, inward(each)]
      return [field.local, field.isAmount && typeof each === 'number' ? BigInt(each) : inward(each)]
    })
  )
}

const OUTWARD = new Map(Object.entries(ASKED).map(([name, { local }]) => [local, name]))

function outward(request: object): object {
  return Object.fromEntries(
    Object.entries(request).map(([name, value]) => [
      OUTWARD.get(name) ?? name,
      typeof value === 'bigint' ? Number(value) : (value as unknown)
    ])
  )
}

/* A text that is read aloud by a screen reader, and shown for a moment to everybody else. */

const SHOWN_MS = 4_000

let timer: ReturnType<typeof setTimeout> | undefined

/** Says something that just happened. */
export function say(text: string): void {
  const place = need('said', HTMLElement)
  // Outside of an open dialog nothing is shown, and nothing read aloud.
  const home = document.querySelector('dialog[open]') ?? document.body
  if (place.parentElement !== home) home.append(place)
  place.textContent = text
  place.classList.add('shown')
  clearTimeout(timer)
  timer = setTimeout(() => place.classList.remove('shown'), SHOWN_MS)
}

/* The token of the page: it comes in the fragment of the address, and stays with this tab. */

const KEPT_AS = 'paychan-token'

/**
 * The token of this tab. One in the address is taken out of it at once, so that it stands in no
 * history and no bookmark.
 */
export function currentToken(): string | undefined {
  const given = /^#token=(\w+)$/.exec(location.hash)?.[1]
  if (given !== undefined) {
    sessionStorage.setItem(KEPT_AS, given)
    history.replaceState(null, '', location.pathname)
  }
  return sessionStorage.getItem(KEPT_AS) ?? undefined
}

/** Calls back when an address with another token is opened in this tab. */
export function onToken(taken: () => void): void {
  window.addEventListener('hashchange', () => {
    if (location.hash !== '') taken()
  })
}

/*
 * Follows the events of the node (`/v1/events`) for as long as the page is open. An EventSource
 * cannot send a token, so this reads the stream itself: after a break it goes on behind the last
 * number that it has read, and nothing is missed.
 */

/**
 * `live`: every event comes; `lost`: nobody answers, and it is tried again; `refused`: the token is
 * not taken, and only another one helps.
 */
export type Connection = 'connecting' | 'live' | 'lost' | 'refused'

export interface Follower {
  onEvent: (event: NodeEvent) => void
  onConnection: (connection: Connection) => void
}

/** The node sends something every 15 s: after three times that, the connection is dead. */
const SILENCE_MS = 45_000

const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 5_000

export class EventStream {
  /** The number of the last event that was read. */
  #last: string | undefined
  #pause = FIRST_PAUSE_MS
  #ending = new AbortController()
  readonly #client: Client
  readonly #follower: Follower

  constructor(client: Client, follower: Follower) {
    this.#client = client
    this.#follower = follower
    // Whoever looks at the page again, or has a network again, need not wait.
    for (const [target, name] of [
      [window, 'online'],
      [document, 'visibilitychange']
    ] as const) {
      target.addEventListener(name, () => this.#hurry())
    }
  }

  #hurry = (): void => {}

  /** Begins, or begins anew with another token, behind what was read. */
  start(): void {
    this.#ending.abort()
    this.#ending = new AbortController()
    this.#pause = FIRST_PAUSE_MS
    void this.#run(this.#ending.signal)
  }

  async #run(signal: AbortSignal): Promise<void> {
    this.#follower.onConnection('connecting')
    for (;;) {
      const error = await this.#read(signal).catch((reason: unknown) => reason)
      if (isEnded(signal)) return
      if (isRefused(error)) {
        this.#follower.onConnection('refused')
        return
      }
      this.#follower.onConnection('lost')
      await this.#wait()
      if (isEnded(signal)) return
    }
  }

  async #wait(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#pause)
      this.#hurry = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#hurry = () => {}
    this.#pause = Math.min(LONGEST_PAUSE_MS, 2 * this.#pause)
  }

  /** Reads until the connection ends. */
  async #read(ending: AbortSignal): Promise<void> {
    const silence = new AbortController()
    const signal = AbortSignal.any([ending, silence.signal])
    let timer = setTimeout(() => silence.abort(), SILENCE_MS)
    try {
      const headers = this.#last === undefined ? {} : { 'last-event-id': this.#last }
      const { body } = await this.#client.ask('/v1/events', { headers, signal })
      if (body === null) return
      const reader = body.pipeThrough(new TextDecoderStream()).getReader()
      this.#pause = FIRST_PAUSE_MS
      this.#follower.onConnection('live')
      const parser = new Parser()
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return
        clearTimeout(timer)
        timer = setTimeout(() => silence.abort(), SILENCE_MS)
        for (const { id, data } of parser.read(value)) {
          if (data !== '') this.#follower.onEvent(eventOf(data))
          // After the event: one that could not be shown is told again.
          this.#last = id ?? this.#last
        }
      }
    } finally {
      clearTimeout(timer)
    }
  }
}

function isEnded({ aborted }: AbortSignal): boolean {
  return aborted
}

interface Block {
  readonly id: string | undefined
  readonly data: string
}

/**
 * Server-sent events as this API writes them: a line for the id, one for the data, and an empty
 * one.
 */
export class Parser {
  #rest = ''

  read(text: string): Block[] {
    const blocks = (this.#rest + text).split('\n\n')
    this.#rest = blocks.pop() ?? ''
    return blocks.map((block) => {
      const fields = new Map(
        block.split('\n').map((line) => {
          const [name = '', ...rest] = line.split(': ')
          return [name, rest.join(': ')]
        })
      )
      return { id: fields.get('id'), data: fields.get('data') ?? '' }
    })
  }
}
