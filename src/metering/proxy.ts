/** A priced proxy: puts any HTTP server behind a gate, unchanged, and says which paths are free. */
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { serve, type ServerType } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import { proxy } from 'hono/proxy'
import { isLoopback } from '../node/system.js'
import { adviceOf } from '../types/error-advice.js'
import { codeOf, fetchFailure, PaychanError } from '../types/errors.js'
import type { Gate, SoldUnit } from './gate.js'
import { isPayment } from './payment-auth.js'

export interface ProxyOptions {
  readonly gate: Gate
  /**
   * The server that is sold, such as `http://127.0.0.1:8080`; a path is put before each request's.
   */
  readonly upstream: string
  readonly host: string
  /** 0 for any free port. */
  readonly port: number
  /** Certificate and key, PEM. */
  readonly tls?: { readonly cert: string; readonly key: string }
}

export interface PricedProxy {
  readonly url: string
  readonly close: () => Promise<void>
}

/** With these the server behind never had the request, so nothing was done for it. */
const UNREACHED: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT'
])

/**
 * Serves the upstream server for money. Waits until it listens.
 *
 * @throws PaychanError `ERR_GATE_LISTEN`, `ERR_API_TLS_NEEDED`
 */
export async function servePriced(options: ProxyOptions): Promise<PricedProxy> {
  const { gate, upstream, host, port, tls } = options
  if (tls === undefined && !isLoopback(host)) {
    throw new PaychanError(
      'ERR_API_TLS_NEEDED',
      `At ${host} it would be reached from other machines, and whoever is on the way could use what is paid. Give it a certificate (--cert and --key), or listen at 127.0.0.1 and put a proxy with TLS in front.`,
      { host }
    )
  }
  const app = new Hono()
  const forwarded = async (c: Context, { charge }: SoldUnit): Promise<Response> => {
    const { pathname, search } = new URL(c.req.url)
    const authorization = c.req.header('authorization')
    const headers = {
      ...c.req.header(),
      host: undefined,
      // The payment is for us.
      'payment-signature': undefined,
      ...(isPayment(authorization ?? null) ? { authorization: undefined } : {})
    }
    const target = `${upstream.replace(/\/+$/, '')}${pathname}${search}`
    try {
      return await proxy(target, { raw: c.req.raw, headers, redirect: 'manual' })
    } catch (error) {
      const cause = error instanceof Error ? error.cause : undefined
      const isUnreached = UNREACHED.has(codeOf(cause))
      if (!isUnreached) charge()
      return c.json(
        {
          type: 'about:blank',
          title: 'Bad Gateway',
          status: 502,
          detail: isUnreached
            ? `The server behind this one cannot be reached (${fetchFailure(error)}). Nothing was charged.`
            : `The server behind this one has the request, and broke off (${fetchFailure(error)}). It was charged, as it may have been done.`
        },
        502,
        { 'content-type': 'application/problem+json' }
      )
    }
  }
  app.all('*', async (c) => {
    return await gate.handle(c.req.raw, async (unit) => await forwarded(c, unit))
  })
  const server = await listen(
    (listening) =>
      serve(
        {
          fetch: app.fetch,
          hostname: host,
          port,
          ...(tls === undefined ? {} : { createServer: createTlsServer, serverOptions: tls })
        },
        listening
      ),
    `${host}:${port}`
  )
  const { address, family, port: bound } = server.address() as AddressInfo
  return {
    url: `${tls === undefined ? 'http' : 'https'}://${family === 'IPv6' ? `[${address}]` : address}:${bound}`,
    close: async () => {
      const closed = new Promise<void>((resolve) => {
        server.close(() => {
          resolve()
        })
      })
      if ('closeAllConnections' in server) server.closeAllConnections()
      await closed
    }
  }
}

async function listen(
  start: (listening: () => void) => ServerType,
  where: string
): Promise<ServerType> {
  return await new Promise<ServerType>((resolve, reject) => {
    const server = start(() => {
      resolve(server)
    })
    server.once('error', (error) => {
      reject(
        new PaychanError(
          'ERR_GATE_LISTEN',
          `It cannot listen at ${where} (${codeOf(error)}). ${adviceOf('ERR_GATE_LISTEN')}`,
          { where }
        )
      )
    })
  })
}

/*
 * The paths of a priced server that cost nothing. What is behind it may read a path in other ways
 * than this one: it decodes `%2f`, resolves `..` or joins `//`, and then serves what is to be paid.
 * So a path is free only where it can be read in one way.
 */

/** In a decoded segment: what some servers part it at, decode once more, or cut off. */
const AMBIGUOUS = /[/\\%;?#\p{Cc}]/u

/**
 * True for a path, as it stands in a URL, that is one of the free ones or lies below one, by whole
 * segments: `/health` makes `/health` and `/health/now` free, and `/healthy` not.
 *
 * @example
 * isFreePath('/health/now', ['/health']) // true
 * isFreePath('/health/..%2fpaid', ['/health']) // false
 */
export function isFreePath(path: string, free: readonly string[]): boolean {
  const segments = segmentsOf(path)
  if (segments === undefined) return false
  return free.some((each) => {
    const wanted = segmentsOf(each)
    return wanted?.every((segment, at) => segment === segments[at]) === true
  })
}

/** The decoded segments of a path that can be read in one way; undefined for any other. */
function segmentsOf(path: string): readonly string[] | undefined {
  const [, ...written] = (path.startsWith('/') ? path : `/${path}`).split('/')
  // A slash at the end says the same.
  if (written.at(-1) === '') written.pop()
  const segments = written.map(decoded)
  return segments.every((segment) => segment !== undefined) ? segments : undefined
}

function decoded(segment: string): string | undefined {
  try {
    const text = decodeURIComponent(segment)
    return text === '' || text === '.' || text === '..' || AMBIGUOUS.test(text) ? undefined : text
  } catch {
    return undefined
  }
}
