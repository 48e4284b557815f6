/**
 * Answers to identified payments (`payment-identifier` of x402), so that a payment whose answer was
 * lost can be sent again: it gets the same answer, and no unit is taken. And what shared caches are
 * told of answers that are paid for.
 */
import { createHash } from 'node:crypto'

/** The identity of a request: an identifier, and all that makes the request the same one. */
export interface Identity {
  readonly id: string
  readonly fingerprint: string
}

interface Kept {
  readonly status: number
  readonly statusText: string
  readonly headers: [string, string][]
  readonly body: Uint8Array
}

interface Entry {
  readonly fingerprint: string
  /** Undefined when the answer is not kept. */
  readonly kept: Promise<Kept | undefined>
  bytes: number
}

/** A longer answer is not kept: its payment is good for one. */
const MOST_BODY = 262_144
/** The answers that were given longest ago go first. */
const MOST_BYTES = 16_777_216
const MOST_ANSWERS = 10_000

export function fingerprintOf(...parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url')
}

export class Answers {
  readonly #entries = new Map<string, Entry>()
  #bytes = 0

  /**
   * The answer to a request: the one that it got before, else that of `serve`, kept when `isKept`
   * says so. One that comes again while the first is answered waits for that. `conflict` answers
   * another request with the same identifier.
   */
  async once(
    { id, fingerprint }: Identity,
    serve: () => Promise<Response>,
    isKept: (answer: Response) => boolean,
    conflict: () => Response
  ): Promise<Response> {
    const known = this.#entries.get(id)
    if (known !== undefined) {
      if (known.fingerprint !== fingerprint) return conflict()
      const kept = await known.kept
      return kept === undefined ? await serve() : responseOf(kept)
    }
    let settle: (kept: Kept | undefined) => void = () => {}
    const kept = new Promise<Kept | undefined>((resolve) => {
      settle = resolve
    })
    const entry: Entry = { fingerprint, kept, bytes: 0 }
    this.#entries.set(id, entry)
    const end = (answer: Kept | undefined): void => {
      // One that had to give way meanwhile is kept for nobody.
      if (this.#entries.get(id) === entry) {
        if (answer === undefined) this.#entries.delete(id)
        else this.#count(entry, answer.body.length)
      }
      settle(answer)
    }
    try {
      const answer = await serve()
      if (isKept(answer)) return copying(answer, end)
      end(undefined)
      return answer
    } catch (error) {
      end(undefined)
      throw error
    }
  }

  #count(entry: Entry, bytes: number): void {
    entry.bytes = bytes
    this.#bytes += bytes
    for (const [id, each] of this.#entries) {
      if (this.#bytes <= MOST_BYTES && this.#entries.size <= MOST_ANSWERS) return
      this.#bytes -= each.bytes
      this.#entries.delete(id)
    }
  }
}

function responseOf({ body, ...init }: Kept): Response {
  return new Response(body.length === 0 ? null : new Uint8Array(body), init)
}

/** The answer, which is copied as it is read, or to its end when its reader goes away. */
function copying(answer: Response, end: (kept: Kept | undefined) => void): Response {
  const { status, statusText } = answer
  const headers = [...answer.headers]
  const init = { status, statusText, headers }
  const reader = (answer.body as ReadableStream<Uint8Array> | null)?.getReader()
  if (reader === undefined) {
    end({ ...init, body: new Uint8Array() })
    return answer
  }
  let chunks: Uint8Array[] | undefined = []
  let length = 0
  let isLeft = false
  /**
   * Reads a part; undefined at the end, and where it is too long to be kept and nobody reads it.
   */
  const next = async (): Promise<Uint8Array | undefined> => {
    const { done, value } = await reader.read()
    if (done) {
      end(chunks === undefined ? undefined : { ...init, body: Buffer.concat(chunks) })
      return undefined
    }
    length += value.length
    if (length > MOST_BODY) chunks = undefined
    chunks?.push(value)
    if (chunks !== undefined || !isLeft) return value
    end(undefined)
    await reader.cancel()
    return undefined
  }
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const part = await next()
        if (isLeft) return
        if (part === undefined) controller.close()
        else controller.enqueue(part)
      } catch (error) {
        end(undefined)
        controller.error(error)
      }
    },
    async cancel() {
      isLeft = true
      try {
        while ((await next()) !== undefined) continue
      } catch {
        end(undefined)
      }
    }
  })
  return new Response(body, init)
}

/*
 * Who may keep an answer that was paid for: its payer alone. A server that is put behind a gate was
 * mostly free before, and lets caches that many share keep what it answers (RFC 9111, 3.5).
 */

/** Headers that speak to shared caches past `Cache-Control` (RFC 9213, and before it; nginx). */
const TO_SHARED = /^(?:.*-)?cdn-cache-control$|^surrogate-control$|^x-accel-expires$/i

/** The headers among these that have to go from an answer that was paid for. */
export function toSharedCaches(names: Iterable<string>): string[] {
  return [...names].filter((name) => TO_SHARED.test(name))
}

/** Directives that only shared caches heed, and `private` for some fields alone. */
const FOR_SHARED = /^(?:public|private|s-maxage|proxy-revalidate)(?:\s*=|$)/i

/**
 * The `Cache-Control` of an answer that was paid for, from the one that it had.
 *
 * @example
 * privateCaching('public, max-age=60') // 'private, max-age=60'
 */
export function privateCaching(before: string | null): string {
  // A comma in quotes parts a list of fields: its rest says nothing to anybody.
  const kept = (before ?? '')
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '' && !FOR_SHARED.test(each))
  return ['private', ...kept].join(', ')
}
