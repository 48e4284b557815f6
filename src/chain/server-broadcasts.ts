/**
 * Sends transactions to one Electrum server: what each kind may cost it, the question before a
 * broadcast, and a child together with parents that pay too little alone.
 */
import type { Transaction } from '../bitcoin/transaction.js'
import type { Clock, Verdict, Weight } from '../engine/ports.js'
import { codeOf, PaychanError } from '../types/errors.js'
import {
  broadcastRefused,
  isAlreadyThere,
  PatientSends,
  refusalKind,
  Underpaid
} from './broadcasting.js'
import type { ServerCalls } from './electrum/client.js'
import { printable, type Rank } from './electrum/rpc.js'
import type { ElectrumSession } from './electrum/session.js'

/** COST-3: favours that wait for one server, or for its answer: 40 kB each, written out in hex. */
export const MOST_FAVOURS = 4

export class ServerBroadcasts {
  readonly #underpaid = new Underpaid()
  #favours = 0
  readonly #patient: PatientSends
  readonly #server: string
  readonly #calls: ServerCalls

  constructor(server: string, calls: ServerCalls, clock: Clock) {
    this.#server = server
    this.#calls = calls
    this.#patient = new PatientSends(clock)
  }

  /** Lets waiting transactions go; to be called with each block. */
  look(): void {
    this.#patient.look()
  }

  /** Answers all that wait: nothing is sent any more. */
  stop(): void {
    this.#patient.stop()
  }

  async broadcast(transaction: Transaction, weight: Weight = 'money'): Promise<Verdict> {
    if (weight === 'money') return await this.#send(transaction, weight)
    if (weight !== 'favour') return await this.#sendPatiently(transaction, weight.patientFor)
    if (this.#favours >= MOST_FAVOURS) throw busy(this.#server)
    this.#favours++
    try {
      return await this.#send(transaction, weight)
    } finally {
      this.#favours--
    }
  }

  async #sendPatiently(transaction: Transaction, whose: string): Promise<Verdict> {
    const { txid } = transaction
    if (!(await this.#patient.enter(whose, txid))) return { txid, taken: 0, of: 1, refusals: [] }
    let isRefused = false
    try {
      return await this.#send(transaction, 'money')
    } catch (error) {
      isRefused = codeOf(error) === 'ERR_BROADCAST_REFUSED'
      throw error
    } finally {
      this.#patient.leave(whose, isRefused)
    }
  }

  async #send(transaction: Transaction, weight: Rank): Promise<Verdict> {
    const { txid: id, raw } = transaction
    return await this.#calls.make('broadcast the transaction', async (session) => {
      try {
        await this.#askFirst(session, raw, weight)
        const answer = await session.broadcast(raw, weight)
        if (answer !== id) {
          throw new PaychanError(
            'ERR_CHAIN_LIED',
            `The Electrum server answered with the id of another transaction than ${id}, which was sent. Use another server.`,
            { txid: id }
          )
        }
      } catch (error) {
        if (!(error instanceof PaychanError) || error.code !== 'ERR_ELECTRUM_REFUSED') throw error
        const reason = String(error.facts.reason)
        if (!isAlreadyThere(reason)) await this.#asPackage(session, transaction, reason, weight)
      }
      this.#underpaid.remove(id)
      return { txid: id, taken: 1, of: 1, refusals: [] }
    })
  }

  /**
   * Asks the server whether it would take a transaction. A "no" to a question costs little; a
   * refused transaction costs a hundred times as much (ElectrumX). A refusal for the highest fee is
   * the server's own bound for questions: such a transaction may be sent all the same.
   *
   * @throws PaychanError `ERR_ELECTRUM_REFUSED`, as a broadcast
   */
  async #askFirst(session: ElectrumSession, raw: Uint8Array, weight: Rank): Promise<void> {
    if (!session.has('blockchain.transaction.testmempoolaccept')) return
    const reason = await session.refusalOf(raw, weight)
    if (reason === undefined || /max-?fee/i.test(reason)) return
    throw new PaychanError(
      'ERR_ELECTRUM_REFUSED',
      `The Electrum server would refuse the transaction: ${printable(reason).slice(0, 300)}`,
      { reason: printable(reason) }
    )
  }

  /**
   * Sends a child with parents that the mempool did not take by their own fees.
   *
   * @throws PaychanError `ERR_BROADCAST_REFUSED`
   */
  async #asPackage(
    session: ElectrumSession,
    transaction: Transaction,
    reason: string,
    weight: Rank
  ): Promise<void> {
    const kind = refusalKind(reason)
    if (kind === 'fee-too-low') this.#underpaid.add(transaction)
    const parents =
      kind === 'missing-inputs' && session.has('blockchain.transaction.broadcast_package')
        ? this.#underpaid.parentsOf(transaction)
        : []
    if (parents.length === 0) throw broadcastRefused(transaction.txid, reason)
    const refusal = await session.broadcastPackage(
      [...parents, transaction].map(({ raw }) => raw),
      weight
    )
    if (refusal !== undefined) throw broadcastRefused(transaction.txid, refusal)
  }
}

function busy(server: string): PaychanError {
  return new PaychanError(
    'ERR_CHAIN_BUSY',
    `${MOST_FAVOURS} transactions of other peers wait for the Electrum server ${server}; another one is not sent. Its owner can send it.`
  )
}
