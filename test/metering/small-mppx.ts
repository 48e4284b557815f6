/**
 * What `mppx` does around a method, in small: its client asks, has a credential made and asks
 * again; its server makes a challenge, or has a credential taken. The real one meets ours in
 * `test/package/mppx.js`.
 */
import {
  challengeHeader,
  challengeId,
  fromToken,
  isPayment,
  readChallenges,
  readCredential,
  toToken,
  type Challenge
} from '../../src/metering/payment-auth.js'
import type { MppxBuyer, MppxChallenge, MppxSeller } from '../../src/metering/index.js'

/** Times that the client asks with a payment. */
const MOST_TRIES = 3
const LIFETIME_MS = 300_000

export function dataOf(challenge: Challenge): MppxChallenge {
  return { ...challenge, request: fromToken(challenge.request) as Record<string, unknown> }
}

export class VerificationFailedError extends Error {
  readonly status: number = 402

  toProblemDetails(challengeId: string): object {
    return { detail: this.message, challengeId }
  }
}

export const TRANSPORT = {
  respondReceipt: ({ response }: { readonly response: unknown }): Response => {
    const headers = { 'payment-receipt': 'yes', 'content-type': 'text/event-stream' }
    return new Response((response as Response).body, { headers })
  }
}

export function clientOf(buyer: MppxBuyer): (place: string) => Promise<Response> {
  return async (place) => {
    let answer = await buyer.fetch(place)
    for (let tries = 0; tries < MOST_TRIES && answer.status === 402; tries++) {
      const [asked] = readChallenges(answer.headers.get('www-authenticate') ?? '')
      if (asked === undefined || !buyer.canHandleChallenge({ challenge: dataOf(asked) })) break
      const authorization = await buyer.createCredential({ challenge: dataOf(asked) })
      answer = await buyer.fetch(place, { headers: { authorization } })
    }
    return answer
  }
}

export function serverOf(
  seller: MppxSeller,
  secretKey: string,
  amount: string,
  serve: () => Response
): (request: Request) => Promise<Response> {
  return async (request) => {
    const authorization = request.headers.get('authorization')
    const said = isPayment(authorization) ? readCredential(authorization) : null
    const route = seller.schema.request.parse(
      await seller.request({ credential: said, request: { amount } })
    )
    const { name: method, intent } = seller
    const expires = new Date(Date.now() + LIFETIME_MS).toISOString()
    const asked = { realm: 'shop', method, intent, request: toToken(route), expires }
    const challenge = { id: challengeId(Buffer.from(secretKey), asked), ...asked }
    const refused = (body?: object): Response =>
      new Response(body && JSON.stringify(body), {
        status: 402,
        headers: { 'www-authenticate': challengeHeader(challenge) }
      })
    if (said === null) return refused()
    const payload = seller.schema.credential.payload.parse(said.payload)
    const credential = { challenge: dataOf(said.challenge), payload }
    try {
      await seller.broadcast({ credential, request: route })
    } catch (error) {
      if (!(error instanceof VerificationFailedError)) throw error
      return refused(error.toProblemDetails(challenge.id))
    }
    const answered = { credential, input: request, response: serve() }
    return seller.transport.respondReceipt(answered) as Response
  }
}
