/**
 * Channels after a loss of data: this side asks its peers for their records (spec.md, "Restoring").
 * Each question has one stream, which carries one record at a time.
 */
import type { ChannelRecord, RestoreRequest } from '../../protocols/paychan/1.0/index.js'
import { channelIdOf } from '../bitcoin/scripts.js'
import type { Transition } from '../channel/effects.js'
import { envOfGivenUp } from '../channel/handed-back.js'
import { adoptRecord, ourSide } from '../channel/restoring.js'
import type { Channel, Established } from '../channel/state.js'
import { fundingScriptOf } from '../channel/terms.js'
import { errorMessage, must, Violation } from '../channel/violation.js'
import { type ChannelId, fromHex } from '../types/bytes.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import type { EngineContext } from './context.js'
import {
  type Change,
  inBackground,
  type Link,
  type LinkListener,
  type Unsubscribe,
  withTimeout
} from './ports.js'
import { recordChange } from '../types/records.js'
import { RecordInbox, ToldRecords } from './told-records.js'
import { reach } from './redial.js'
import type { Strangers } from './opening-upkeep.js'
import type { StrangersShare } from './streams.js'
import { fundingHistory } from './watches.js'

/**
 * Written when a data directory is made from the words: from then on every peer that connects is
 * asked, once a start.
 */
export const RESTORED_KEY = 'restored'

/** The change that makes a node ask its peers for its channels. */
export function restoredChange(): Change {
  return recordChange(RESTORED_KEY, { restored: true })
}

/**
 * Written when a data directory is made from a backup (RESTORE-10). Value: which one, and when that
 * was made.
 */
export const COPIED_KEY = 'restored-copy'

/** The changes that make a node treat its data as an old copy, and ask its peers. */
export function copiedChanges(backup: string, madeAt: number): Change[] {
  return [restoredChange(), recordChange(COPIED_KEY, { backup, madeAt })]
}

/** RESTORE-7: a peer that sends so many records that prove nothing has none for us. */
const MOST_REFUSED = 8
/**
 * RESTORE-7: milliseconds for all of a question, in whatever time each answer comes. A peer that
 * sends 10 records a second (WIRE-11) tells of 3,000 channels in it.
 */
export const QUESTION_MS = 300_000
/**
 * Number of times that a node asks a peer by itself, with doubled delays: about four minutes in
 * all; then it waits until the peer is there again.
 */
const MOST_ATTEMPTS = 8
/**
 * Number of peers to which a node tries to open a stream by itself at the same time, but for those
 * that are there; the others wait in a line.
 */
const MOST_REACHED_AT_ONCE = 16
/** Milliseconds for a look at the chain. */
const LOOK_MS = 30_000
/** Milliseconds between two looks whether all servers have told a history. */
const LOOK_AGAIN_MS = 250
/** The code of a record whose T1 is in no block, when there is no room for such. */
const NO_ROOM = 'ERR_TOO_MANY_CHANNELS'
const FIRST_DELAY_MS = 1_000
/** Number of channels that an alarm names. */
const MOST_NAMED = 8
/** Number of peers that are remembered as asked; a stranger can have as many names as it likes. */
const MOST_REMEMBERED = 10_000

/**
 * Number of peers that wait to be asked, beside those of this node's channels: a stranger has as
 * many names as it likes, and each that speaks of a channel would wait.
 */
export const MOST_WAITING = 1_000

/** The result of a question. */
export interface Restored {
  readonly peer: string
  readonly restored: readonly ChannelId[]
  /** Channels that this node has with the peer anyway, or has given up. */
  readonly known: number
  readonly refused: ReadonlyArray<{
    readonly channel: ChannelId
    readonly code: string
    readonly reason: string
  }>
}

/** RESTORE-7: what bounds the channels that peers hand back and nobody has funded. */
interface RestoreBounds {
  readonly strangers: Pick<Strangers, 'wantsProof'>
  readonly share: Pick<StrangersShare, 'awaitWatch'>
}

