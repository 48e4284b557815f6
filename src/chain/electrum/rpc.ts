/**
 * JSON-RPC over one socket: one JSON object per line, replies matched to requests by id, a bounded
 * number of requests under way, each with a time limit. Knows nothing of Electrum's methods.
 */
import { printable } from './endpoint.js'
import type { Socket } from 'node:net'
import { z } from 'zod'
import type { Clock, Unsubscribe } from '../../engine/ports.js'
import { Allowance } from '../../types/allowance.js'
import { codeOf, messageOf, PaychanError } from '../../types/errors.js'

export interface RpcOptions {
  readonly clock: Clock
  /** Milliseconds until a request without a reply is given up. */
  readonly requestTimeout: number
  /**
   * Milliseconds for which the server may send nothing at all while a request waits; then it is
   * taken for dead. Left out: for ever.
   */
  readonly silence?: number
  /** Called for each request that the server refuses (COST-11). */
  readonly onRefused?: () => void
  /** Called after half of `silence`: the place for a request that is answered quickly. */
  readonly onQuiet?: () => void
  /** Requests under way at once; the others wait their turn. */
  readonly maxOutstanding?: number
  readonly maxLineBytes?: number
  /** A message without an id. May throw to break the connection. */
  readonly onNotification: (method: string, params: unknown) => void
}

/**
 * COST-3: the order of requests. `money`: transactions of ours, and their needs (fees, the tip);
 * `news`: histories of scripts; `favour`: transactions of strangers.
 */
export type Rank = (typeof RANKS)[number]

const RANKS = ['money', 'news', 'favour'] as const

/** The part of the requests under way, one in so many, that is left free for `money`. */
const RESERVED = 4

/**
 * COST-8: what a server may send without being asked, in bytes. To say that a history has changed
 * takes some 400 as they are counted: 20,000 histories may change at once, and 2,500 a second.
 */
const UNASKED = { burst: 8_000_000, perSecond: 1_000_000 }

/**
 * Number of requests that may be without an answer, each of which is remembered for one that comes
 * late. A server that answers pings alone would else have them pile up for as long as it likes.
 */
export const MOST_LATE = 1_000

/** A line costs as much as so many bytes more than it has. */
const BYTES_A_LINE = 200

interface Request {
  readonly id: number
  readonly method: string
  readonly params: readonly unknown[]
  readonly resolve: (result: unknown) => void
  readonly reject: (error: Error) => void
  cancelTimeout?: Unsubscribe
}

interface Message {
  readonly id?: number | null
  readonly method?: string
  readonly params?: unknown
  readonly result?: unknown
  readonly error?: unknown
}

/**
 * True for a JSON-RPC message. Written out: a start has four messages for each of thousands of
 * scripts, and a shape that copies each took a twentieth of its CPU.
 */
function isMessage(value: unknown): value is Message {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const { id, method } = value as Record<string, unknown>
  return (
    (id === undefined || id === null || (Number.isSafeInteger(id) && Number(id) >= 0)) &&
    (method === undefined || typeof method === 'string')
  )
}

// JSON-RPC 2.0 has an object here; older servers sent the bare text.
const errorShape = z.union([
  z
    .object({ code: z.number().optional(), message: z.string() })
    .transform(({ code, message }) => ({ code, message })),
  z.string().transform((message) => ({ code: undefined, message }))
])

/** Number of characters that shall come back: by position or by name, none when left out. */
const pongLength = z.number().int().min(0).max(10_000)
const pingShape = z
  .union([
    z
      .tuple([])
      .rest(z.unknown())
      .transform(([first]) => first ?? 0),
    z.object({ pong_len: z.unknown().optional() }).transform(({ pong_len: length }) => length ?? 0)
  ])
  .optional()
  .transform((length) => length ?? 0)
  .pipe(pongLength)

export class RpcConnection {
  /** Resolves, never rejects, once the connection is over, with the reason. */
  readonly closed: Promise<Error>
  readonly #socket: Socket
  readonly #options: RpcOptions
  readonly #lines: LineSplitter
  readonly #underway = new Map<number, Request>()
  readonly #waiting: Readonly<Record<Rank, Request[]>> = { money: [], news: [], favour: [] }
  #resolveClosed: (reason: Error) => void = () => {}
  readonly #unasked: Allowance
  /** The requests that have timed out, whose answers may still come. */
  readonly #late = new Set<number>()
  #over: Error | undefined
  /**
   * The last refused request and the reason, while no other answer has come since: servers say why
   * they hang up in answer to a request.
   */
  #refused: string | undefined
  #nextId = 0
  /** The lines of this turn of the event loop, which go into one write. */
  #unsent: string[] = []
  /** The time of the last message, or of the first of the requests that wait. */
  #heard = 0
  #probed = false
  /** True while what has come is read once more, before the server counts as silent. */
  #isLastLook = false
  #cancelWatch: Unsubscribe | undefined

