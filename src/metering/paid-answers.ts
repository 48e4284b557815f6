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
