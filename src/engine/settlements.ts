/** Settles several one-way channels by one transaction: by itself when they are due at about the same height, or when the user asks for it. */
import { MAX_BATCH } from '../bitcoin/batch.js'
import { BATCH_WINDOW, bidBatch, isBatchable, publicationOf, staysInBatch, type Batch } from '../channel/batching.js'
import type { Env } from '../channel/env.js'
import type { Channel, Established, Publication } from '../channel/state.js'
import type { BlockHeight } from '../types/units.js'
import type { ChannelId } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { isFeeRefusal } from '../types/refusals.js'
import type { ChannelActor } from './channel-actor.js'
import { withTimeout } from './performing.js'
import type { Clock } from './ports.js'
import type { Closed } from './waiters.js'

export interface SettlementsHost {
  readonly actors: () => Iterable<ChannelActor>
  readonly env: (channel: Channel) => Pick<Env, 'sign'>
  readonly clock: Clock
  /** How long a server of the chain may take, in milliseconds. */
  readonly timeout: number
}

interface Member { readonly actor: ChannelActor, readonly channel: Established }
export interface Moment extends Pick<Env, 'feeRate' | 'nextBlockRate' | 'relay'> { readonly height: BlockHeight }

export class Settlements {
  constructor (private readonly host: SettlementsHost) {}

  /** With a new tip, before the channels hear of it: raises the batches that wait, and gathers what is due. */
  onTip (moment: Moment): void {
    for (const group of this.#groups(moment).values()) this.#next(group, moment)
    const candidates = this.#candidates(moment, moment.height + BATCH_WINDOW)
    if (candidates.some(({ channel }) => channel.terms.settleHeight <= moment.height)) this.#form(candidates, moment, false)
  }

  /** Settles all that can be settled now, together where there are several; resolves when the chain has it. @throws PaychanError `ERR_CHAIN_UNAVAILABLE`, `ERR_CLOSE_TIMEOUT` */
  async settleAll (moment: Moment | undefined): Promise<ReadonlyArray<Closed & { readonly channel: ChannelId }>> {
    if (moment === undefined) throw new PaychanError('ERR_CHAIN_UNAVAILABLE', 'The Electrum server does not answer; nothing can be settled now. Check the server, then try again.')
    const candidates = this.#candidates(moment)
    if (candidates.length === 1) for (const { actor } of candidates) actor.post({ type: 'settle' })
    else this.#form(candidates, moment, true)
    const timeout = new PaychanError('ERR_CLOSE_TIMEOUT', 'No server of the chain has taken the settlement yet. It goes out again with every block, with a higher fee if need be.')
    return await Promise.all(candidates.map(async ({ actor }) => ({ channel: actor.id, ...await withTimeout(this.host.clock, actor.waiters.close(), this.host.timeout, timeout) })))
  }

  /** Those that are settled up to a height. Most are not, and that is the cheaper question. */
  #candidates ({ feeRate, height }: Moment, upTo = Infinity): Member[] {
    const members: Member[] = []
    for (const actor of this.host.actors()) {
      const { state } = actor
      if (state.stage === 'established' && state.terms.settleHeight <= upTo && isBatchable(state, feeRate, height)) members.push({ actor, channel: state })
    }
    return members
  }

  /** What is due and finds no batch bids alone with the tip. */
  #form (candidates: readonly Member[], moment: Moment, byUser: boolean): void {
    if (candidates.length < 2) return
    for (let from = 0; from < candidates.length; from += MAX_BATCH) {
      const members = candidates.slice(from, from + MAX_BATCH)
      const batch = members.length < 2 ? undefined : this.#bid(members, moment)
      if (batch !== undefined) post(members, batch, moment, byUser)
      else if (byUser) for (const { actor } of members) actor.post({ type: 'settle' })
    }
  }

  /** Those that stay together, by the transaction that they share. The others hear of the tip, and bid alone. */
  #groups ({ height }: Moment): Map<string, Member[]> {
    const groups = new Map<string, Member[]>()
    for (const actor of this.host.actors()) {
      const { state } = actor
      if (!staysInBatch(state, height)) continue
      const group = groups.get(state.publication.txid)
      if (group === undefined) groups.set(state.publication.txid, [{ actor, channel: state }])
      else group.push({ actor, channel: state })
    }
    return groups
  }

  #next (members: readonly Member[], moment: Moment): void {
    const publications = members.flatMap(({ channel: { publication } }) => publication ?? [])
    const [last] = publications
    if (last?.batch === undefined) return
    // Where nobody could be asked, nobody has refused it.
    const refusals = publications.flatMap(({ refusedFor }) => refusedFor === undefined || refusedFor === 'unavailable' ? [] : refusedFor)
    const hasLost = members.length < last.batch.channels
    const previous: Batch = { since: last.since, feeRate: last.feeRate, fee: last.batch.fee, txid: last.txid, raw: last.raw }
    const next = this.#bid(members, moment, previous, hasLost || refusals.length > 0)
    // A higher fee answers a refusal for it. At anything else the batch comes apart, and where those that are left are too few or too poor to replace it.
    const isOver = refusals.some((kind) => !isFeeRefusal(kind)) || (hasLost && (members.length < 2 || next === undefined))
    if (isOver) for (const { actor } of members) actor.post({ type: 'batched', publication: undefined, leads: false })
    else if (next !== undefined) post(members, next, moment)
    else members.forEach(({ actor }, i) => { actor.post({ type: 'batched', publication: last, leads: i === 0 }) })
  }

  #bid (members: readonly Member[], moment: Moment, previous?: Batch, mustChange = false): Batch | undefined {
    return bidBatch(members.map(({ channel }) => ({ channel, sign: this.host.env(channel).sign })), moment, previous, mustChange)
  }
}

function post (members: readonly Member[], batch: Batch, { height }: Moment, byUser = false): void {
  const publication: Publication = publicationOf(batch, members.length, height)
  members.forEach(({ actor }, i) => { actor.post({ type: 'batched', publication, leads: i === 0, byUser }) })
}