  /** Takes over a connected socket. */
  constructor(socket: Socket, options: RpcOptions) {
    this.#socket = socket
    this.#options = options
    this.#lines = new LineSplitter(options.maxLineBytes ?? MAX_LINE_BYTES)
    this.#unasked = new Allowance(UNASKED, options.clock.now())
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
    socket.on('data', (chunk) => {
      this.#receive(chunk)
    })
    socket.on('error', (error) => {
      this.close(
        unavailable(
          `The connection to the Electrum server broke: ${messageOf(error).replace(/\.$/, '')}${this.#lastWord}.`
        )
      )
    })
    socket.on('close', () => {
      this.close(unavailable(`The Electrum server closed the connection${this.#lastWord}.`))
    })
  }

  get isOpen(): boolean {
    return this.#over === undefined
  }

  get #lastWord(): string {
    return this.#refused === undefined ? '' : `. Its last word: ${this.#refused}`
  }

  /**
   * Sends a request and waits for its reply.
   *
   * @throws PaychanError `ERR_ELECTRUM_REFUSED` (facts: method, reason, serverCode): an error
   *   reply;
   *   `ERR_CHAIN_UNAVAILABLE`: no reply in time, or the connection ended;
   *   `ERR_ELECTRUM_PROTOCOL`: the server broke the protocol and was dropped
   */
  request(method: string, params: readonly unknown[], rank: Rank = 'money'): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#over !== undefined) return reject(this.#over)
      this.#waiting[rank].push({ id: this.#nextId++, method, params, resolve, reject })
      this.#sendWaiting()
    })
  }

  /** Ends the connection; everything under way rejects with `reason`. */
  close(reason: Error): void {
    if (this.#over !== undefined) return
    this.#over = reason
    this.#socket.destroy()
    this.#stopWatch()
    const waiting = RANKS.flatMap((rank) => this.#waiting[rank].splice(0))
    const requests = [...this.#underway.values(), ...waiting]
    this.#underway.clear()
    for (const request of requests) {
      request.cancelTimeout?.()
      request.reject(reason)
    }
    this.#resolveClosed(reason)
  }

  #sendWaiting(): void {
    while (this.#over === undefined) {
      const request = this.#next()
      if (request === undefined) return
      if (this.#underway.size === 0) this.#hear()
      this.#underway.set(request.id, request)
      this.#watch()
      request.cancelTimeout = this.#options.clock.after(this.#options.requestTimeout, () => {
        this.#late.add(request.id)
        this.#settle(request.id)?.reject(
          unavailable(
            `The Electrum server did not answer ${request.method} within ${this.#options.requestTimeout / 1000} s.`
          )
        )
        if (this.#late.size < MOST_LATE) return
        this.close(
          unavailable(`The Electrum server has left ${MOST_LATE} requests without an answer.`)
        )
      })
      const { id, method, params } = request
      this.#write({ jsonrpc: '2.0', id, method, params })
    }
  }

  /** A write is a system call, which costs more than the line: what is sent together shares one. */
  #write(message: object): void {
    if (this.#unsent.push(`${JSON.stringify(message)}\n`) > 1) return
    setImmediate(() => {
      const lines = this.#unsent
      this.#unsent = []
      if (this.#over === undefined) this.#socket.write(lines.join(''))
    })
  }

  /** A server that hangs on other answers still gets the requests that carry money. */
  #next(): Request | undefined {
    const most = this.#options.maxOutstanding ?? 32
    const free = most - this.#underway.size
    if (free <= 0) return undefined
    const first = this.#waiting.money.shift()
    if (first !== undefined || free <= Math.floor(most / RESERVED)) return first
    return this.#waiting.news.shift() ?? this.#waiting.favour.shift()
  }

  /** Takes a request off the list; undefined when it is not under way (any more). */
  #settle(id: number): Request | undefined {
    const request = this.#underway.get(id)
    if (request === undefined) return undefined
    this.#underway.delete(id)
    request.cancelTimeout?.()
    this.#sendWaiting()
    if (this.#underway.size === 0) this.#stopWatch()
    return request
  }

  #hear(): void {
    this.#heard = this.#options.clock.now()
    this.#probed = false
    this.#isLastLook = false
  }

  /**
   * While requests are under way: asks after half of the permitted silence, hangs up after the
   * whole.
   */
  #watch(): void {
    const { clock, silence, onQuiet } = this.#options
    if (silence === undefined || this.#cancelWatch !== undefined || this.#over !== undefined) return
    const quiet = clock.now() - this.#heard
    const wait = Math.max(0, (this.#probed ? silence : silence / 2) - quiet)
    this.#cancelWatch = clock.after(wait, () => {
      this.#cancelWatch = undefined
      const quiet = clock.now() - this.#heard
      // After a time in which this process was busy, or asleep, timers are due before anything that
      // has come meanwhile is read.
      if (quiet >= silence && !this.#isLastLook) {
        this.#isLastLook = true
        this.#probed = true
        this.#watch()
        return
      }
      if (quiet >= silence) {
        return this.close(
          unavailable(
            `The Electrum server has sent nothing for ${silence / 1000} s, though it was asked.`
          )
        )
      }
      if (quiet >= silence / 2 && !this.#probed) {
        this.#probed = true
        onQuiet?.()
      }
      this.#watch()
    })
  }

  #stopWatch(): void {
    this.#cancelWatch?.()
    this.#cancelWatch = undefined
  }

  #receive(chunk: Uint8Array): void {
    if (this.#over !== undefined) return
    this.#hear()
    try {
      for (const line of this.#lines.push(chunk)) {
        if (this.isOpen) this.#dispatch(line)
      }
    } catch (error) {
      this.close(
        codeOf(error) === 'ERR_INTERNAL'
          ? protocolError(`sent what could not be understood (${messageOf(error)})`)
          : asError(error)
      )
    }
  }

  /** A server may ask one thing of a client, from protocol 1.7 on: whether it is there. */
  #answer(id: number, method: string, params: unknown): void {
    const length = pingShape.safeParse(params)
    if (method !== 'server.ping' || !length.success) {
      throw protocolError(`sent a request of its own (${printable(method).slice(0, 40)})`)
    }
    this.#admitUnasked(length.data)
    this.#write({ jsonrpc: '2.0', id, result: { data: '0'.repeat(length.data) } })
  }

  /**
   * Hangs up, and comes back later, on a server that keeps this side busy with what nobody has
   * asked it for.
   *
   * @throws PaychanError `ERR_CHAIN_UNAVAILABLE`
   */
  #admitUnasked(bytes: number): void {
    if (this.#unasked.take(this.#options.clock.now(), bytes + BYTES_A_LINE) === 0) return
    throw unavailable('The Electrum server sends more than it was asked for, without an end.')
  }

  #dispatch(line: string): void {
    const message = parseJson(line)
    if (!isMessage(message)) throw protocolError('sent a line that is not a JSON-RPC message')
    const { id, method, params, result, error } = message
    if (method !== undefined) {
      this.#admitUnasked(line.length)
      if (id !== undefined && id !== null) return this.#answer(id, method, params)
      this.#options.onNotification(method, params)
      return
    }
    if (id === undefined || id === null) throw protocolError('sent a reply to no request')
    // An id that we gave out but no longer wait for answers a request that timed out.
    if (id >= this.#nextId) throw protocolError('answered a request that was never made')
    const request = this.#settle(id)
    if (request === undefined) {
      if (!this.#late.delete(id)) this.#admitUnasked(line.length)
      return
    }
    this.#refused = undefined
    if (error === undefined || error === null) return request.resolve(result)
    this.#options.onRefused?.()
    const parsed = errorShape.safeParse(error)
    if (!parsed.success) {
      return request.reject(
        protocolError(`answered ${request.method} with an error of unknown form`)
      )
    }
    const reason = printable(parsed.data.message).slice(0, 1000)
    this.#refused = `it refused ${request.method}: ${reason.slice(0, 300).replace(/\.$/, '')}`
    request.reject(
      new PaychanError(
        'ERR_ELECTRUM_REFUSED',
        `The Electrum server refused ${request.method}: ${reason.slice(0, 300)}`,
        { method: request.method, reason, serverCode: parsed.data.code }
      )
    )
  }
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}