export class Restores {
  readonly #asking = new Map<string, Promise<Restored>>()
  /** Peers that have answered since the start. */
  readonly #answered = new Set<string>()
  /** RESTORE-8: peers of channels on our disk that have not answered since the start. */
  readonly #owed = new Set<string>()
  /**
   * Owed peers that may know what nobody else does: people have to hear when these cannot be asked.
   */
  readonly #doubted = new Set<string>()
  /**
   * Peers that are to be reached after others, and the number of the attempt: those that this node
   * has a channel with first, for strangers can be as many as they like (RESTORE-7).
   */
  readonly #line = { known: new Map<string, number>(), strangers: new Map<string, number>() }
  #reaching = 0
  readonly #retries = new Map<string, Unsubscribe>()
  readonly #records: ToldRecords
  /** The data directory was made from the words or from a backup: every peer is asked. */
  #isMarked = false
  /** People know that everything was lost, but what the words bring back. */
  #isFromWords = false
  #stopped = false
  readonly #context: EngineContext
  readonly #bounds: RestoreBounds

  constructor(context: EngineContext, bounds: RestoreBounds) {
    this.#context = context
    this.#bounds = bounds
    this.#records = new ToldRecords(context)
  }

  /** Reads whether the data directory was made from the words, or from a backup. */
  async load(): Promise<void> {
    const { store } = this.#context
    this.#isMarked = (await store.get(RESTORED_KEY)) !== undefined
    this.#isFromWords = this.#isMarked && (await store.get(COPIED_KEY)) === undefined
  }

  /**
   * RESTORE-8: an old copy of the data cannot know what it lacks, so this node asks every peer with
   * which it has, or had, a channel, once a start. It dials servers; a client knows where we are,
   * and is asked when it comes.
   */
  start(channels: readonly Channel[]): void {
    for (const { stage, role, peer } of channels) {
      // An opening of ours that came to nothing may have gone on since the copy (RESTORE-4).
      if (stage !== 'established' && role === 'server') continue
      this.#owed.add(peer)
      if (role === 'client') this.#later(peer, 1)
    }
  }

