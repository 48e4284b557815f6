/**
 * A gate before the handlers of Express, Connect or a bare `node:http` server: made to what these
 * give it, so that none of them has to be there.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Admission, PricedRequest } from './gate.js'
import { privateCaching, SHARED_CACHING } from './private-answers.js'

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

/**
 * The request as its price is asked for. The URL has the path that the handlers behind the gate
 * see, which is what is sold; undefined where they could see another one.
 */
function pricedOf(request: ServedRequest): PricedRequest | undefined {
  const { headers, method = 'GET', protocol, originalUrl, url = '/' } = request
  const scheme = protocol ?? ('encrypted' in request.socket ? 'https' : 'http')
  const { host = '' } = headers
  const target = originalUrl ?? url
  const [path = ''] = target.split('?', 1)
  if (!path.startsWith('/') || RESOLVED.test(path)) return undefined
  return {
    method,
    url: `${scheme}://${HOST.test(host) ? host : 'localhost'}${target}`,
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
  const writeHead = response.writeHead.bind(response) as (...args: unknown[]) => ServerResponse
  response.writeHead = (...args: unknown[]) => {
    const status = typeof args[0] === 'number' ? args[0] : response.statusCode
    // Who has gone is charged: it could have the work done, and break off before each answer.
    const header = status < 500 || socket.destroyed ? receipt : giveBack()
    if (header !== undefined) {
      response.setHeader(header.name, header.value)
      // What was paid for is for the payer alone.
      for (const name of SHARED_CACHING) response.removeHeader(name)
      const caching = response.getHeader('cache-control')?.toString() ?? null
      response.setHeader('cache-control', privateCaching(caching))
    }
    return writeHead(...args)
  }
}
