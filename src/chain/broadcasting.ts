/**
 * Sends a transaction to one server and to several: the meaning of a refusal, the fate of a
 * transaction that pays too little alone, and the message to a person when servers do not agree.
 */
import type { Transaction } from '../bitcoin/transaction.js'
import {
  type Chain,
  type Claim,
  type Clock,
  inBackground,
  type OnError,
  type Refusal,
  type Verdict,
  type Weight,
  within
} from '../engine/ports.js'
import type { Txid } from '../types/bytes.js'
import { codeOf, PaychanError } from '../types/errors.js'
import { isFeeRefusal, type RefusalKind } from '../types/refusals.js'
import { remember } from '../types/allowance.js'
import { printable } from './electrum/endpoint.js'
import type { Rank } from './electrum/rpc.js'
import { type Outcome, PublicationLine } from './publication-line.js'
import { isLately, RefusalBudget } from './shared-costs.js'
import type { ServerReport } from './waiting.js'
import type { ServerCalls } from './electrum/client.js'
import type { ElectrumSession } from './electrum/session.js'

/** Number of refusals that are remembered as told: refusals come again with every block. */
const MOST_TOLD = 1_000

/**
 * Milliseconds after a refusal within which each server that was asked has answered, or timed out.
 * Where there is no answer then, the transaction waits in that server's line (COST-6, COST-9), and
 * whoever sent it hears of the refusal.
 */
const LINE_MS = 35_000

/** A server that transactions are sent to. */
export interface Receiver {
  readonly url: string
  readonly chain: Pick<Chain, 'broadcast' | 'status'>
}

export class Broadcasts {
  readonly #told = new Set<string>()
  readonly #clock: Clock
  readonly #patience: number
  readonly #report: (report: ServerReport) => void
  readonly #onError: OnError

  /** @param patience - milliseconds that the others have to answer, once one has taken it */
  constructor(
    clock: Clock,
    patience: number,
    report: (report: ServerReport) => void,
    onError: OnError = () => {}
  ) {
    this.#clock = clock
    this.#patience = patience
    this.#report = report
    this.#onError = onError
  }

  /**
   * Sends to all servers; one that takes it is enough. What still waits in the line of a server
   * goes on in the background. `taken` is 0 when it waited in each line before.
   *
   * @throws PaychanError `ERR_BROADCAST_REFUSED`, or why nobody could be asked
   */
  async send(
    servers: readonly Receiver[],
    transaction: Transaction,
    weight: Weight = 'money'
  ): Promise<Verdict> {
    const takers: Verdict[] = []
    const errors: unknown[] = []
    const sent = servers.map(async ({ chain }) => await chain.broadcast(transaction, weight))
    let refuse = (): void => {}
    const refusedFirst = new Promise<void>((resolve) => {
      refuse = resolve
    })
    const heard = sent.map((answer) =>
      answer.then(
        (verdict) => {
          if (verdict.taken > 0) takers.push(verdict)
        },
        (error: unknown) => {
          errors.push(error)
          refuse()
        }
      )
    )
    inBackground(async () => {
      this.#compare(servers, await Promise.allSettled(sent))
    }, this.#onError)
    const all = Promise.all(heard)
    const wait = async (ms: number, answers: Promise<unknown>): Promise<void> => {
      await within<unknown>(this.#clock, ms, answers, () => {})
    }
    // Who takes it first says nothing of the fee that the others ask for.
    const prompt = Promise.all(heard.filter((_, i) => servers[i]?.chain.status !== 'down'))
    const decided = Promise.any(sent.map(async (answer) => tookIt(await answer))).then(
      async () => {
        await wait(this.#patience, prompt)
      },
      // All have answered.
      () => {}
    )
    const isPatient = typeof weight === 'object'
    await (isPatient
      ? Promise.race([
          decided,
          refusedFirst.then(async () => {
            await wait(LINE_MS, all)
          })
        ])
      : decided)
    const [first] = takers
    if (first !== undefined) {
      return {
        txid: first.txid,
        taken: takers.length,
        of: servers.length,
        refusals: errors.flatMap(refusalOf)
      }
    }
    if (errors.length > 0) throw weightiest(errors)
    return { txid: transaction.txid, taken: 0, of: servers.length, refusals: [] }
  }

  #compare(
    servers: readonly Receiver[],
    verdicts: ReadonlyArray<PromiseSettledResult<Verdict>>
  ): void {
    const taker = servers.find((_, i) => {
      const verdict = verdicts[i]
      return verdict?.status === 'fulfilled' && verdict.value.taken > 0
    })
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
    this.#report({
      code: 'ERR_SERVERS_DISAGREE',
      server: url,
      text: `The Electrum server ${url} refuses transaction ${String(txid)} (${String(reason)}), and ${taker} has taken it. It is on its way all the same.`
    })
  }
}

