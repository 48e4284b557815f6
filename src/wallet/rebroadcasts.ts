/**
 * Transactions of this wallet that are in no block yet: they go out again with every block; and the
 * advice about one that a server refuses.
 */
import type { Transaction } from '../bitcoin/transaction.js'
import type { Chain, Store, Verdict } from '../engine/ports.js'
import type { Txid } from '../types/bytes.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import { isFeeRefusal } from '../types/refusals.js'
import { feeRate, formatFeeRate } from '../types/units.js'
import { isBuried } from './claims.js'
import {
  feeOf,
  type Outgoing,
  outgoingRemoval,
  type OutgoingTransactions,
  type Reservations,
  versionToSend
} from './coins.js'
import type { HistoryView } from './history-view.js'
import { BackgroundTask } from './tasks.js'

/*
 * Advice about a transaction of the wallet that a server refuses. It depends on the reason: a
 * higher fee is advised only where it helps.
 */

/**
 * EVID-7: true when a server has refused a transaction for its fee, even if another one says that
 * it has taken it, which costs nothing to say.
 *
 * @param answer - of `Chain.broadcast`: the verdict, or the error that it rejected with
 */
export function isUnderpaid(answer: Verdict | Error): boolean {
  if ('refusals' in answer) return answer.refusals.some(({ kind }) => isFeeRefusal(kind))
  return answer instanceof PaychanError && isFeeRefusal(kindOf(answer))
}

function kindOf({ facts: { kind } }: PaychanError): string | undefined {
  return typeof kind === 'string' ? kind : undefined
}

/**
 * A text with the reason, the note that the transaction is kept, and the next step.
 *
 * @param what - the transaction, as the beginning of a sentence
 * @param whenSent - more to say to whoever has just sent it
 */
export function refusedText(what: string, id: Txid, error: unknown, whenSent = ''): string {
  return `${what} (${messageOf(error)}). It is sent again with every block. ${whenSent}${adviceOn(error, id)}`
}

/**
 * The error for a T1 that no server has, and that no server takes with its child either.
 *
 * @param alone - why T1 alone was refused, which no child changes but for its fee
 */
export function packageRefused(
  funding: Txid,
  child: Txid,
  error: unknown,
  alone: unknown
): PaychanError {
  const isForItsFee = !(alone instanceof PaychanError) || isFeeRefusal(kindOf(alone))
  const advice = isForItsFee
    ? `Raise the fee further with \`paychan bumpfee ${funding}\`; where that does not help, add an Electrum server that takes packages, or wait until fees fall.`
    : `Alone it is refused as well (${alone.message}). ${adviceOn(alone, funding)}`
  return new PaychanError(
    'ERR_BROADCAST_REFUSED',
    `No server has the funding transaction ${funding} in its mempool, and none takes it together with the child ${child} that pays for it (${messageOf(error)}). Both are sent again with every block. ${advice}`,
    { txid: child, parent: funding },
    { cause: error }
  )
}

function adviceOn(error: unknown, id: Txid): string {
  const kind = error instanceof PaychanError ? kindOf(error) : undefined
  if (isFeeRefusal(kind)) return `Raise its fee with \`paychan bumpfee ${id}\`.`
  switch (kind) {
    case 'missing-inputs':
      return 'A coin that it spends is not on the chain just now, where a reorganisation may bring it back; a higher fee does not. `paychan coins` shows which coins there are.'
    case 'non-final':
      return 'There is nothing to do but to wait for more blocks.'
    default:
      return 'A higher fee does not help against that; if it goes on, add another Electrum server.'
  }
}

interface RebroadcastsInit {
  readonly chain: Chain
  readonly store: Store
  readonly view: HistoryView
  readonly reservations: Reservations
  readonly outgoing: OutgoingTransactions
  /** Runs one task at a time, in line with everything else that chooses or writes. */
  readonly change: <T>(task: () => Promise<T>) => Promise<T>
  readonly onError: (error: Error) => void
}

export class Rebroadcasts {
  readonly #triedAt = new Map<Txid, string>()
  /** Transactions whose newest version a server refused for its fee the last time it was sent. */
  readonly #underpaid = new Set<Txid>()
  readonly #task: BackgroundTask
  readonly #init: RebroadcastsInit

  constructor(init: RebroadcastsInit) {
    this.#init = init
    this.#task = new BackgroundTask(() => this.#look(), init.onError)
  }

  /** Called after a new block, a new history or a new connection. */
  lookAgain(): void {
    this.#task.lookAgain()
  }

  stop(): void {
    this.#task.stop()
  }

