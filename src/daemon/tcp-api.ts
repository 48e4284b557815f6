/**
 * The API for programs in any language: the verbs over HTTP on a TCP port, for whoever has a token.
 *
 *     GET  /v1/<verb>      a verb that shows; its fields in the query
 *     POST /v1/<verb>      any verb; JSON in, JSON out (dialect.ts); errors by RFC 9457
 *     GET  /v1/events      server-sent events, from a number on
 *     GET  /metrics        figures for Prometheus
 *     GET  /health, /ready for whoever watches the process: it answers; it sees the chain
 *     GET  /openapi.json   all of it, for programs that make clients; / for people
 *     GET  /ui/            the dashboard, a page for people (page/), when it is asked for
 */
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, isIP } from 'node:net'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { type Context, Hono, type MiddlewareHandler } from 'hono'
import { secureHeaders } from 'hono/secure-headers'
import type { Grant } from '../node/access.js'
import type { LocalNode } from '../node/api.js'
import { isLoopback } from '../node/system.js'
import { ERROR_CODES, isErrorCode, statusOf } from '../types/error-codes.js'
import { inBackground } from '../engine/ports.js'
import { codeOf, messageOf, PaychanError, toErrorRecord } from '../types/errors.js'
import { publish, readPublished, renameField } from './dialect.js'
import type { MetricsPage } from './metrics.js'
import { openApi, readablePage } from './openapi.js'
import { Counts, Pace, Places } from './pace.js'
import { sendEvents } from './server-sent-events.js'
import { readJson } from './server.js'
import { lookedFor, named, payWithin } from './token-payments.js'
import type { Verb } from './verb.js'
import { isShown, verbNamed, VERBS } from './verbs.js'
import type { Wire } from './wire.js'

/*
 * The dashboard as the API on TCP serves it: three files, made from `page/` by `npm run build`
 * (scripts/bundle-page.js) beside this module.
 */

/** The policy of the page: it loads from this server, asks this server, and nobody else. */
export const DASHBOARD_POLICY = {
  scriptSrc: ["'self'"],
  styleSrc: ["'self'"],
  connectSrc: ["'self'"],
  imgSrc: ["'self'", 'data:']
}

interface DashboardFile {
  readonly path: string
  readonly type: string
  readonly content: string
}

/** The files, and where they are served. */
export function dashboardFiles(): DashboardFile[] {
  return [
    { path: '/ui/', type: 'text/html; charset=utf-8', content: asset('index.html') },
    { path: '/ui/page.js', type: 'text/javascript; charset=utf-8', content: asset('page.js') },
    { path: '/ui/page.css', type: 'text/css; charset=utf-8', content: asset('page.css') }
  ]
}

function asset(name: string): string {
  return readFileSync(new URL(`./assets/${name}`, import.meta.url), 'utf8')
}

export interface TcpApiOptions {
  readonly host: string
  readonly port: number
  /** PEM texts; without them the API listens on the loopback interface only. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined
  /** More names that the API goes by, beside `localhost` and IP addresses. */
  readonly hosts?: readonly string[]
  /** The page at `/metrics`; there is none when left out. */
  readonly metrics?: MetricsPage | undefined
  /** Called when a request is answered. */
  readonly onAnswer?: (answered: Answered) => void
  /** Serves the dashboard under `/ui/`. */
  readonly ui?: boolean
  /** Called after a caller has stopped the node. */
  readonly onStop?: () => void
}

/**
 * A request and its answer, without what may be a secret: what was sent, and paths of callers' own.
 */
export interface Answered {
  readonly method: string
  readonly path: string
  readonly status: number
  /** Of a refusal. */
  readonly code: string | undefined
  readonly tookMs: number
}

export interface TcpApi {
  /** The address at which it listens, with the port that it has. */
  readonly url: string
  /** @param patienceMs - for answers that are on their way; nobody is waited for when left out */
  readonly close: (patienceMs?: number) => Promise<void>
}

