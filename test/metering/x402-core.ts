/**
 * Servers and clients by `@x402/core`'s own classes: a server as its middlewares use them, without
 * a framework.
 */
import {
  type RouteConfig,
  x402HTTPResourceServer as HttpResourceServer,
  x402ResourceServer as ResourceServer
} from '@x402/core/server'
import { x402Client as Client } from '@x402/fetch'
import type { X402Buyer, X402Seller } from '../../src/metering/index.js'

export function coreClient(buyer: X402Buyer): Client {
  const client = new Client().register('bip122:*', buyer)
  return client.setSpendControls({
    allowedAssets: [{ network: 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328', asset: 'sat' }]
  })
}

export async function coreServer(
  seller: X402Seller,
  prices: Readonly<Record<string, string>>,
  handle: (request: Request) => Promise<Response>
): Promise<(request: Request) => Promise<Response>> {
  const network = await seller.network()
  const server = new ResourceServer(seller).register('bip122:*', seller)
  const routes: Record<string, RouteConfig> = {}
  for (const [route, price] of Object.entries(prices)) {
    routes[route] = { accepts: { scheme: seller.scheme, network, payTo: '', price } }
  }
  const http = new HttpResourceServer(server, routes)
  await http.initialize()
  return async (request) => {
    const { pathname } = new URL(request.url)
    const adapter = {
      getHeader: (name: string) => request.headers.get(name) ?? undefined,
      getMethod: () => request.method,
      getPath: () => pathname,
      getUrl: () => request.url,
      getAcceptHeader: () => request.headers.get('accept') ?? '',
      getUserAgent: () => ''
    }
    const context = { adapter, path: pathname, method: request.method }
    const result = await http.processHTTPRequest(context)
    if (result.type === 'no-payment-required') return await handle(request)
    if (result.type === 'payment-error') {
      const { status, headers, body } = result.response
      return new Response(JSON.stringify(body), { status, headers })
    }
    const { cancellationDispatcher, beforeHandlerSettlement } = result
    const answer = await handle(request)
    if (answer.status >= 400) {
      const canceled = await cancellationDispatcher.cancel({
        reason: 'handler_failed',
        responseStatus: answer.status
      })
      const headers = http.createFailurePathSettlementHeaders(canceled, beforeHandlerSettlement)
      return new Response(answer.body, { status: answer.status, headers: headers ?? {} })
    }
    const settled = await http.processSettlement(
      result.paymentPayload,
      result.paymentRequirements,
      result.declaredExtensions,
      { request: context },
      undefined,
      beforeHandlerSettlement
    )
    return new Response(answer.body, { status: answer.status, headers: settled.headers })
  }
}