  /** Called when a peer has connected, or a stream with it has come live. */
  peerConnected(peer: string): void {
    if (this.#isMarked || this.#owed.has(peer)) this.#askNow(peer)
  }

  /**
   * RESTORE-9: resolves with true when a peer has said since the start which channels it has with
   * us; asks it now if not. This holds for unknown peers too: a copy from before the first channel
   * with a peer, and a node made from the words, know nothing of the peer either. Never rejects.
   */
  async hasAnswered(peer: string): Promise<boolean> {
    if (!this.#answered.has(peer)) await this.#askByItself(peer).catch(() => {})
    return this.#answered.has(peer)
  }

  /**
   * REEST-1, RESTORE-1: notes that a peer speaks of a channel. If this node has never heard of the
   * channel, it may have lost it.
   */
  observe(peer: string, channel: ChannelId): void {
    if (!this.#knows(channel)) this.#askNow(peer)
  }

  /**
   * RESTORE-8: a channel with the peer shows that this node may run on an old copy: asks the peer
   * again, whatever it has answered before.
   */
  doubt(peer: string): void {
    this.#answered.delete(peer)
    this.#owed.add(peer)
    this.#doubted.add(peer)
    const under = this.#asking.get(peer)
    if (under !== undefined) {
      // Its records may have been judged without this doubt.
      inBackground(async () => {
        await Promise.allSettled([under])
        this.doubt(peer)
      }, this.#context.alarm)
      return
    }
    this.#retries.get(peer)?.()
    this.#retries.delete(peer)
    this.#pursue(peer, 1)
  }

  /**
   * Asks a peer for the channels that it has with us, and takes those that it can prove
   * (RESTORE-5). Several calls share one question.
   *
   * @throws PaychanError those of `Peers.open`, `ERR_RESTORE_REFUSED`, `ERR_RESTORE_TIMEOUT`,
   *   `ERR_CHAIN_UNAVAILABLE`, and Violations of RESTORE-2
   */
  ask(peer: string): Promise<Restored> {
    return this.#shared(peer, (inbox) => this.#context.peers.open(peer, () => inbox))
  }

  /**
   * Asks a peer when no user has asked for it: people hear of the channels that come back.
   *
   * @param onReached - called once nothing is left but to wait for its answers
   */
  async #askByItself(peer: string, onReached: () => void = () => {}): Promise<void> {
    const under = this.#asking.get(peer)
    if (under !== undefined) {
      onReached()
      await under
      return
    }
    const { peers } = this.#context
    const { restored } = await this.#shared(peer, (inbox) =>
      reach(peers, { peer, address: this.#addressOf(peer) }, inbox).finally(onReached)
    )
    this.#tell(peer, restored)
  }

  /** The same, for nobody who waits. */
  #askFor(peer: string, attempt: number, onReached?: () => void): void {
    inBackground(async () => {
      try {
        await this.#askByItself(peer, onReached)
      } catch (error) {
        this.#failed(peer, attempt, error)
      }
    }, this.#context.alarm)
  }

  #shared(peer: string, open: (inbox: RecordInbox) => Promise<Link>): Promise<Restored> {
    const under = this.#asking.get(peer)
    if (under !== undefined) return under
    const question = this.#ask(open).finally(() => {
      this.#asking.delete(peer)
    })
    this.#asking.set(peer, question)
    return question
  }

  /** Answers a peer that asks for its channels. */
  onRequest(link: Link, first: RestoreRequest): LinkListener {
    if (this.#stopped) throw new PaychanError('ERR_NOT_READY', 'This node is about to stop.')
    return this.#records.onRequest(link, first)
  }

  stopAll(): void {
    this.#stopped = true
    for (const cancel of this.#retries.values()) cancel()
    this.#retries.clear()
    this.#line.known.clear()
    this.#line.strangers.clear()
  }

  /** True when a peer need not be asked, or will be before long. */
  #isSeenTo(peer: string): boolean {
    return (
      this.#stopped || this.#answered.has(peer) || this.#asking.has(peer) || this.#retries.has(peer)
    )
  }

  /**
   * Asks a peer that is there, once a start; again after a while when it could not. It waits behind
   * nobody: a question costs a stream over a connection, and connections are bounded, while in a
   * line each stranger that answers slowly would hold up all who come after it (RESTORE-7).
   */
  #askNow(peer: string): void {
    if (this.#isSeenTo(peer)) return
    const { known, strangers } = this.#line
    const attempt = known.get(peer) ?? strangers.get(peer) ?? 1
    known.delete(peer)
    strangers.delete(peer)
    this.#askFor(peer, attempt)
  }

  /** The same, of a peer that may have to be dialled. */
  #pursue(peer: string, attempt: number): void {
    const { known, strangers } = this.#line
    if (this.#isSeenTo(peer) || known.has(peer) || strangers.has(peer)) return
    if (this.#mayWait(peer)) (this.#isKnown(peer) ? known : strangers).set(peer, attempt)
    this.#next()
  }

  #isKnown(peer: string): boolean {
    return this.#owed.has(peer) || this.#context.actors.channelsOf(peer).length > 0
  }

  /** True while there is room; one that finds none is asked when it speaks of a channel again. */
  #mayWait(peer: string): boolean {
    const { known, strangers } = this.#line
    const waiting = known.size + strangers.size + this.#retries.size
    return waiting < MOST_WAITING + this.#owed.size || this.#isKnown(peer)
  }

  #next(): void {
    const { known, strangers } = this.#line
    while (this.#reaching < MOST_REACHED_AT_ONCE) {
      const line = known.size > 0 ? known : strangers
      const [first] = line
      if (first === undefined) return
      const [peer, attempt] = first
      line.delete(peer)
      this.#reaching += 1
      const onReached = (): void => {
        this.#reaching -= 1
        this.#next()
      }
      this.#askFor(peer, attempt, onReached)
    }
  }

