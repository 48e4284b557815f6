/**
 * Merges the histories of all watched scripts. Level-triggered: each history replaces the one
 * before it, so reorgs and replaced transactions need no special code.
 *
 * What is in no block costs nothing to make up. It counts only if it is signed for all outputs of
 * ours that it spends, whichever script's history shows it (EVID-9): a server can show a spend of
 * one script of ours in the history of another, where nothing tells whose signature it needs. The
 * inputs of others are not judged: they need no signature of ours, so there may be any number, and
 * all of them good. So nothing is in the way of anything else through an output that is not ours.
 *
 * What a block has outranks what waits: a transaction that spends what a block has spent otherwise
 * can be in no block any more, and neither can what spends from it.
 *
 * A transaction counts as soon as one history has it. T1 spends from one script of ours and
 * brings change to another; the server may tell of them one after the other, and in between
 * neither the coin nor the change may count twice, or not at all.
 *
 * Whoever makes up payments to many scripts of ours causes a look with each of them, so a look costs
 * what has changed: a history that arrives is compared with the one that it replaces, and what counts
 * is worked out for what is asked about, when it is asked for.
 */
import type { Ecdsa } from '../bitcoin/keys.js'
import { SpendJudge } from '../bitcoin/owner-spend.js'
import { NO_TXID, type Transaction, type TxOutput } from '../bitcoin/transaction.js'
import { outPointText, toHex, type OutPoint, type Txid } from '../types/bytes.js'
import type { ChainTransaction } from '../engine/ports.js'

/** The history of one script. */
interface ScriptHistory {
  /** Histories are numbered as they arrive: where two differ, the later one is right. */
  arrival: number
  places: readonly Place[]
}

/** A transaction at its place in a history. */
interface Place {
  readonly of: ScriptHistory
  readonly known: Known
  readonly index: number
  shown: ChainTransaction
}

/** A transaction, with all places at which histories show it. */
interface Known {
  readonly txid: Txid
  readonly places: Place[]
  /** The version of the view for which the following holds. */
  version: number
  /** The place that is right; undefined when it is made up wherever it stands. */
  counted: Place | undefined
  /** Undefined until it is asked for. */
  isVoid: boolean | undefined
}

/** In place of an output that a transaction does not have. */
const NO_OUTPUT = 'no such output'

export class HistoryView {
  /** In the order of their arrival. */
  readonly #histories = new Map<string, ScriptHistory>()
  readonly #known = new Map<Txid, Known>()
  /** What a block has, by the outputs that it spends. */
  readonly #mined = new Spenders()
  /** What waits, by the outputs that it spends. */
  readonly #waiting = new Spenders()
  readonly #judge: SpendJudge
  /** The input for which a transaction is made up, as long as its output is known, and ours. */
  readonly #forgedAt = new WeakMap<Transaction, OutPoint>()
  readonly #abandoned = new Set<Txid>()
  /** Outputs of channels that T1s of ours spend beside our coins. */
  readonly #beside = new Map<string, TxOutput>()
  #arrivals = 0
  /** Rises with each change. */
  #version = 0
  #listed: readonly ChainTransaction[] | undefined

  constructor(verify: Ecdsa['verify']) {
    this.#judge = new SpendJudge(verify)
  }

  /** Replaces the history of a script. */
  set(scriptPubKey: Uint8Array, history: readonly ChainTransaction[]): void {
    const key = toHex(scriptPubKey)
    const script = this.#histories.get(key) ?? { arrival: 0, places: [] }
    script.arrival = ++this.#arrivals
    this.#histories.delete(key)
    this.#histories.set(key, script)
    this.#replace(script, history)
  }

  /** Forgets a script that is no longer watched. */
  delete(scriptPubKey: Uint8Array): void {
    const key = toHex(scriptPubKey)
    const script = this.#histories.get(key)
    if (script === undefined) return
    this.#histories.delete(key)
    this.#replace(script, [])
  }

  /** From now on this transaction counts only when a block has it (`funding.ts`). */
  abandon(txid: Txid): void {
    this.#abandoned.add(txid)
    this.#changed()
  }

  /**
   * What spends this output of a channel counts, until a block has it, only if both sides have
   * signed it there: of a T1 that spends it beside coins of ours we have signed all but that, and
   * its server can show it with anything in the place of its own signature (RENEW-7).
   */
  judgeBeside(outPoint: OutPoint, output: TxOutput): void {
    this.#beside.set(outPointText(outPoint), output)
    this.#changed()
  }

