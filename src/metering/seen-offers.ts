/**
 * Which server has made an offer, as the `fetch` below a client of another library sees it: what a
 * server says of itself may be the word of another one. So it is that `fetch` that decides in whose
 * sessions an offer may be paid.
 */
import { remember } from '../types/allowance.js'
import { readChallenges } from './payment-auth.js'
import { readRequired } from './x402.js'

/** Offers, and units, that are remembered until something comes of them; the oldest goes first. */
export const MOST_OPEN = 10_000

export interface SeenOffer {
  /** What was asked for, where the payment is going to be shown. */
  readonly server: URL
  /** True when it answers a payment: the request is paid once more, and no further (HTTP-6). */
  readonly isFurther: boolean
}

export class SeenOffers {
  /** By the id of the challenge. */
  readonly #offers = new Map<string, SeenOffer>()

  /** The offer with a challenge; undefined when the fetch did not see it. */
  of(challenge: string): SeenOffer | undefined {
    return this.#offers.get(challenge)
  }

  /** Notes what an answer offers, by whichever header; the ids of its challenges. */
  note({ headers }: Response, request: Request, isFurther = false): string[] {
    // Not where a redirection led to: the payment is shown to whoever was asked (HTTP-2).
    const server = new URL(request.url)
    const ids = [
      ...readChallenges(headers.get('www-authenticate') ?? ''),
      ...readRequired(headers.get('payment-required')).map(({ challenge }) => challenge)
    ].map(({ id }) => id)
    for (const id of ids) remember(this.#offers, id, { server, isFurther }, MOST_OPEN)
    return ids
  }
}
