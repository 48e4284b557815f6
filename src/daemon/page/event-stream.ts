/**
 * Follows the events of the node (`/v1/events`) for as long as the page is open. An EventSource
 * cannot send a token, so this reads the stream itself: after a break it goes on behind the last
 * number that it has read, and nothing is missed.
 */
import type { NodeEvent } from '../../node/api.js'
import { type Client, eventOf, isRefused } from './client.js'

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