  async idle(): Promise<void> {
    await this.#task.idle()
  }

  /** Sends transactions in no block again, and lets go of buried ones. */
  async #look(): Promise<void> {
    const { outgoing, chain, view } = this.#init
    const { tip } = chain
    if (tip === undefined) return
    for (const each of outgoing.all()) {
      if (this.#task.stopped) return
      const spenders = each.versions.map(({ inputs }) =>
        inputs.map(({ outPoint }) => view.spender(outPoint))
      )
      // Each version is buried, or can never be in a block any more because a conflict is.
      const decided = spenders.every((those) =>
        those.some((spender) => isBuried(spender?.height, tip.height))
      )
      const isOpen = spenders.at(-1)?.every((spender) => spender?.height === undefined) ?? false
      if (decided) await this.#settle(each)
      else if (isOpen && this.#triedAt.get(each.id) !== tip.hash) await this.#again(each, tip.hash)
    }
  }

  /**
   * Resolves with true when a server has the transaction now. An unreachable server gets it later;
   * a refusal is an error.
   */
  async send(id: Txid, transaction: Transaction): Promise<boolean> {
    const { chain } = this.#init
    if (chain.tip !== undefined) this.#triedAt.set(id, chain.tip.hash)
    try {
      this.#heard(id, await chain.broadcast(transaction))
      return true
    } catch (error) {
      if (error instanceof Error) this.#heard(id, error)
      if (codeOf(error) === 'ERR_CHAIN_UNAVAILABLE') {
        this.#triedAt.delete(id)
        return false
      }
      const sent = transaction.txid
      // Whatever a server says: the transaction is kept, and sent again.
      throw new PaychanError(
        'ERR_BROADCAST_REFUSED',
        refusedText(
          `The server refused the transaction ${sent}`,
          sent,
          error,
          'Do not send once more. '
        ),
        { txid: sent },
        { cause: error }
      )
    }
  }

  /** True when a server refused the newest version for its fee the last time it was sent. */
  isUnderpaid(id: Txid): boolean {
    return this.#underpaid.has(id)
  }

  #heard(id: Txid, answer: Verdict | Error): void {
    if (isUnderpaid(answer)) this.#underpaid.add(id)
    else this.#underpaid.delete(id)
  }

  async #again(each: Outgoing, tip: string): Promise<void> {
    const { view, chain, reservations, onError } = this.#init
    const version = versionToSend(each, reservations)
    // Without its parent it comes in only with it, as a package, where the server has refused that
    // one for its fee.
    const isOrphan =
      each.kind === 'child' &&
      view.transaction(each.inputs[0]?.outPoint.txid ?? each.id) === undefined
    this.#triedAt.set(each.id, tip)
    try {
      this.#heard(each.id, await chain.broadcast(version))
    } catch (error) {
      if (error instanceof Error) this.#heard(each.id, error)
      if (codeOf(error) === 'ERR_CHAIN_UNAVAILABLE') {
        this.#triedAt.delete(each.id)
        return
      }
      if (isOrphan) return
      // A dearer version may be refused while an older one is well on its way.
      if (each.versions.some(({ txid }) => view.transaction(txid) !== undefined)) {
        return
      }
      const { txid: id, vsize } = version
      const pays = formatFeeRate(feeRate((feeOf(each, version) * 1000n) / BigInt(vsize)))
      onError(
        PaychanError.of(
          codeOf(error),
          refusedText(`The transaction ${id}, which pays ${pays}, was refused`, id, error),
          { txid: id },
          { cause: error }
        )
      )
    }
  }

  async #settle({ id, versions, inputs }: Outgoing): Promise<void> {
    const { change, store, outgoing, view, onError } = this.#init
    if (versions.every(({ txid }) => view.transaction(txid)?.height === undefined)) {
      const rival =
        inputs
          .map(({ outPoint }) => view.spender(outPoint)?.transaction.txid)
          .find((spender) => spender !== undefined) ?? 'another transaction'
      onError(
        new PaychanError(
          'ERR_SEND_OVERTAKEN',
          `The transaction ${id} can never be in a block: ${rival}, which spends the same coins, is buried. If that was not you, somebody else has the words of this wallet.`,
          { txid: id, rival }
        )
      )
    }
    try {
      await change(async () => {
        await store.commit([outgoingRemoval(id)])
        outgoing.remove(id)
        this.#triedAt.delete(id)
        this.#underpaid.delete(id)
      })
    } catch (error) {
      if (!this.#task.stopped) onError(error instanceof Error ? error : new Error(messageOf(error)))
    }
  }
}
