/**
 * One connection of an Electrum client. Requests are answered, and changes reported, one after the
 * other.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { once } from 'node:events'
import { createServer as createTlsServer } from 'node:tls'
import type { ChainBackend, ChainChange, ChainEvent, ScriptHash } from '../backend.js'
import { tipHeader } from './chain-methods.js'
import {
  bindParams,
  compareVersions,
  ErrorCode,
  failure,
  HIGHEST_WITHOUT_ORDER,
  type Incoming,
  LineSplitter,
  notification,
  parseLine,
  type Request,
  type Response,
  RpcError,
  success
} from './json-rpc.js'
import type { Method, MethodContext, SessionState } from './methods.js'
import { outPointStatus, statusOf, touchedOutPoints } from './script-methods.js'
import { blockMethods, transactionMethods } from './chain-methods.js'
import { devnetMethods, serverMethods } from './server-methods.js'
import { outPointMethods, scriptMethods } from './script-methods.js'

/**
 * A transaction of 400,000 weight units is at most 800,000 hex digits: this leaves room for the
 * rest.
 */
export const MAX_LINE_BYTES = 1_000_000

/** Lines that wait for their answer before the socket is told to stop. */
const MAX_WAITING = 64

/** Most unsent bytes held for a client that does not read, before it is cut off. */
const MAX_UNSENT_BYTES = 32_000_000

class ElectrumSession {
  readonly #state: SessionState = {
    version: undefined,
    isFresh: true,
    headers: false,
    scripts: new Map(),
    outPoints: new Map()
  }
  readonly #splitter = new LineSplitter(MAX_LINE_BYTES)
  readonly #touched = new Set<ScriptHash>()
  readonly #touchedOutPoints = new Set<string>()
  #newTip = false
  #waiting = 0
  #work: Promise<void> = Promise.resolve()

  constructor(
    readonly socket: Socket,
    readonly backend: ChainBackend,
    readonly address: { readonly host: string; readonly port: number }
  ) {
    socket.setNoDelay(true)
    socket.on('data', (chunk) => {
      this.#receive(chunk)
    })
    // A broken connection needs no handling here; `close` follows.
    socket.on('error', () => {
      socket.destroy()
    })
  }

  /** Takes note of a change and tells the client after answering its earlier requests. */
  onChange(event: ChainEvent, { touched }: ChainChange): void {
    if (event === 'block' && this.#state.headers) this.#newTip = true
    const { scripts } = this.#state
    // The smaller of the two is walked: a client may watch thousands of scripts, and a block touch
    // as many.
    if (touched.size < scripts.size) {
      for (const script of touched) if (scripts.has(script)) this.#touched.add(script)
    } else {
      for (const script of scripts.keys()) if (touched.has(script)) this.#touched.add(script)
    }
    for (const key of touchedOutPoints(this.#state, touched)) this.#touchedOutPoints.add(key)
    if (this.#newTip || this.#touched.size > 0 || this.#touchedOutPoints.size > 0) {
      this.#enqueue(async () => {
        await this.#notify()
      })
    }
  }

  #receive(chunk: Uint8Array): void {
    const lines = this.#splitter.push(chunk)
    if (lines === undefined) {
      this.socket.removeAllListeners('data')
      this.#enqueue(async () => {
        this.#end(
          failure(
            null,
            new RpcError(ErrorCode.invalidRequest, `a line has at most ${MAX_LINE_BYTES} bytes`)
          )
        )
      })
      return
    }
    for (const line of lines) {
      this.#waiting += 1
      this.#enqueue(async () => {
        await this.#answer(line)
        this.#waiting -= 1
        if (this.#waiting <= MAX_WAITING && this.socket.isPaused()) this.socket.resume()
      })
    }
    if (this.#waiting > MAX_WAITING) this.socket.pause()
  }

  #enqueue(task: () => Promise<void>): void {
    this.#work = this.#work
      .then(async () => {
        if (!this.socket.destroyed) await task()
      })
      .catch(() => {
        this.socket.destroy()
      })
  }

  async #answer(line: string): Promise<void> {
    const { batch, members } = parseLine(line)
    const responses: Response[] = []
    for (const member of members) {
      const { response, closes } = await this.#respond(member)
      if (response === undefined) continue
      responses.push(response)
      if (closes) {
        this.#end(batch ? responses : response)
        return
      }
    }
    const [first] = responses
    if (first !== undefined) this.#send(batch ? responses : first)
  }

  async #respond(member: Incoming): Promise<{ response: Response | undefined; closes: boolean }> {
    if (member.kind === 'notification') return { response: undefined, closes: false }
    if (member.kind === 'invalid') {
      return { response: failure(member.id, member.error), closes: false }
    }
    const { request } = member
    try {
      return { response: success(request.id, await this.#call(request)), closes: false }
    } catch (error) {
      const known =
        error instanceof RpcError
          ? error
          : new RpcError(ErrorCode.internal, 'internal server error')
      return { response: failure(request.id, known), closes: known.closes }
    }
  }

  async #call(request: Request): Promise<unknown> {
    const method = findMethod(request, this.#state.version ?? HIGHEST_WITHOUT_ORDER)
    if (method === undefined) {
      throw new RpcError(ErrorCode.unknownMethod, `unknown method "${request.method.slice(0, 80)}"`)
    }
    const context: MethodContext = { backend: this.backend, session: this.#state, ...this.address }
    try {
      return await method(context)
    } finally {
      this.#state.isFresh = false
    }
  }

  /** As ElectrumX: the tip first, then each script whose status the client does not know. */
  async #notify(): Promise<void> {
    const newTip = this.#newTip
    const touched = [...this.#touched]
    this.#newTip = false
    this.#touched.clear()
    const outPoints = [...this.#touchedOutPoints]
    this.#touchedOutPoints.clear()
    if (newTip) {
      this.#send(notification('blockchain.headers.subscribe', [await tipHeader(this.backend)]))
    }
    for (const script of touched) {
      const known = this.#state.scripts.get(script)
      if (known === undefined) continue
      const status = statusOf(await this.backend.scriptHistory(script))
      if (status === known) continue
      this.#state.scripts.set(script, status)
      // From 1.7 on under another name, though with the same hash (as ElectrumX does).
      this.#send(
        notification(
          this.#speaks('1.7')
            ? 'blockchain.scriptpubkey.subscribe'
            : 'blockchain.scripthash.subscribe',
          [script, status]
        )
      )
    }
    for (const key of outPoints) await this.#notifyOutPoint(key)
  }

  async #notifyOutPoint(key: string): Promise<void> {
    const watched = this.#state.outPoints.get(key)
    if (watched === undefined) return
    const status = await outPointStatus(this.backend, watched.txid, watched.vout)
    const told = JSON.stringify(status)
    if (told === watched.told) return
    watched.told = told
    this.#send(notification('blockchain.outpoint.subscribe', [watched.txid, watched.vout, status]))
  }

  #speaks(version: string): boolean {
    return this.#state.version !== undefined && compareVersions(this.#state.version, version) >= 0
  }

  #send(message: unknown): void {
    if (!this.socket.writable) return
    this.socket.write(`${JSON.stringify(message)}\n`)
    if (this.socket.writableLength > MAX_UNSENT_BYTES) this.socket.destroy()
  }

  #end(message: unknown): void {
    this.#send(message)
    this.socket.end(() => {
      this.socket.destroy()
    })
  }
}

