/**
 * Brings the chain to the channels: the watches of their funding scripts, the channels that a new
 * tip concerns, and the time since which the chain is seen without a break.
 */
import type { FundingHistory, ShownTransaction } from '../channel/events.js'
import type { Channel } from '../channel/state.js'
import { fundingScriptOf } from '../channel/terms.js'
import { isVacant } from '../channel/funding.js'
import { type OutPoint, toHex, type Txid } from '../types/bytes.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import type { BlockHeight } from '../types/units.js'
import type { ChannelActor } from './channel-actor.js'
import type {
  Chain,
  ChainTransaction,
  KnownTransaction,
  ScriptWatch,
  ScriptWatcher
} from './ports.js'
import type { Redial } from './redial.js'

/* The watches of the funding scripts: one for each channel that is not settled for good. */

/** `script`: in hex, which takes a third of the memory of an array. */
function notWatched(error: unknown): PaychanError {
  const text = `The channel could not be watched: ${messageOf(error)}`
  return new PaychanError('ERR_WATCH_FAILED', text, { cause: codeOf(error) })
}

interface Watched {
  readonly script: string
  readonly watch: ScriptWatch
}

export class Watches {
  readonly #watches = new Map<ChannelActor, Watched>()
  readonly #chain: Chain
  readonly #onError: (actor: ChannelActor, error: Error) => void

  constructor(chain: Chain, onError: (actor: ChannelActor, error: Error) => void) {
    this.#chain = chain
    this.#onError = onError
  }

