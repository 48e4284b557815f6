/**
 * What an answer says of the unit that its request was paid with, and how its events are bought.
 */
import { z } from 'zod'
import type { PaychanError } from '../types/errors.js'
import type { Account, Accounts } from './accounts.js'
import { boughtEvents, isEventStream } from './event-stream.js'
import { NUMBER_USED } from './session-terms.js'
import { isUnitUsed, refusalIn } from './x402.js'

/** True when an answer says that it cost its unit, whatever its status. */
export function isCharged({ headers }: Response): boolean {
  return headers.has('payment-receipt') || isUnitUsed(headers.get('payment-response'))
}

const problemShape = z.object({ type: z.string() })

/** True when the number of a unit was spent already. */
export async function isNumberUsed(answer: Response): Promise<boolean> {
  if (answer.status !== 402) return false
  const refusal = refusalIn(answer.headers.get('payment-response'))
  if (refusal !== undefined) return refusal === NUMBER_USED
  const problem = problemShape.safeParse(
    await answer
      .clone()
      .json()
      .catch(() => undefined)
  )
  return problem.success && problem.data.type.endsWith(NUMBER_USED)
}

/** The answer, whose events are paid as they are read, where they are sold (HTTP-14). */
export function boughtAnswer(
  answer: Response,
  account: Account,
  accounts: Accounts,
  undelivered: () => PaychanError
): Response {
  const { terms, prepaid } = account
  const { streamed: unit } = terms
  if (unit === undefined || answer.body === null) return answer
  if (!answer.ok || !isEventStream(answer)) return answer
  const events = boughtEvents(answer.body as ReadableStream<Uint8Array>, {
    unit,
    pay: async () => {
      await accounts.more(account)
    },
    giveBack: () => {
      accounts.giveBack(account)
    },
    check: (required) => {
      if (required > prepaid.paid) throw undelivered()
    }
  })
  const { status, statusText, headers } = answer
  return new Response(events, { status, statusText, headers })
}

/*
 * A request that is sent as often as it takes to have it paid. One that can be made anew from what
 * it was given as is not copied: a copy of a `Request` costs more than all that is paid for it.
 */

/** A header that shows a payment. */
export interface ShownHeader {
  readonly name: string
  readonly value: string
}

export class RepeatableRequest {
  readonly url: URL
  /** Its copies are sent; undefined where it is made anew each time. */
  readonly #source: Request | undefined
  readonly #init: RequestInit

  /** @throws TypeError as `fetch` rejects, before anything is paid */
  constructor(input: string | URL | Request, init: RequestInit = {}) {
    this.url = new URL(input instanceof Request ? input.url : input)
    const { username, password } = this.url
    const isBare = Object.keys(init).length === 0 && username === '' && password === ''
    const isNew = !(input instanceof Request) && isRepeatable(init.body)
    // What has more to it than a URL could be refused.
    const request = isNew && isBare ? undefined : new Request(input, init)
    this.#source = isNew ? undefined : request
    this.#init = init
  }

  get isAborted(): boolean {
    return (this.#source?.signal ?? this.#init.signal)?.aborted === true
  }

  /**
   * What `fetch` gets to send it once. It follows no redirection: what it leads to would be paid in
   * the name of the one that was asked, and a server that sends it elsewhere would hand a payment
   * on.
   */
  once(shown?: ShownHeader): Parameters<typeof fetch> {
    const [source, init] = [this.#source, this.#init]
    const asked = (source ?? init).redirect
    const redirect = shown === undefined && asked === 'error' ? 'error' : 'manual'
    if (shown === undefined && source !== undefined) {
      return [new Request(source.clone(), { redirect })]
    }
    const headers = new Headers(source?.headers ?? init.headers)
    if (shown !== undefined) headers.set(shown.name, shown.value)
    return source === undefined
      ? [this.url.href, { ...init, headers, redirect }]
      : [new Request(source.clone(), { headers, redirect })]
  }
}

/** True for a body that can be sent again as it is. */
function isRepeatable(body: RequestInit['body']): boolean {
  return body === undefined || body === null || typeof body === 'string'
}