/**
 * COST-6: number of transactions without a deadline that are under way at once at a server; a
 * refused one keeps its place for `REFUSAL_MS`. So they come to 800 at once, and then to 225 of the
 * 600 that ElectrumX forgives in a block.
 */
export const PATIENT_SENDS = 8

/**
 * Closes, and T1s that are not our own: they have no deadline, and a peer can see to it that a
 * server refuses them. Each waits for a place at each server, so that refusals never cost a
 * server's patience; and a server that refuses everything holds up nobody but itself.
 */
export class PatientSends {
  /** The transactions under way, by whom they are for. */
  readonly #sending = new Map<string, Txid>()
  /** In the order in which somebody began to wait; the newest transaction of each. */
  readonly #line = new Map<
    string,
    { readonly txid: Txid; readonly answer: (isIn: boolean) => void }
  >()
  #refusedAt: number[] = []
  readonly #clock: Pick<Clock, 'now'>
  readonly #refusals: RefusalBudget

  /** @param refusals - all of the same server */
  constructor(clock: Pick<Clock, 'now'>, refusals = new RefusalBudget(clock)) {
    this.#clock = clock
    this.#refusals = refusals
  }

  /**
   * Waits for a place. False at once when the same transaction waits or is under way already, and
   * later when another one for the same has come, which takes its place in the line: however many
   * closes a peer has signed, one waits.
   */
  async enter(whose: string, txid: Txid): Promise<boolean> {
    const before = this.#line.get(whose)
    if (this.#sending.get(whose) === txid || before?.txid === txid) return false
    before?.answer(false)
    return await new Promise<boolean>((resolve) => {
      this.#line.set(whose, { txid, answer: resolve })
      this.look()
    })
  }

  /** Answers all that wait: nothing is sent any more. */
  stop(): void {
    for (const { answer } of this.#line.values()) answer(false)
    this.#line.clear()
  }

  /** Frees the place of an answered transaction; to be called for each that has entered. */
  leave(whose: string, isRefused: boolean): void {
    this.#sending.delete(whose)
    if (isRefused) this.#refusedAt.push(this.#clock.now())
    this.look()
  }

  /** Lets waiting transactions in while there are places; to be called with each block. */
  look(): void {
    const now = this.#clock.now()
    this.#refusedAt = this.#refusedAt.filter((at) => isLately(at, now))
    for (const [whose, { txid, answer }] of this.#line) {
      if (this.#sending.size + this.#refusedAt.length >= PATIENT_SENDS) return
      if (!this.#refusals.hasRoom('patient', this.#sending.size)) return
      if (this.#sending.has(whose)) continue
      this.#line.delete(whose)
      this.#sending.set(whose, txid)
      answer(true)
    }
  }
}

/** @throws Error when the server was not asked */
function tookIt(verdict: Verdict): void {
  if (verdict.taken === 0) throw new Error('It waits in the line of this server.')
}

/**
 * Picks the error that says most. A refusal for the fee comes first: it can be helped, and one
 * server alone must not hide it. Any verdict says more than a server that could not be reached.
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

/* The meaning of a refusal to broadcast, whichever server worded it. Pure. */

/**
 * The words of Bitcoin Core (validation.cpp, node/transaction.cpp, policy/rbf.cpp), which Electrum
 * servers pass on inside sentences of their own. A full mempool takes what pays more, and a
 * replacement that does not improve the mempool ("feerate diagram") pays too little. A transaction
 * that needs other ancestors or another place in a chain of transactions is not refused for its
 * fee.
 */
const KINDS: ReadonlyArray<readonly [RegExp, RefusalKind]> = [
  [/non-final|non-bip68-final/, 'non-final'],
  [/missing-?\s?inputs|missingorspent/, 'missing-inputs'],
  [
    /new transaction cannot have mempool ancestors|too many potential replacements|replacement-adds-unconfirmed/,
    'other'
  ],
  [/insufficient (fee|anti-dos fees)|replacement-failed|package rbf failed/, 'insufficient-fee'],
  [
    /min(imum)? relay fee not met|mempool[- ]min[- ]fee[- ]not[- ]met|min-fee-not-met|mempool[- ]full/,
    'fee-too-low'
  ],
  [/\bdust\b/, 'dust']
]

// `txn-same-nonwitness-data-in-mempool`: the same txid is there with other witnesses.
const ALREADY_THERE =
  /txn-already-in-mempool|txn-already-known|txn-same-nonwitness-data-in-mempool|already in (block ?chain|mempool|utxo set)/

const SENTENCES: Readonly<Record<RefusalKind, string>> = {
  'non-final': 'its lock has not been reached yet. Try again once the chain is higher',
  'missing-inputs': 'an output that it spends does not exist or is spent already',
  'fee-too-low': 'its fee is below what the server relays. Raise the fee',
  'insufficient-fee':
    'it does not pay enough more than the transaction that it would replace. Raise the fee',
  dust: 'one of its outputs is too small to be relayed',
  other: 'see the reason'
}

/** True when the server refuses only because it has the transaction already. */
export function isAlreadyThere(text: string): boolean {
  return ALREADY_THERE.test(text.toLowerCase())
}

export function refusalKind(text: string): RefusalKind {
  const lower = text.toLowerCase()
  return KINDS.find(([words]) => words.test(lower))?.[1] ?? 'other'
}

/**
 * The error that `Chain.broadcast` rejects with. Facts: txid, kind (`RefusalKind`), reason (the
 * server's words).
 */
export function broadcastRefused(txid: Txid, text: string): PaychanError {
  const kind = refusalKind(text)
  // Servers append the whole transaction; a reason is for people to read.
  const reason = printable(text).slice(0, 300)
  return new PaychanError(
    'ERR_BROADCAST_REFUSED',
    `The Electrum server refused transaction ${txid}: ${SENTENCES[kind]} (${reason}).`,
    { txid, kind, reason }
  )
}

/*
 * Transactions that a server refused because they pay too little alone: a child may pay for them,
 * in one package.
 */

/** Each is a transaction of a channel that somebody sends again with every block. */
const MOST_KEPT = 100

export class Underpaid {
  readonly #kept = new Map<Txid, Transaction>()

  add(transaction: Transaction): void {
    remember(this.#kept, transaction.txid, transaction, MOST_KEPT)
  }

  remove(id: Txid): void {
    this.#kept.delete(id)
  }

  /** The kept transactions whose outputs a transaction spends. */
  parentsOf({ inputs }: Transaction): Transaction[] {
    return [...new Set(inputs.flatMap(({ outPoint }) => this.#kept.get(outPoint.txid) ?? []))]
  }
}

/*
 * Sends transactions to one Electrum server: what each kind may cost it, the question before a
 * broadcast, and a child together with parents that pay too little alone.
 */

/** COST-3: favours that wait for one server, or for its answer: 40 kB each, written out in hex. */
export const MOST_FAVOURS = 4

export class ServerBroadcasts {
  readonly #underpaid = new Underpaid()
  #favours = 0
  readonly #patient: PatientSends
  readonly #publications: PublicationLine
  readonly #server: string
  readonly #calls: ServerCalls
  /** True while the server can be asked first, which costs next to nothing: nothing waits then. */
  #asksFirst = false
  readonly #refusals: RefusalBudget

  /** @param refusals - all of this server */
  constructor(server: string, calls: ServerCalls, clock: Clock, refusals: RefusalBudget) {
    this.#server = server
    this.#calls = calls
    this.#refusals = refusals
    this.#patient = new PatientSends(clock, refusals)
    this.#publications = new PublicationLine(clock, refusals)
  }

  /** Lets waiting transactions go; to be called with each block. */
  look(): void {
    this.#publications.look()
    this.#patient.look()
  }

  /** Answers all that wait: nothing is sent any more. */
  stop(): void {
    this.#publications.stop()
    this.#patient.stop()
  }

  async broadcast(transaction: Transaction, weight: Weight = 'money'): Promise<Verdict> {
    if (weight === 'money') return await this.#send(transaction, weight)
    if (weight !== 'favour') {
      return 'patientFor' in weight
        ? await this.#sendPatiently(transaction, weight.patientFor)
        : await this.#publish(transaction, weight)
    }
    if (this.#favours >= MOST_FAVOURS || !this.#refusals.hasRoom('favour', this.#favours)) {
      throw busy(this.#server)
    }
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

  /** Waits only for what COST-9 names. */
  async #publish(transaction: Transaction, claim: Claim): Promise<Verdict> {
    if (this.#asksFirst) return await this.#send(transaction, 'money')
    const { txid, vsize } = transaction
    const answer = await this.#publications.enter(claim, txid)
    if (answer === 'gone') return { txid, taken: 0, of: 1, refusals: [] }
    // The server has said it of a dearer one.
    if (answer !== 'go') throw broadcastRefused(txid, String(answer.facts.reason))
    let outcome: Outcome = 'unknown'
    try {
      const verdict = await this.#send(transaction, 'money')
      outcome = 'taken'
      return verdict
    } catch (error) {
      if (error instanceof PaychanError && error.code === 'ERR_BROADCAST_REFUSED') outcome = error
      throw error
    } finally {
      this.#publications.leave(claim, outcome, vsize)
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
    this.#asksFirst = session.has('blockchain.transaction.testmempoolaccept')
    if (!this.#asksFirst) return
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
    `As many transactions of other peers wait for the Electrum server ${server}, or it has refused as many lately, as it bears; another one is not sent. Its owner can send it.`
  )
}