  #later(peer: string, attempt: number): void {
    if (this.#retries.has(peer)) return
    this.#retries.set(
      peer,
      this.#context.clock.after(FIRST_DELAY_MS * 2 ** Math.max(0, attempt - 2), () => {
        this.#retries.delete(peer)
        this.#pursue(peer, attempt)
      })
    )
  }

  #failed(peer: string, attempt: number, error: unknown): void {
    if (this.#stopped || this.#answered.has(peer)) return
    if (attempt < MOST_ATTEMPTS && this.#mayWait(peer)) this.#later(peer, attempt + 1)
    else if (this.#doubted.has(peer)) {
      this.#context.alarm(
        new PaychanError(
          'ERR_PEER_NOT_ASKED',
          `This node may run on an old copy of its data, and the peer ${peer}, who may know of channels with money of this node, could not be asked for them: ${messageOf(error)} It is asked again when it connects, and by \`paychan recover ${peer}\`.`,
          { peer, cause: codeOf(error) }
        )
      )
    }
  }

  /** Tells people; a node made from its words knows that it has lost everything. */
  #tell(peer: string, restored: readonly ChannelId[]): void {
    if (restored.length === 0 || this.#isFromWords) return
    const names = restored
      .slice(0, MOST_NAMED)
      .map((id) => id.slice(0, 8))
      .join(', ')
    this.#context.alarm(
      new PaychanError(
        'ERR_CHANNELS_FORGOTTEN',
        `The peer ${peer} has given back ${restored.length} of this node's channels that it did not know of (${names}${restored.length > MOST_NAMED ? ', ...' : ''}): the node runs on an old copy of its data, or has lost some of it. They only close now; \`paychan channels\` shows what is in them.`,
        { peer, count: restored.length }
      )
    )
  }

  /** True for a channel on our disk, also one whose record is damaged. */
  #knows(id: ChannelId): boolean {
    return this.#context.actors.has(id) || this.#context.registry.isReserved(id)
  }

  /**
   * RESTORE-4: true for a channel that this node does not know, or knows as an opening of its own
   * that came to nothing: on an old copy from the middle of the opening it did not.
   */
  #mayTake(id: ChannelId): boolean {
    return !this.#knows(id) || this.#context.actors.get(id)?.state.stage === 'abandoned'
  }

  /** The address at which a server was reached last. */
  #addressOf(peer: string): string {
    return (
      this.#context.actors
        .channelsOf(peer)
        .filter(({ role }) => role === 'client')
        .at(-1)?.address ?? peer
    )
  }

  async #ask(open: (inbox: RecordInbox) => Promise<Link>): Promise<Restored> {
    const { clock } = this.#context
    const inbox = new RecordInbox()
    const link = await open(inbox)
    const late = new PaychanError(
      'ERR_RESTORE_TIMEOUT',
      'The peer does not say which channels it has; ask it again.'
    )
    const cancel = clock.after(QUESTION_MS, () => {
      inbox.end(late)
    })
    const restored: ChannelId[] = []
    const refused: Array<Restored['refused'][number]> = []
    let known = 0
    let after = ''
    try {
      for (;;) {
        link.send({ type: 'RestoreRequest', after: fromHex(after) })
        const answer = await withTimeout(clock, inbox.next(), this.#context.timeouts.ack, late)
        if (answer.type === 'RestoreDone') break
        if (answer.type === 'Error') {
          throw new PaychanError('ERR_RESTORE_REFUSED', `The peer refused: ${answer.text}`, {
            peerCode: answer.code,
            rule: answer.rule
          })
        }
        must(
          answer.type === 'ChannelRecord',
          'ERR-2',
          'ERR_UNEXPECTED_MESSAGE',
          `${answer.type} is not an answer to a RestoreRequest.`
        )
        const id = channelIdOf(answer.open.channelKey)
        must(
          id > after,
          'RESTORE-2',
          'ERR_OUT_OF_ORDER',
          'The channels are not in the order of their ids.'
        )
        after = id
        const outcome = await this.#take(answer, id, link)
        if (outcome === 'restored') restored.push(id)
        else if (outcome === 'known') known += 1
        else refused.push({ channel: id, code: outcome.code, reason: outcome.message })
        must(
          refused.length < MOST_REFUSED,
          'RESTORE-7',
          'ERR_TOO_MANY_REFUSED',
          `${refused.length} channels that the peer names are none of this node.`
        )
      }
    } catch (error) {
      if (error instanceof Violation) {
        link.send(errorMessage(error, false))
        // That was an answer: another question would have no better one.
        this.#remember(link.peer)
      }
      throw error
    } finally {
      cancel()
      link.close()
    }
    // A T1 that was in no block may be in one by the time at which the peer speaks of it again.
    if (!refused.some(({ code }) => code === NO_ROOM)) this.#remember(link.peer)
    return { peer: link.peer, restored, known, refused }
  }

  /** RESTORE-4 to RESTORE-6: takes a record. Never touches a channel that this node has. */
  async #take(
    record: ChannelRecord,
    id: ChannelId,
    link: Link
  ): Promise<'restored' | 'known' | Violation> {
    const { signer, wallet, network, actors } = this.#context
    try {
      const known = actors.get(id)
      // A channel with somebody else is as good as made up: others may have been told its id.
      must(
        known === undefined || known.state.peer === link.peer,
        'RESTORE-4',
        'ERR_NOT_OUR_CHANNEL',
        'The channel is none between this node and the peer.'
      )
      if (known?.state.stage === 'established') {
        known.post({ type: 'handed-back', record, network })
        await known.idle()
      }
      if (!this.#mayTake(id)) return 'known'
      const side = ourSide(record, (path) => signer.publicKey(path))
      const { closeScript } = side.role === 'client' ? record.open : record.accept
      // What is paid out without the keys of the channel goes there. The keys derive from the seed,
      // so somebody was given it, however far the search of the words has come (OPEN-12, OPEN-13).
      must(
        await wallet.recognise(closeScript, true),
        'RESTORE-4',
        'ERR_NOT_OUR_SCRIPT',
        'The script for the close is none of this wallet, as far as a search can go; if very many addresses were given out, restore it with a larger --gap.'
      )
      if (!this.#mayTake(id)) return 'known'
      const adopt = (): Transition<Established> => {
        const env = this.#context.env(side)
        const state = actors.get(id)?.state
        return adoptRecord(
          record,
          { ...side, peer: link.peer, address: link.address ?? link.peer, network },
          state?.stage === 'abandoned' ? envOfGivenUp(state, record, env) : env
        )
      }
      const isGivenUp = known !== undefined
      if (isGivenUp || (side.role === 'server' && this.#bounds.strangers.wantsProof)) {
        await this.#proveFunded(adopt().state)
        if (!this.#mayTake(id)) return 'known'
      }
      this.#mustRun()
      const first = adopt()
      if (known === undefined) this.#context.begin(first)
      else {
        known.post({ type: 'handed-back', record, network })
        await known.idle()
      }
      return 'restored'
    } catch (error) {
      if (!(error instanceof Violation)) throw error
      link.send(errorMessage(error, false))
      // Anybody can make up channels that are none of ours, or have T2 signed for them; of one
      // whose keys are ours somebody has to hear.
      if (error.code !== 'ERR_NOT_OUR_CHANNEL' && error.code !== NO_ROOM) {
        this.#context.alarm(
          PaychanError.of(
            error.code,
            `The peer ${link.peer} names a channel ${id.slice(0, 8)} of this node, and cannot prove it (${error.rule}): ${messageOf(error)}`,
            { ...error.facts, peer: link.peer, channel: id }
          )
        )
      }
      return error
    }
  }

  /**
   * RESTORE-7: strangers fill the room for channels that hold nothing, so a look at the chain comes
   * first: a channel with money in it is taken however many there are.
   * RESTORE-4: and of an opening that this node has given up, only a block shows that it went on.
   *
   * @throws Violation when its T1 is in no block
   * @throws PaychanError `ERR_CHAIN_UNAVAILABLE`
   */
  async #proveFunded({ terms, outPoint }: Established): Promise<void> {
    const { chain, clock } = this.#context
    await this.#bounds.share.awaitWatch()
    this.#mustRun()
    const seen = { isMined: false }
    const watch = chain.watchScript(fundingScriptOf(terms), {
      onHistory: (history) => {
        seen.isMined = fundingHistory(history, outPoint).funding?.height !== undefined
      },
      onError: () => {},
      outPoint: () => outPoint,
      canWait: () => true
    })
    try {
      await withTimeout(
        clock,
        watch.ready,
        LOOK_MS,
        new PaychanError(
          'ERR_CHAIN_UNAVAILABLE',
          'No Electrum server tells whether a channel that the peer hands back was funded; check the servers, then ask the peer again.'
        )
      )
      // The first server to answer may leave T1 out.
      const end = clock.now() + LOOK_MS
      while (!seen.isMined && watch.isToldByAll === false && clock.now() < end) {
        await new Promise<void>((resolve) => clock.after(LOOK_AGAIN_MS, resolve))
        this.#mustRun()
      }
    } finally {
      watch.stop()
    }
    must(
      seen.isMined,
      'RESTORE-7',
      NO_ROOM,
      'This node takes no channel just now whose T1 is in no block; name this one again once its T1 is.'
    )
  }

  #mustRun(): void {
    if (!this.#stopped) return
    throw new PaychanError('ERR_NODE_STOPPED', 'The node was stopped before this was done.')
  }

  #remember(peer: string): void {
    this.#answered.add(peer)
    this.#owed.delete(peer)
    this.#doubted.delete(peer)
    const [oldest] = this.#answered
    if (this.#answered.size > MOST_REMEMBERED && oldest !== undefined) this.#answered.delete(oldest)
  }
}