/* An Electrum server (protocol 1.4 to 1.7) over TCP or TLS: one JSON object or batch a line. */

/** Most connections; any further one is closed at once. */
const MAX_CONNECTIONS = 1_000

/** A certificate and its key, both in PEM. */
export interface ServerTls {
  readonly cert: string
  readonly key: string
}

export interface ElectrumServer {
  readonly port: number
  /** Drops every connection and stops listening. */
  stop: () => Promise<void>
}

/**
 * Serves a chain.
 *
 * @param host the address to listen on.
 * @param port 0 for any free port.
 * @param tls serves TLS with this certificate.
 * @throws the system's error when the port is unavailable, such as `EADDRINUSE`.
 */
export async function startElectrumServer(
  backend: ChainBackend,
  host: string,
  port: number,
  tls?: ServerTls
): Promise<ElectrumServer> {
  const sessions = new Set<ElectrumSession>()
  const serve = (socket: Socket): void => {
    const session = new ElectrumSession(socket, backend, { host, port: boundPort() })
    sessions.add(session)
    socket.on('close', () => {
      sessions.delete(session)
    })
  }
  // Node cuts off clients that do not finish the handshake (`tlsClientError`).
  const server: Server =
    tls === undefined ? createServer(serve) : createTlsServer({ ...tls }, serve)
  const boundPort = (): number => {
    const address = server.address()
    return typeof address === 'object' && address !== null ? address.port : port
  }
  // Includes connections whose handshake is still under way.
  const connections = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    connections.add(socket)
    socket.on('close', () => {
      connections.delete(socket)
    })
  })
  server.maxConnections = MAX_CONNECTIONS
  server.listen(port, host)
  await once(server, 'listening')
  const events: readonly ChainEvent[] = ['block', 'mempool']
  const stopListening = events.map((event) =>
    backend.on(event, (change) => {
      for (const session of sessions) session.onChange(event, change)
    })
  )
  return {
    port: boundPort(),
    stop: async () => {
      for (const stop of stopListening) stop()
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      for (const socket of connections) socket.destroy()
      await closed
    }
  }
}

const METHODS: ReadonlyMap<string, Method> = new Map(
  Object.entries({
    ...serverMethods,
    ...blockMethods,
    ...scriptMethods,
    ...transactionMethods,
    ...outPointMethods,
    ...devnetMethods
  })
)

/**
 * The method of a request with its parameters bound; undefined when the agreed version has no such
 * method.
 *
 * @throws RpcError
 */
function findMethod(
  { method: name, params }: Request,
  version: string
): ((context: MethodContext) => Promise<unknown>) | undefined {
  const method = METHODS.get(name)
  if (method === undefined || !isSpoken(method, version)) return undefined
  const values = bindParams(params, method.params)
  return async (context) => await method.run(context, values)
}

function isSpoken({ since, before }: Method, version: string): boolean {
  return (
    (since === undefined || compareVersions(version, since) >= 0) &&
    (before === undefined || compareVersions(version, before) < 0)
  )
}