  /** True when a block has paid to a script. */
  isPaid(scriptPubKey: Uint8Array): boolean {
    const places = this.#histories.get(toHex(scriptPubKey))?.places ?? []
    return places.some(({ shown: { height } }) => height !== undefined)
  }

  /** All that counts, in the order in which histories have told it last. */
  transactions(): Iterable<ChainTransaction> {
    this.#listed ??= [...this.#histories.values()].flatMap(({ places }) =>
      places
        .filter((place) => this.#counted(place.known) === place && !this.#isVoid(place.known))
        .map(({ shown }) => shown)
    )
    return this.#listed
  }

  transaction(txid: Txid): ChainTransaction | undefined {
    const known = this.#known.get(txid)
    return known === undefined || this.#isVoid(known) ? undefined : this.#counted(known)?.shown
  }

  /** The transaction that spends an output of ours, in the chain or in the mempool. */
  spender(outPoint: OutPoint): ChainTransaction | undefined {
    const mined = this.#minedSpender(outPoint)
    if (mined !== undefined || this.#ownOutput(outPoint) === undefined) return mined?.shown
    const waiting = this.#waiting.of(outPoint).filter((known) => !this.#isVoid(known))
    // While histories disagree about a replaced transaction, the later news decides.
    return this.#latestOf(waiting, (height) => height === undefined)?.shown
  }

  /**
   * True when something else spends what this transaction spends: it was replaced, and one history
   * still has it.
   */
  isReplaced({ transaction: { txid, inputs } }: ChainTransaction): boolean {
    return inputs.some(
      ({ outPoint }) => (this.spender(outPoint)?.transaction.txid ?? txid) !== txid
    )
  }

  /** What is in both histories costs no look at what it spends. */
  #replace(script: ScriptHistory, history: readonly ChainTransaction[]): void {
    const before = script.places
    let same = 0
    for (const shown of history) {
      const place = before[same]
      if (place === undefined || !isSame(place.shown, shown)) break
      place.shown = shown
      same++
    }
    const added = history.slice(same).map((shown, n) => this.#add(script, shown, same + n))
    for (const place of before.slice(same)) this.#remove(place)
    script.places = [...before.slice(0, same), ...added]
    this.#changed()
  }

  #add(of: ScriptHistory, shown: ChainTransaction, index: number): Place {
    const { transaction, height } = shown
    const { txid } = transaction
    const known = this.#known.get(txid) ?? newKnown(txid)
    this.#known.set(txid, known)
    if (!isIn(known, height)) this.#spendersFor(height).add(transaction, known)
    const place = { of, known, index, shown }
    known.places.push(place)
    return place
  }

