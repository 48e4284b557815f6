/**
 * Sending a transaction to several servers, and telling a person when they do not agree about it.
 */
import type { Transaction } from '../bitcoin/transaction.js'
import type { Clock, Refusal, Verdict, Weight } from '../engine/ports.js'
import { codeOf, PaychanError } from '../types/errors.js'
import { isFeeRefusal, type RefusalKind } from '../types/refusals.js'
import type { ServerReport } from './pool.js'
import type { PoolServer } from './pool-server.js'
import { within } from './timing.js'

/** Of how many refusals it is remembered that they were told: they come again with every block. */
const MOST_TOLD = 1_000

export class Broadcasts {
  readonly #told = new Set<string>()

  /** @param patience - milliseconds that the others have to answer, once one has taken it */
  constructor(
    private readonly clock: Clock,
    private readonly patience: number,
    private readonly report: (report: ServerReport) => void
  ) {}

  /**
   * To all; one that takes it is enough.
   *
   * @throws PaychanError `ERR_BROADCAST_REFUSED`, or why nobody could be asked
   */
  async send(
    servers: readonly PoolServer[],
    transaction: Transaction,
    weight: Weight = 'money'
  ): Promise<Verdict> {
    const takers: Verdict[] = []
    const errors: unknown[] = []
    const sent = servers.map(async ({ chain }) => await chain.broadcast(transaction, weight))
    const heard = sent.map((answer) =>
      answer.then(
        (verdict) => {
          takers.push(verdict)
        },
        (error: unknown) => {
          errors.push(error)
        }
      )
    )
    void Promise.allSettled(sent).then((verdicts) => {
      this.#compare(servers, verdicts)
    })
    // Who takes it first says nothing of the fee that the others ask for.
    const prompt = Promise.all(heard.filter((_, i) => servers[i]?.chain.status !== 'down'))
    await Promise.any(sent).then(
      async () => {
        await within<unknown>(this.clock, this.patience, prompt, () => {})
      },
      async () => {
        await Promise.all(heard)
      }
    )
    const [first] = takers
    if (first === undefined) throw weightiest(errors)
    return {
      txid: first.txid,
      taken: takers.length,
      of: servers.length,
      refusals: errors.flatMap(refusalOf)
    }
  }

  #compare(
    servers: readonly PoolServer[],
    verdicts: ReadonlyArray<PromiseSettledResult<Verdict>>
  ): void {
    const taker = servers.find((_, i) => verdicts[i]?.status === 'fulfilled')
    if (taker === undefined) return
    verdicts.forEach((verdict, i) => {
      const url = servers[i]?.url ?? ''
      if (
        verdict.status === 'rejected' &&
        verdict.reason instanceof PaychanError &&
        verdict.reason.code === 'ERR_BROADCAST_REFUSED'
      ) {
        this.#tell(url, taker.url, verdict.reason)
      }
    })
  }

  #tell(url: string, taker: string, { facts: { txid, reason } }: PaychanError): void {
    const key = `${url} ${String(txid)}`
    if (this.#told.has(key)) return
    if (this.#told.size >= MOST_TOLD) this.#told.clear()
    this.#told.add(key)
    this.report({
      code: 'ERR_SERVERS_DISAGREE',
      server: url,
      text: `The Electrum server ${url} refuses transaction ${String(txid)} (${String(reason)}), and ${taker} has taken it. It is on its way all the same.`
    })
  }
}

/**
 * A refusal for the fee before all others: it can be helped, and one server alone must not hide it.
 * Any verdict says more than a server that could not be reached.
 */
function weightiest(errors: readonly unknown[]): unknown {
  return (
    errors.find((error) => refusalOf(error).some(({ kind }) => isFeeRefusal(kind))) ??
    errors.find((error) => refusalOf(error).length > 0) ??
    errors[0]
  )
}

function refusalOf(error: unknown): Refusal[] {
  if (!(error instanceof PaychanError) || codeOf(error) !== 'ERR_BROADCAST_REFUSED') return []
  return [{ kind: error.facts.kind as RefusalKind, reason: String(error.facts.reason) }]
}