/** Far more than a program opens. Each may hold a body, or unread events. */
const MAX_CONNECTIONS = 1_024

/** The share of one token: readers of events, which stay, and calls, which may wait for a peer. */
const MOST_READERS = 32
const MOST_CALLS = 256

/** The share of one token in the reads of logs, which the whole node does by turns. */
const MOST_LOG_READS = 8

/** Entries of a list in one answer: it is written at once, and others wait for that. */
const MOST_LISTED = 10_000

/** The calls of a token: so many at once, and so many a second for long. */
const TOKEN_PACE = { burst: 400, perSecond: 200 }

/** The calls of an address with wrong tokens, or none: enough for a person's mistakes. */
const STRANGER_PACE = { burst: 20, perSecond: 0.5 }

const LONGEST_KEY = 128

const JSON_HEADERS = { 'content-type': 'application/json', 'cache-control': 'no-store' }

interface Bindings {
  readonly Bindings: HttpBindings
  /** The code of the problem that is answered. */
  readonly Variables: { code?: string }
}

type Ask = Context<Bindings>

/**
 * Serves `node`.
 *
 * @throws PaychanError `ERR_API_TLS_NEEDED`, `ERR_API_LISTEN`
 * @example
 * const api = await serveTcp(node, { host: '127.0.0.1', port: 9802 })
 * console.log(api.url)
 */
export async function serveTcp(node: LocalNode, options: TcpApiOptions): Promise<TcpApi> {
  const { host, port, tls } = options
  if (tls === undefined && !isLoopback(host)) {
    throw new PaychanError(
      'ERR_API_TLS_NEEDED',
      `At ${host} the API would be reached from other machines, and tokens would cross the network readable. Give it a certificate (--api-cert and --api-key), or listen at 127.0.0.1 and put a proxy with TLS in front.`,
      { host }
    )
  }
  const listener = getRequestListener(routes(node, options).fetch)
  const server = makeServer(tls, (request, response) => {
    inBackground(
      () => listener(request, response),
      () => response.destroy()
    )
  })
  server.maxConnections = MAX_CONNECTIONS
  await listen(server, host, port)
  const bound = server.address() as AddressInfo
  return {
    url: `${tls === undefined ? 'http' : 'https'}://${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`,
    close: async (patienceMs = 0) => {
      const closed = new Promise<void>((resolve) => {
        server.close(() => {
          resolve()
        })
      })
      server.closeIdleConnections()
      const end = setTimeout(() => {
        server.closeAllConnections()
      }, patienceMs)
      await closed
      clearTimeout(end)
    }
  }
}

const PAGES: ReadonlySet<string> = new Set([
  '/',
  '/health',
  '/ready',
  '/metrics',
  '/openapi.json',
  '/v1/events'
])

/** Whoever mistakes the place for a token puts that into the path. */
function knownPath(path: string): string {
  return PAGES.has(path) || VERBS.has(path.replace('/v1/', '')) ? path : '(unknown)'
}

