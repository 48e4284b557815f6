/** Sending a transaction to several servers, and telling a person when they do not agree about it. */
import type { Txid } from '../types/bytes.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import type { ServerReport } from './pool.js'
import type { PoolServer } from './pool-server.js'

/** Of how many refusals it is remembered that they were told: they come again with every block. */
const MOST_TOLD = 1_000

export class Broadcasts {
  readonly #told = new Set<string>()

  constructor (private readonly report: (report: ServerReport) => void) {}

  /**
   * To all; one that takes it is enough.
   *
   * @throws PaychanError `ERR_BROADCAST_REFUSED`, or why nobody could be asked
   */
  async send (servers: readonly PoolServer[], raw: Uint8Array): Promise<Txid> {
    const sent = servers.map(async ({ chain }) => await chain.broadcast(raw))
    void Promise.allSettled(sent).then((verdicts) => { this.#compare(servers, verdicts) })
    try {
      return await Promise.any(sent)
    } catch (error) {
      const reasons = (error instanceof AggregateError ? error.errors : [error]).filter((reason) => reason instanceof Error)
      const [first = new Error(messageOf(error))] = reasons
      // A verdict says more than a server that could not be reached.
      throw reasons.find((reason) => codeOf(reason) === 'ERR_BROADCAST_REFUSED') ?? first
    }
  }

  #compare (servers: readonly PoolServer[], verdicts: ReadonlyArray<PromiseSettledResult<Txid>>): void {
    const taker = servers.find((_, i) => verdicts[i]?.status === 'fulfilled')
    if (taker === undefined) return
    verdicts.forEach((verdict, i) => {
      const url = servers[i]?.url ?? ''
      if (verdict.status === 'rejected' && verdict.reason instanceof PaychanError && verdict.reason.code === 'ERR_BROADCAST_REFUSED') this.#tell(url, taker.url, verdict.reason)
    })
  }

  #tell (url: string, taker: string, { facts: { txid, reason } }: PaychanError): void {
    const key = `${url} ${String(txid)}`
    if (this.#told.has(key)) return
    if (this.#told.size >= MOST_TOLD) this.#told.clear()
    this.#told.add(key)
    this.report({ code: 'ERR_SERVERS_DISAGREE', server: url, text: `The Electrum server ${url} refuses transaction ${String(txid)} (${String(reason)}), and ${taker} has taken it. It is on its way all the same.` })
  }
}