/** The error when there is no server to ask, or it does not answer. */
export function unavailable(sentence: string): PaychanError {
  return new PaychanError('ERR_CHAIN_UNAVAILABLE', sentence)
}

/**
 * The error for a server that does not follow the Electrum protocol. `what` continues "The Electrum
 * server ...".
 */
export function protocolError(what: string): PaychanError {
  return new PaychanError(
    'ERR_ELECTRUM_PROTOCOL',
    `The Electrum server ${what}. Use another server.`
  )
}

/* Cuts a stream of bytes into lines, and refuses a line that grows past a bound. Pure. */

/**
 * The longest line that we accept: a transaction may fill a block, 4,000,000 bytes = 8,000,000 hex
 * digits; 2,016 headers are 322,560.
 */
const MAX_LINE_BYTES = 10_000_000

const NEWLINE = 0x0a

export class LineSplitter {
  #parts: Uint8Array[] = []
  #length = 0
  readonly #maxBytes: number

  constructor(maxBytes = MAX_LINE_BYTES) {
    this.#maxBytes = maxBytes
  }

  /**
   * The lines that end in this chunk.
   *
   * @throws PaychanError `ERR_ELECTRUM_PROTOCOL` when a line is longer than the bound
   */
  push(chunk: Uint8Array): string[] {
    const lines: string[] = []
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      this.#keep(chunk.subarray(start, end))
      lines.push(Buffer.concat(this.#parts, this.#length).toString('utf8'))
      this.#parts = []
      this.#length = 0
      start = end + 1
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start))
    return lines
  }

  #keep(part: Uint8Array): void {
    this.#length += part.length
    if (this.#length > this.#maxBytes) {
      throw new PaychanError(
        'ERR_ELECTRUM_PROTOCOL',
        `The Electrum server sent a line of more than ${this.#maxBytes} bytes. Use another server.`,
        { limit: this.#maxBytes }
      )
    }
    this.#parts.push(part)
  }
}
