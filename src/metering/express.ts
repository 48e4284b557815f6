/**
 * A gate before the handlers of Express, Connect or a bare `node:http` server: made to what these
 * give it, so that none of them has to be there.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Admission, PricedReceipt, PricedRequest } from './gate.js'
import { privateCaching, toSharedCaches } from './answers.js'

/** A request as Express has it; a bare one of `node:http` will do. */
export type ServedRequest = IncomingMessage & {
  /** The path and query that were asked for, wherever the handler hangs. */
  readonly originalUrl?: string
  /** `https` behind a proxy that is trusted. */
  readonly protocol?: string
}

export type ServedHandler = (
  request: ServedRequest,
  response: ServerResponse,
  next: (error?: unknown) => void
) => void

/** Lets requests through that are admitted; the rest is answered. */
export function middleware(admit: (request: PricedRequest) => Promise<Admission>): ServedHandler {
  return (request, response, next) => {
    const priced = pricedOf(request)
    if (priced === undefined) {
      response.statusCode = 400
      response.end('The path can be read in two ways.\n')
      return
    }
    admit(priced).then(
      (admission) => {
        if (admission.refusal === undefined) {
          settle(request, response, admission)
          next()
        } else {
          answer(response, admission.refusal).catch(next)
        }
      },
      (error: unknown) => {
        next(error)
      }
    )
  }
}

/** A name or an address, perhaps with a port: anything else in `Host` could pass for a path. */
const HOST = /^([\w.-]+|\[[\da-f:.]+\])(:\d{1,5})?$/i

/** A segment that a URL resolves, and a router need not: `..`, `.`, what is after a backslash. */
const RESOLVED = /\\|\/(\.|%2e){1,2}(\/|$)/i

/** What no client sends, and a URL or a router drops, or cuts the path at: spaces, tabs, `#`. */
const DROPPED = /[^\x21-\x7e]|#/

/**
 * The request as its price is asked for. The URL has the path that the handlers behind the gate
 * see, which is what is sold; undefined where they could see another one.
 */
function pricedOf(request: ServedRequest): PricedRequest | undefined {
  const { headers, method = 'GET', protocol, originalUrl, url = '/' } = request
  // Behind a proxy that is trusted, it may be whatever the visitor has written.
  const isSecure = protocol === undefined ? 'encrypted' in request.socket : protocol === 'https'
  const { host = '' } = headers
  const target = originalUrl ?? url
  const [path = ''] = target.split('?', 1)
  if (!path.startsWith('/') || RESOLVED.test(path) || DROPPED.test(target)) return undefined
  return {
    method,
    url: `${isSecure ? 'https' : 'http'}://${HOST.test(host) ? host : 'localhost'}${target}`,
    headers: {
      get: (name) => {
        const value = headers[name.toLowerCase()]
        return value === undefined ? null : [value].flat().join(', ')
      }
    }
  }
}

async function answer(response: ServerResponse, refusal: Response): Promise<void> {
  response.statusCode = refusal.status
  refusal.headers.forEach((value, name) => {
    response.setHeader(name, value)
  })
  response.end(await refusal.text())
}

/** The receipt goes with the headers of the answer, whose status says if there is one. */
function settle(
  { socket }: ServedRequest,
  response: ServerResponse,
  { receipt, giveBack }: Extract<Admission, { readonly refusal: undefined }>
): void {
  if (receipt === undefined) return
  const writeHead = response.writeHead.bind(response) as (...args: unknown[]) => ServerResponse
  let given: { readonly header: PricedReceipt | undefined } | undefined
  response.writeHead = (...args: unknown[]) => {
    // A head that is out has said what was charged.
    if (response.headersSent) return writeHead(...args)
    const status = typeof args[0] === 'number' ? args[0] : response.statusCode
    // Who has gone is charged: it could have the work done, and break off before each answer.
    if (status >= 500 && !socket.destroyed) given ??= { header: giveBack() }
    const header = given === undefined ? receipt : given.header
    response.removeHeader(receipt.name)
    if (header !== undefined) {
      setHeaders(response, args)
      response.setHeader(header.name, header.value)
      // What was paid for is for the payer alone.
      for (const name of toSharedCaches(response.getHeaderNames())) response.removeHeader(name)
      const caching = response.getHeader('cache-control')?.toString() ?? null
      response.setHeader('cache-control', privateCaching(caching))
    }
    return writeHead(...args)
  }
}

/**
 * Sets the headers that `writeHead` is given, and takes them out: they would go past what is set.
 */
function setHeaders(response: ServerResponse, args: unknown[]): void {
  const headers = args.at(-1)
  if (typeof headers !== 'object' || headers === null) return
  args.pop()
  // A flat list may name a header more than once.
  const pairs: Array<[unknown, unknown]> = Array.isArray(headers)
    ? Array.from({ length: headers.length / 2 }, (_, at) => [headers[2 * at], headers[2 * at + 1]])
    : Object.entries(headers)
  for (const [name] of pairs) response.removeHeader(String(name))
  for (const [name, value] of pairs) {
    if (value !== undefined) response.appendHeader(String(name), textsOf(value))
  }
}

function textsOf(value: unknown): string | string[] {
  return Array.isArray(value) ? value.map(String) : String(value)
}