  #remove(place: Place): void {
    const { known, shown } = place
    known.places.splice(known.places.indexOf(place), 1)
    if (!isIn(known, shown.height)) {
      this.#spendersFor(shown.height).remove(shown.transaction, known)
    }
    if (known.places.length === 0) this.#known.delete(known.txid)
  }

  #changed(): void {
    this.#version++
    this.#listed = undefined
  }

  #spendersFor(height: ChainTransaction['height']): Spenders {
    return height === undefined ? this.#waiting : this.#mined
  }

  /** Where the latest history has it that does not make it up. */
  #counted(known: Known): Place | undefined {
    if (known.version !== this.#version) {
      known.version = this.#version
      known.counted = latest(known.places.filter(({ shown }) => !this.#isForged(shown)))
      known.isVoid = undefined
    }
    return known.counted
  }

  /** What a block has needs no signature. */
  #isForged({ transaction, height }: ChainTransaction): boolean {
    if (height !== undefined) return false
    const found = this.#forgedAt.get(transaction)
    if (found !== undefined && this.#judgedOutput(found) !== undefined) return true
    // Each input of ours needs a signature of ours: the first one that is made up ends the look.
    const forged = transaction.inputs.find(({ outPoint }, index) => {
      const output = this.#judgedOutput(outPoint)
      return (
        output === NO_OUTPUT ||
        (output !== undefined && this.#judge.isForged(transaction, index, output))
      )
    })
    if (forged !== undefined) this.#forgedAt.set(transaction, forged.outPoint)
    return forged !== undefined
  }

  /** An output whose spends we can judge: one of ours, or of a channel beside which a T1 spends. */
  #judgedOutput(outPoint: OutPoint): TxOutput | typeof NO_OUTPUT | undefined {
    return this.#beside.get(outPointText(outPoint)) ?? this.#ownOutput(outPoint)
  }

  /**
   * An output to a script of ours, as far as some history has its transaction; `NO_OUTPUT` where the
   * transaction has none of this number. (A txid covers the outputs: who shows them makes no
   * difference.)
   */
  #ownOutput({ txid, vout }: OutPoint): TxOutput | typeof NO_OUTPUT | undefined {
    const source = this.#known.get(txid)?.places[0]?.shown.transaction
    if (source === undefined) return undefined
    const output = source.outputs[vout]
    if (output === undefined) return NO_OUTPUT
    return this.#histories.has(toHex(output.script)) ? output : undefined
  }

  #minedSpender(outPoint: OutPoint): Place | undefined {
    return this.#latestOf(this.#mined.of(outPoint), (height) => height !== undefined)
  }

  /** The latest of those that count at such a height. */
  #latestOf(
    those: readonly Known[],
    isAt: (height: ChainTransaction['height']) => boolean
  ): Place | undefined {
    const places = those.flatMap((known) => this.#counted(known) ?? [])
    return latest(places.filter(({ shown }) => isAt(shown.height)))
  }

  /**
   * True for what waits and can be in no block any more, since it was abandoned or a block has spent
   * otherwise what it spends, and for all that spends from it. (Whoever makes up transactions may
   * make a chain of any length, which a function that calls itself could not follow.)
   */
  #isVoid(known: Known): boolean {
    const path = [known]
    for (let last = path.at(-1); last !== undefined; last = path.at(-1)) {
      const open = this.#openSources(last)
      if (open.length === 0) path.pop()
      for (const source of open) path.push(source)
    }
    return known.isVoid === true
  }

  /** Decides whether it is void, or returns what has to be decided on before. */
  #openSources(known: Known): readonly Known[] {
    const counted = this.#counted(known)
    if (known.isVoid !== undefined) return []
    known.isVoid = false
    if (counted === undefined || counted.shown.height !== undefined) return []
    const { inputs } = counted.shown.transaction
    const sources = inputs.flatMap(({ outPoint }) => this.#known.get(outPoint.txid) ?? [])
    for (const source of sources) this.#counted(source)
    known.isVoid =
      this.#abandoned.has(known.txid) ||
      inputs.some(({ outPoint }) => this.#minedSpender(outPoint) !== undefined) ||
      sources.some(({ isVoid }) => isVoid === true)
    if (known.isVoid) return []
    const open = sources.filter(({ isVoid }) => isVoid === undefined)
    if (open.length > 0) known.isVoid = undefined
    return open
  }
}

/** Transactions, by the outputs that they spend. Of most outputs only one is known that does. */
class Spenders {
  readonly #byOutPoint = new Map<string, Known | Set<Known>>()

  add({ inputs }: Transaction, known: Known): void {
    for (const { outPoint } of inputs) {
      // The reward of a block spends nothing, and all rewards say so in the same words.
      if (outPoint.txid === NO_TXID) continue
      const name = outPointText(outPoint)
      const there = this.#byOutPoint.get(name)
      if (there instanceof Set) there.add(known)
      else if (there === undefined) this.#byOutPoint.set(name, known)
      else if (there !== known) this.#byOutPoint.set(name, new Set([there, known]))
    }
  }

  remove({ inputs }: Transaction, known: Known): void {
    for (const { outPoint } of inputs) {
      const name = outPointText(outPoint)
      const there = this.#byOutPoint.get(name)
      if (there === known) this.#byOutPoint.delete(name)
      if (!(there instanceof Set)) continue
      there.delete(known)
      const [one, another] = there
      if (one !== undefined && another === undefined) this.#byOutPoint.set(name, one)
    }
  }

  of(outPoint: OutPoint): readonly Known[] {
    const there = this.#byOutPoint.get(outPointText(outPoint))
    if (there === undefined) return []
    return there instanceof Set ? [...there] : [there]
  }
}

function newKnown(txid: Txid): Known {
  return { txid, places: [], version: -1, counted: undefined, isVoid: undefined }
}

function isSame(a: ChainTransaction, b: ChainTransaction): boolean {
  return a.transaction === b.transaction && a.height === b.height
}

/** True when a history has it in a block; for what waits, true when one has it in none. */
function isIn({ places }: Known, height: ChainTransaction['height']): boolean {
  return places.some(({ shown }) => (shown.height === undefined) === (height === undefined))
}

function latest(places: readonly Place[]): Place | undefined {
  return places.reduce<Place | undefined>(
    (last, place) => (last === undefined || isAfter(place, last) ? place : last),
    undefined
  )
}

function isAfter(a: Place, b: Place): boolean {
  return a.of === b.of ? a.index > b.index : a.of.arrival > b.of.arrival
}