function routes(
  node: LocalNode,
  { hosts = [], metrics, onAnswer, onStop, ui = false }: TcpApiOptions
): Hono<Bindings> {
  const [tokens, strangers] = [new Pace(TOKEN_PACE), new Pace(STRANGER_PACE)]
  const calls = new Places(MOST_CALLS, 'calls')
  const readers = new Places(MOST_READERS, 'readers of events')
  const logs = new Places(MOST_LOG_READS, 'reads of a log')
  const counts = new Counts()
  // Made once, and not at the start: anybody may ask for them, and few nodes are.
  let document: string | undefined
  let page: string | undefined
  const app = new Hono<Bindings>()
  if (onAnswer !== undefined) {
    app.use(async (ask, next) => {
      const since = performance.now()
      await next()
      onAnswer({
        method: ask.req.method,
        path: knownPath(ask.req.path),
        status: ask.res.status,
        code: ask.get('code'),
        tookMs: Math.round(performance.now() - since)
      })
    })
  }
  // Before the other: the first one has the last word.
  if (ui) app.use('/ui/*', headers(DASHBOARD_POLICY))
  app.use(headers({ styleSrc: ["'unsafe-inline'"] }))
  app.use(async (ask, next) => {
    assertHost(ask, hosts)
    await next()
  })
  app.onError((error, ask) => problem(ask, error))
  app.notFound((ask) => {
    const path = ask.req.path.slice(0, 64)
    return problem(
      ask,
      new PaychanError(
        'ERR_UNKNOWN_VERB',
        `There is nothing at ${path}. The verbs are at /v1/, and / tells about them.`,
        { path }
      )
    )
  })

  /**
   * @throws PaychanError `ERR_TOKEN_MISSING` and the like, `ERR_API_TOO_FAST`, `ERR_TOKEN_SCOPE`
   */
  function admit(ask: Ask, scope: Verb['scope']): Grant {
    let grant: Grant
    try {
      grant = node.gate().access.admit(bearerOf(ask))
    } catch (error) {
      // Only those without a right token: they may share their address with one who has it.
      strangers.take(ask.env.incoming.socket.remoteAddress ?? '')
      throw error
    }
    tokens.take(grant.id)
    if (!grant.scopes.includes(scope) && !grant.scopes.includes('manage')) {
      throw new PaychanError(
        'ERR_TOKEN_SCOPE',
        `This needs the scope ${scope}, and the token has ${grant.scopes.join(', ')}. Make another token: \`paychan token create --scope ${scope}\`.`,
        { needs: scope, has: grant.scopes.join(',') }
      )
    }
    return grant
  }

  async function answer(ask: Ask, verb: Verb): Promise<Response> {
    const grant = admit(ask, verb.scope)
    const leave = calls.take(grant.id)
    try {
      const done = verb.readsLog ? logs.take(grant.id) : undefined
      try {
        return await answerAs(grant, ask, verb)
      } finally {
        done?.()
      }
    } finally {
      leave()
    }
  }

  async function answerAs(grant: Grant, ask: Ask, verb: Verb): Promise<Response> {
    const given = ask.req.method === 'GET' ? queryOf(ask, verb) : await readJson(ask.env.incoming)
    const body = limited(verb, readPublished(verb.request, given))
    const key = ask.req.header('idempotency-key')
    const done = verb.countsAll
      ? counts.of(
          JSON.stringify([verb.name, body]),
          async () => await perform(node, verb, grant, body, undefined)
        )
      : perform(node, verb, grant, body, key)
    const text = await done.catch((error: unknown) => {
      throw renameField(verb.request, error)
    })
    if (verb.name === 'stop') {
      ask.env.outgoing.once('close', () => onStop?.())
      ask.header('connection', 'close')
    }
    if (text === 'null') return ask.body(null, 204)
    return ask.body(text, 200, JSON_HEADERS)
  }

  app.get('/v1/events', (ask) => {
    const { id } = admit(ask, 'read')
    const after = lastEventOf(ask)
    ask.env.outgoing.once('close', readers.take(id))
    sendEvents(node, ask.env.outgoing, after)
    return RESPONSE_ALREADY_SENT
  })
  app.on(['GET', 'POST'], '/v1/:verb', async (ask) => {
    const name = ask.req.param('verb')
    // Whoever has no token learns nothing here, not even the names.
    if (!VERBS.has(name)) admit(ask, 'read')
    const verb = verbNamed(name)
    if (ask.req.method === 'GET' && !isShown(verb)) {
      throw new PaychanError('ERR_METHOD_NOT_ALLOWED', 'Use POST here.', { method: 'GET' })
    }
    return await answer(ask, verb)
  })
  if (metrics !== undefined) {
    app.get('/metrics', async (ask) => {
      admit(ask, 'read')
      return ask.body(await counts.of('/metrics', metrics.text), 200, {
        'content-type': metrics.contentType,
        'cache-control': 'no-store'
      })
    })
  }
  app.get('/health', (ask) => ask.json({ status: 'ok' }))
  app.get('/ready', (ask) => {
    // Asked without a token: a look at what is known, whatever the node has.
    const status = node.gate().chainStatus()
    if (status === 'synced') return ask.json({ status: 'ready' })
    throw new PaychanError(
      'ERR_CHAIN_UNAVAILABLE',
      `The node does not see the chain (${status}): channels cannot be opened now.`,
      { status }
    )
  })
  app.get('/openapi.json', (ask) =>
    ask.body((document ??= JSON.stringify(openApi())), 200, { 'content-type': 'application/json' })
  )
  app.get('/', (ask) => ask.html((page ??= readablePage())))
  if (ui) {
    app.get('/ui', (ask) => ask.redirect('/ui/'))
    for (const { path, type, content } of dashboardFiles()) {
      app.get(path, (ask) =>
        ask.body(content, 200, { 'content-type': type, 'cache-control': 'no-cache' })
      )
    }
  }
  return app
}