  /**
   * Watches a channel's funding script; a second call for the same script returns the first watch.
   */
  watch(actor: ChannelActor, scriptPubKey: Uint8Array): ScriptWatch {
    const known = this.#watches.get(actor)
    const script = toHex(scriptPubKey)
    if (known?.script === script) return known.watch
    known?.watch.stop()
    const watch = this.#chain.watchScript(scriptPubKey, new FundingWatcher(actor, this.#onError))
    this.#watches.set(actor, { script, watch })
    // A watch that fails is reported, and can be set up again; whoever waits for `ready` hears of
    // it as well.
    watch.ready.catch((error: unknown) => {
      if (this.#watches.get(actor)?.watch === watch) this.#watches.delete(actor)
      this.#onError(actor, notWatched(error))
    })
    return watch
  }

  get count(): number {
    return this.#watches.size
  }

  has(actor: ChannelActor): boolean {
    return this.#watches.has(actor)
  }

  /** True when a server tells this session what happens to a channel. */
  isCurrent(actor: ChannelActor | undefined): boolean {
    return actor !== undefined && this.#watches.get(actor)?.watch.isCurrent === true
  }

  stop(actor: ChannelActor): void {
    this.#watches.get(actor)?.watch.stop()
    this.#watches.delete(actor)
  }

  stopAll(): void {
    for (const { watch } of this.#watches.values()) watch.stop()
    this.#watches.clear()
  }
}

/** A class, since there are ten thousand of them: closures take three times the memory. */
class FundingWatcher implements ScriptWatcher {
  readonly #actor: ChannelActor
  readonly #failed: (actor: ChannelActor, error: Error) => void

  constructor(actor: ChannelActor, failed: (actor: ChannelActor, error: Error) => void) {
    this.#actor = actor
    this.#failed = failed
  }

  onHistory(history: readonly ChainTransaction[]): void {
    const actor = this.#actor
    const { state } = this.#actor
    if (state.stage === 'established' || state.stage === 'refund-signed') {
      actor.post({ type: 'history', history: fundingHistory(history, state.outPoint) })
    }
  }

  onError(error: Error): void {
    this.#failed(this.#actor, notWatched(error))
  }

  /** True for a channel without money: money comes first. */
  canWait(): boolean {
    return isVacant(this.#actor.state)
  }

  outPoint(): OutPoint | undefined {
    const { state } = this.#actor
    return state.stage === 'established' || state.stage === 'refund-signed'
      ? state.outPoint
      : undefined
  }

  /** The bytes of T1. */
  kept(id: Txid): Uint8Array | undefined {
    const { state } = this.#actor
    return state.stage === 'established' && state.outPoint.txid === id ? state.fundingTx : undefined
  }

  /**
   * T1, once it was in a block: before, its bytes here may lack the signatures that it has there, as
   * those of a renewal do until the server's signature was seen.
   */
  known(id: Txid): KnownTransaction | undefined {
    const { state } = this.#actor
    const raw = this.kept(id)
    return raw === undefined ||
      state.stage !== 'established' ||
      state.onChain.fundingHeight === undefined ||
      (state.role === 'client' && state.renewal !== undefined)
      ? undefined
      : { raw, block: state.onChain.fundingBlock }
  }
}

/* The part of a funding script's history that concerns one funding output. */

/** Picks T1, the spend of its output, and the other payments to its script. */
export function fundingHistory(
  history: readonly ShownTransaction[],
  outPoint: OutPoint
): FundingHistory {
  const isFunding = ({ transaction }: ShownTransaction): boolean =>
    transaction.txid === outPoint.txid
  const isSpend = ({ transaction }: ShownTransaction): boolean => transaction.spends(outPoint)
  const fundings = history.filter(isFunding)
  const others = history.filter((each) => !isFunding(each))
  const [first] = fundings
  // A server shows one version: whoever shows another witness hides no server that shows T1.
  const shownBy = fundings.reduce((sum, each) => sum + (each.shownBy ?? 1), 0)
  return {
    funding: first?.shownBy === undefined ? first : { ...first, shownBy },
    fundings: fundings.map(({ transaction }) => transaction),
    spends: others.filter(isSpend),
    strays: others.filter((each) => !isSpend(each))
  }
}

/*
 * The channels that a new tip concerns (src/channel/due.ts), out of those that the chain can
 * concern at all.
 */

/** True for stages that the chain matters to. */
function isWatched(
  channel: Channel
): channel is Extract<Channel, { stage: 'established' | 'refund-signed' }> {
  return channel.stage === 'established' || channel.stage === 'refund-signed'
}

/**
 * Sorts channels that hold no money last: the server may refuse to watch more than some number of
 * scripts.
 */
export function moneyFirst(actors: Iterable<ChannelActor>): ChannelActor[] {
  const [withMoney, vacant]: [ChannelActor[], ChannelActor[]] = [[], []]
  for (const actor of actors) (isVacant(actor.state) ? vacant : withMoney).push(actor)
  return [...withMoney, ...vacant]
}

export class DueActors {
  /**
   * The answer of `first`: it holds between the two heights, as long as no channel and no watch
   * changes.
   */
  #first:
    | {
        readonly from: number
        readonly at: number
        readonly actors: number
        readonly watches: number
      }
    | undefined
  readonly #actors: ReadonlyMap<unknown, ChannelActor>
  readonly #watches: Watches

  constructor(actors: ReadonlyMap<unknown, ChannelActor>, watches: Watches) {
    this.#actors = actors
    this.#watches = watches
  }

  /** Called when a channel is in another state. */
  readonly changed = (): void => {
    this.#first = undefined
  }

  /** The channels that are due at a height; all that may be, while the height is not known. */
  at(height: BlockHeight | undefined): ChannelActor[] {
    return [...this.#actors.values()].filter(
      (actor) => height === undefined || actor.nextDue(height) <= height
    )
  }

  /**
   * Handles a new tip: channels that are due hear of it, and watches that could not be set up, and
   * peers that nobody dials, are tried again.
   */
  tell(due: readonly ChannelActor[], redial: Pick<Redial, 'schedule'>): void {
    // Nearly always all are watched: a block sorts none of ten thousand channels for nothing.
    const unwatched: ChannelActor[] = []
    for (const actor of this.#actors.values()) {
      if (!this.#watches.has(actor) && isWatched(actor.state)) unwatched.push(actor)
      redial.schedule(actor)
    }
    for (const actor of moneyFirst(unwatched)) {
      if (isWatched(actor.state)) this.#watches.watch(actor, fundingScriptOf(actor.state.terms))
    }
    for (const actor of due) if (isWatched(actor.state)) actor.post({ type: 'tip' })
  }

  /**
   * The first height, `from` or above, at which a channel is due, or has to be watched first;
   * Infinity when there is none.
   */
  readonly first = (from: BlockHeight): number => {
    const [actors, watches] = [this.#actors.size, this.#watches.count]
    if (
      this.#first === undefined ||
      from < this.#first.from ||
      from > this.#first.at ||
      this.#first.actors !== actors ||
      this.#first.watches !== watches
    ) {
      this.#first = { from, at: this.#find(from), actors, watches }
    }
    return this.#first.at
  }

  #find(from: BlockHeight): number {
    let first = Infinity
    for (const actor of this.#actors.values()) {
      first = Math.min(
        first,
        this.#watches.has(actor) || !isWatched(actor.state) ? actor.nextDue(from) : from
      )
    }
    return first
  }
}

/**
 * Holds the height since which the chain is seen without a break: a delayed duty gets its full time
 * once it can be done.
 */
export class View {
  #since: BlockHeight | undefined

  /** Height of the first tip; undefined until there is one. */
  get since(): BlockHeight | undefined {
    return this.#since
  }

  /** Notes a tip; undefined: the chain was gone again by then. */
  seen(height: BlockHeight | undefined): void {
    this.#since ??= height
  }

  lost(): void {
    this.#since = undefined
  }
}
