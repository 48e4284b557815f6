/** The JSON-RPC interface of a bitcoind, over HTTP. */
import { z } from 'zod'
import { messageOf, PaychanError } from '../../types/errors.js'

/** Mining a hundred blocks may take a while; anything longer is a bitcoind that hangs. */
const TIMEOUT_MS = 120_000

/** What must not be done twice. To ask for anything else again gives the answer that was lost. */
const ONCE: ReadonlySet<string> = new Set(['generatetodescriptor', 'generateblock'])

/**
 * A connection that bitcoind has closed while nothing was asked on it (`-rpcservertimeout`), and we
 * did not know.
 */
const CLOSED: ReadonlySet<unknown> = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'])

/** `RPC_IN_WARMUP` */
const STARTING = -28

/** What bitcoind says no to. `code` is one of Bitcoin Core's `RPC_*`. */
export class RpcRefusal extends Error {
  override readonly name = 'RpcRefusal'

  constructor(
    readonly code: number,
    message: string
  ) {
    super(message)
  }
}

const answerShape = z.object({
  result: z.unknown(),
  error: z.object({ code: z.number(), message: z.string() }).nullish()
})
const batchShape = z.array(answerShape.extend({ id: z.int() }))

export class BitcoindRpc {
  /** Without the password. */
  readonly address: string
  readonly #endpoint: string
  readonly #authorization: string

  /**
   * @param url `http://USER:PASSWORD@HOST:PORT`; what bitcoind keeps in its `.cookie` file is a
   *   user and a password too.
   * @throws PaychanError `ERR_CONFIG_INVALID`
   */
  constructor(url: string) {
    const parsed = URL.canParse(url) ? new URL(url) : undefined
    if (parsed?.protocol !== 'http:' || parsed.username === '' || parsed.password === '') {
      throw new PaychanError(
        'ERR_CONFIG_INVALID',
        'The address of a bitcoind is written http://USER:PASSWORD@HOST:PORT, such as http://me:secret@127.0.0.1:18443 (or with the two halves of its .cookie file).',
        { key: 'bitcoind' }
      )
    }
    this.address = parsed.host
    this.#endpoint = `${parsed.origin}/`
    this.#authorization = `Basic ${btoa(`${decodeURIComponent(parsed.username)}:${decodeURIComponent(parsed.password)}`)}`
  }

  /** @throws RpcRefusal, PaychanError `ERR_BITCOIND_UNREACHABLE`, `ERR_BITCOIND_AUTH` */
  async call<T>(shape: z.ZodType<T>, method: string, ...params: unknown[]): Promise<T> {
    return this.#read(
      shape,
      method,
      answerShape.parse(await this.#post({ method, params }, !ONCE.has(method)))
    )
  }

  /**
   * The same method many times in one request, which saves a busy machine the way there and back
   * for each. For what may be asked twice.
   *
   * @throws RpcRefusal that of the first which is refused; and as `call`
   */
  async batch<T>(
    shape: z.ZodType<T>,
    method: string,
    each: ReadonlyArray<readonly unknown[]>
  ): Promise<T[]> {
    if (each.length === 0) return []
    const answers = batchShape.parse(
      await this.#post(
        each.map((params, id) => ({ id, method, params })),
        true
      )
    )
    const byId = new Map(answers.map((answer) => [answer.id, answer]))
    return each.map((_, id) => this.#read(shape, method, byId.get(id)))
  }

  #read<T>(
    shape: z.ZodType<T>,
    method: string,
    answer: z.output<typeof answerShape> | undefined
  ): T {
    const { result, error } = answer ?? { result: undefined, error: undefined }
    if (error?.code === STARTING) throw this.#unreachable(error.message)
    if (error !== null && error !== undefined) throw new RpcRefusal(error.code, error.message)
    const parsed = shape.safeParse(result)
    if (!parsed.success) throw this.#unreachable(`it gave an answer of the wrong form to ${method}`)
    return parsed.data
  }

  async #post(body: object, mayRepeat: boolean): Promise<unknown> {
    let status: number
    let text: string
    try {
      const response = await fetch(this.#endpoint, {
        method: 'POST',
        headers: { authorization: this.#authorization, 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(TIMEOUT_MS)
      })
      status = response.status
      text = await response.text()
    } catch (error) {
      const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
      if (
        mayRepeat &&
        typeof cause === 'object' &&
        cause !== null &&
        'code' in cause &&
        CLOSED.has(cause.code)
      ) {
        return await this.#post(body, false)
      }
      throw this.#unreachable(messageOf(cause))
    }
    if (status === 401 || status === 403) {
      throw new PaychanError(
        'ERR_BITCOIND_AUTH',
        `The bitcoind at ${this.address} does not take this user and password.`,
        { address: this.address }
      )
    }
    try {
      return JSON.parse(text)
    } catch {
      throw this.#unreachable(`HTTP status ${status}`)
    }
  }

  #unreachable(why: string): PaychanError {
    return new PaychanError(
      'ERR_BITCOIND_UNREACHABLE',
      `Cannot use the bitcoind at ${this.address}: ${why}. Is it running, with -server and this -rpcport?`,
      { address: this.address }
    )
  }
}