/** Headers that forbid a page everything but what its policy names. */
function headers(allowed: Readonly<Record<string, string[]>>): MiddlewareHandler {
  return secureHeaders({
    contentSecurityPolicy: {
      defaultSrc: ["'none'"],
      baseUri: ["'none'"],
      formAction: ["'none'"],
      frameAncestors: ["'none'"],
      ...allowed
    },
    xFrameOptions: 'DENY',
    referrerPolicy: 'no-referrer',
    strictTransportSecurity: false
  })
}

/** The request of a list asks for no more than one answer may have. */
function limited({ request }: Verb, body: unknown): unknown {
  if (!('limit' in request.shape) || typeof body !== 'object' || body === null) return body
  const { limit = MOST_LISTED } = body as { readonly limit?: number }
  return { ...body, limit: typeof limit === 'number' ? Math.min(limit, MOST_LISTED) : limit }
}

/** Performs a verb, once for each Idempotency-Key, and within the budget of the token. */
async function perform(
  node: LocalNode,
  verb: Verb,
  grant: Grant,
  body: unknown,
  key: string | undefined
): Promise<string> {
  const maker = grant.scopes.includes('manage') ? undefined : grant.id
  const run = async (asked: unknown): Promise<Wire> =>
    publish(verb.answer, await verb.run(node, asked, maker))
  if (key !== undefined && (key === '' || key.length > LONGEST_KEY)) {
    throw new PaychanError(
      'ERR_INVALID_REQUEST',
      `An Idempotency-Key has 1 to ${LONGEST_KEY} characters.`,
      { field: 'Idempotency-Key' }
    )
  }
  // What a payment's id names is paid once in any case (`pay` in node/api.ts).
  if (verb.scope === 'pay') {
    return JSON.stringify(await payWithin(node, verb, grant, named(body, key, grant), run))
  }
  const text = async (): Promise<string> =>
    JSON.stringify(verb.seeksPayment ? await lookedFor(body, grant, run) : await run(body))
  if (key === undefined || isShown(verb)) return await text()
  const asked = JSON.stringify([verb.name, body])
  return await node.gate().answers.once(grant.id, key, asked, text, verb.showsSecret)
}

/* What a request says of itself. */

function bearerOf(ask: Ask): string {
  const given = ask.req.header('authorization')
  const [, token] = /^Bearer +(\S+)$/i.exec(given ?? '') ?? []
  if (token !== undefined) return token
  throw new PaychanError(
    'ERR_TOKEN_MISSING',
    'This needs a token: `Authorization: Bearer TOKEN`. `paychan token create` makes one.'
  )
}

function lastEventOf(ask: Ask): number | undefined {
  const text = ask.req.header('last-event-id') ?? ask.req.query('after')
  if (text === undefined) return undefined
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new PaychanError(
    'ERR_INVALID_REQUEST',
    'Last-Event-ID is the number of the last event that was read, such as 17.',
    { field: 'Last-Event-ID' }
  )
}

/** The fields of a query. A number is a number, and everything else a text. */
function queryOf(ask: Ask, { request }: Verb): unknown {
  const shape = request.shape
  return Object.fromEntries(
    Object.entries(ask.req.query()).map(([name, value]) => [
      name,
      name in shape && /^\d{1,15}$/.test(value) && !acceptsText(shape[name]) ? Number(value) : value
    ])
  )
}

function acceptsText(field: unknown): boolean {
  return (field as { safeParse: (value: unknown) => { success: boolean } }).safeParse('0').success
}

/**
 * A page of another site can have a browser ask here, also under a name of its own that leads to
 * this machine (DNS rebinding): such requests name another host, or another origin.
 */
function assertHost(ask: Ask, hosts: readonly string[]): void {
  const host = hostOf(`http://${ask.req.header('host') ?? ''}`)
  const name = host?.hostname.replace(/^\[|\]$/g, '') ?? ''
  if (host === undefined || !(isIP(name) > 0 || name === 'localhost' || hosts.includes(name))) {
    throw new PaychanError(
      'ERR_API_HOST',
      `This API does not go by the name '${name.slice(0, 64)}'. Use its address, or start the node with --api-host ${name.slice(0, 64)}.`,
      { host: name.slice(0, 64) }
    )
  }
  const origin = ask.req.header('origin')
  if (origin !== undefined && hostOf(origin)?.host !== host.host) {
    throw new PaychanError(
      'ERR_API_ORIGIN',
      'Pages of other sites may not ask this API. A program sends no Origin.',
      { origin: origin.slice(0, 128) }
    )
  }
}

function hostOf(url: string): URL | undefined {
  return URL.canParse(url) ? new URL(url) : undefined
}

/** RFC 9457, with our code and facts. */
function problem(ask: Ask, error: unknown): Response {
  const record = toErrorRecord(error)
  const { code, message, facts } = record
  const status = error instanceof PaychanError ? statusOf(code) : 500
  ask.set('code', code)
  const headers: Record<string, string> = {
    'content-type': 'application/problem+json',
    'cache-control': 'no-store'
  }
  // The unread rest of a refused body would be taken for the next request; and whoever is turned
  // away leaves its connection to others.
  if (ask.req.method === 'POST' || status === 401 || status === 429) headers['connection'] = 'close'
  if (status === 401) headers['www-authenticate'] = 'Bearer'
  if (status === 429 || status === 503) {
    headers['retry-after'] = String(Math.ceil(Number(facts['waitMs'] ?? 1_000) / 1_000))
  }
  const body: Wire = {
    type: `urn:paychan:error:${code}`,
    title: isErrorCode(code) ? ERROR_CODES[code][1] : code,
    status,
    detail: message,
    code,
    facts: facts as Wire
  }
  return ask.body(JSON.stringify(body), status as 400, headers)
}

/* The port. */

function makeServer(
  tls: TcpApiOptions['tls'],
  listener: (request: IncomingMessage, response: ServerResponse) => void
): Server {
  if (tls === undefined) return createServer(listener)
  try {
    return createTlsServer({ ...tls, minVersion: 'TLSv1.2' }, listener)
  } catch (error) {
    throw new PaychanError(
      'ERR_API_LISTEN',
      `The certificate or the key of the API cannot be used (${messageOf(error)}). Both are PEM files, and belong together.`,
      {},
      { cause: error }
    )
  }
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      const why = codeOf(error) === 'EADDRINUSE' ? 'the port is in use' : messageOf(error)
      reject(
        new PaychanError(
          'ERR_API_LISTEN',
          `The API cannot listen at ${host}:${port}: ${why}. Choose another one: --api HOST:PORT.`,
          { host, port },
          { cause: error }
        )
      )
    })
    server.listen(port, host, resolve)
  })
}
